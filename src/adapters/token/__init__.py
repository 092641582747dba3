"""Access tokens (JWT by PyJWT), refresh tokens, and the keys that both are made with."""

from .directory_shelf import DirectoryShelf
from .key_keeper import HeldKey, KeyKeeper, KeysStay
from .keys import Keys, Secret, SigningKey
from .seal import Seal
from .sealed_shelf import SealedShelf
from .shelf import Shelf
from .terms import in_use
from .tokens import JwtTokens
from .watched_keys import WatchedKeys, open_keys, read_keys

__all__ = [
    "DirectoryShelf",
    "HeldKey",
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
