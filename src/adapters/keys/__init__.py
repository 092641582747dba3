"""Access tokens (JWT by PyJWT), refresh tokens, and the keys that both are made with."""

from .access_tokens import JwtTokens
from .codes import CodeSecrets, HmacCodes
from .encrypted_store import SealedShelf
from .file_store import DirectoryShelf
from .keyset import Keys, Secret, SigningKey
from .lifecycle import in_use
from .manager import HeldKey, KeyKeeper, KeysStay
from .reloading import WatchedKeys, open_keys, read_keys
from .seal import Seal
from .store import Shelf

__all__ = [
    "CodeSecrets",
    "DirectoryShelf",
    "HeldKey",
    "HmacCodes",
    "JwtTokens",
    "KeyKeeper",
    "Keys",
    "KeysStay",
    "Seal",
    "SealedShelf",
    "Secret",
    "Shelf",
    "SigningKey",
    "WatchedKeys",
    "in_use",
    "open_keys",
    "read_keys",
]
