"""Access tokens (JWT by PyJWT), refresh tokens, and the keys that both are made with."""

from .access_tokens import JwtTokens
from .codes import CodeSecrets, HmacCodes
from .encrypted_store import EncryptedKeyStore
from .file_store import FileKeyStore
from .keyset import Keys, Secret, SigningKey
from .lifecycle import active_key
from .manager import KeyChangeRefused, KeyInfo, KeyManager
from .reloading import ReloadingKeys, open_keys, read_keys
from .seal import Seal
from .store import KeyStore

__all__ = [
    "CodeSecrets",
    "EncryptedKeyStore",
    "FileKeyStore",
    "HmacCodes",
    "JwtTokens",
    "KeyChangeRefused",
    "KeyInfo",
    "KeyManager",
    "KeyStore",
    "Keys",
    "ReloadingKeys",
    "Seal",
    "Secret",
    "SigningKey",
    "active_key",
    "open_keys",
    "read_keys",
]
