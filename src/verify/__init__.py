"""Verifies Vestibule's access tokens in other services: offline, without its database and without its framework.

`Verifier` turns the text of a token into an `Identity`, or raises a `Refusal`. It needs PyJWT with cryptography and nothing
else of Vestibule. Names that exist in `vestibule` too, such as `Refusal` and `Identity`, are unrelated classes with the same
meaning. `vestibule.verify.asgi`, `.wsgi`, `.litestar`, `.fastapi` and `.django` integrate it into frameworks.
"""

from .jwks_client import JwksClient
from .keys import KeySource, StaticKeys
from .refusals import InvalidToken, NotAuthenticated, Refusal, Unavailable
from .revocations import Revocations
from .verifier import Identity, Verifier

__all__ = [
    "Identity",
    "InvalidToken",
    "JwksClient",
    "KeySource",
    "NotAuthenticated",
    "Refusal",
    "Revocations",
    "StaticKeys",
    "Unavailable",
    "Verifier",
]
