"""The key set of a deployment, and its uses: access tokens (JWT by PyJWT), refresh tokens, one-time codes, keyed digests."""

from .access_tokens import JwtTokens
from .codes import HmacCodes
from .encrypted_store import EncryptedKeyStore
from .keyset import KeyKind, KeySet, KeySource, SigningKey, SymmetricKey
from .lifecycle import KeyState
from .manager import KeyChangeRefused, KeyInfo, KeyManager
from .reloading import ReloadingKeys, open_keys, read_keys
from .store import FileKeyStore, KeyStore

__all__ = [
    "EncryptedKeyStore",
    "FileKeyStore",
    "HmacCodes",
    "JwtTokens",
    "KeyChangeRefused",
    "KeyInfo",
    "KeyKind",
    "KeyManager",
    "KeySet",
    "KeySource",
    "KeyState",
    "KeyStore",
    "ReloadingKeys",
    "SigningKey",
    "SymmetricKey",
    "open_keys",
    "read_keys",
]
