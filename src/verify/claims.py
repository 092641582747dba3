"""The claims of an access token (RFC 9068): their names, types and limits, for the issuer and for verifiers alike."""

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

import jwt

MAX_TOKEN_LENGTH = 8192
"""More than a token with every claim of an account has, however long its names are: some 6,000 bytes."""
MAX_LEEWAY = 30
MAX_ACCOUNT_ID = 2**63 - 1
SESSION_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)

_SUBJECT = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


class Claims(NamedTuple):
    """The claims that Vestibule reads. Times are whole seconds since the epoch."""

    account_id: int
    session_id: str
    issued_at: int
    not_before: int
    expires_at: int


def read_claims(payload: Mapping[str, object]) -> Claims:
    """Raises `ValueError` for a claim of the wrong type or out of range, and `KeyError` for a missing one."""
    subject, session_id = payload["sub"], payload["sid"]
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject) or int(subject) > MAX_ACCOUNT_ID:
        raise ValueError("sub")
    if not isinstance(session_id, str) or not SESSION_ID.fullmatch(session_id):
        raise ValueError("sid")
    issued_at, not_before, expires_at = payload["iat"], payload["nbf"], payload["exp"]
    if type(issued_at) is not int or type(not_before) is not int or type(expires_at) is not int:
        raise ValueError("iat, nbf, exp")
    return Claims(int(subject), session_id, issued_at, not_before, expires_at)


def claims_decoder() -> jwt.PyJWT:
    """Returns a decoder that checks everything but the time: PyJWT reads the wall clock, and callers have their own clocks."""
    return jwt.PyJWT(
        {
            "require": ["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "sid"],
            "strict_aud": True,
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
        }
    )


def json_object(data: bytes) -> dict[str, object]:
    """Raises `ValueError` for anything but one JSON object."""
    try:
        found: object = json.loads(data)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("the JSON is not an object")
    return found
