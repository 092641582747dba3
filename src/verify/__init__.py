"""Checks Vestibule's access tokens in other services: offline, without its database and without its framework.

`Verifier` turns the text of a token into an `Identity`, or raises a `Refusal`. It needs PyJWT with cryptography, and nothing
else of Vestibule; `vestibule.verify.asgi`, `.wsgi`, `.litestar`, `.fastapi` and `.django` bring it into a framework.
"""

from .identity import Identity
from .keys import FileKeys, GivenKeys, Key, KeySource
from .refusals import InvalidToken, NotAuthenticated, Refusal, Unavailable
from .revocations import Revocations
from .urls import UrlKeys
from .verifier import Verifier

__all__ = [
    "FileKeys",
    "GivenKeys",
    "Identity",
    "InvalidToken",
    "Key",
    "KeySource",
    "NotAuthenticated",
    "Refusal",
    "Revocations",
    "Unavailable",
    "UrlKeys",
    "Verifier",
]
