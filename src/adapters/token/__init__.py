"""Access tokens (JWT by PyJWT), refresh tokens, and the keys that both are made with."""

from .key_files import open_keys
from .keys import Keys, Secret, SigningKey
from .tokens import JwtTokens

__all__ = ["JwtTokens", "Keys", "Secret", "SigningKey", "open_keys"]
