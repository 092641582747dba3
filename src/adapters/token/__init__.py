"""Access tokens (JWT by PyJWT), refresh tokens, and the keys that both are made with."""

from .key_directory import KeyDirectory, open_keys, read_keys
from .key_keeper import HeldKey, KeyKeeper, KeysStay
from .keys import Keys, Secret, SigningKey
from .terms import in_use
from .tokens import JwtTokens

__all__ = [
    "HeldKey",
    "JwtTokens",
    "KeyDirectory",
    "KeyKeeper",
    "Keys",
    "KeysStay",
    "Secret",
    "SigningKey",
    "in_use",
    "open_keys",
    "read_keys",
]
