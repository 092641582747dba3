"""Who asks, and what they usually do."""

from typing import Any

from tests.support.interfaces import Door, Refused, Tokens
from tests.support.world import OTHER_PASSWORD, PASSWORD

ANN, MOBILE = "ann@mail.example.com", "7012345678"
EVE, EVES_MOBILE = "eve@mail.example.com", "7087654321"
ADA = {"username": "ann", "name": "Ann Somebody", "email": ANN, "mobile": MOBILE, "password": PASSWORD}
OTHER = {"username": "eve", "name": "Eve Other", "email": EVE, "mobile": EVES_MOBILE, "password": OTHER_PASSWORD}
PERSON = {"name": "Ann Somebody", "email": ANN, "mobile": MOBILE}
WRONG_CODE = Refused("invalid-code")


def tokens(door: Door, username: str = "ann", password: str = PASSWORD) -> Tokens:
    found = door.log_in(username=username, password=password)
    assert isinstance(found, Tokens), found
    return found


def logged_in(door: Door) -> Tokens:
    """Of a fresh Ann."""
    assert isinstance(door.register(**ADA), dict)
    return tokens(door)


def code(door: Door, destination: str, *, read_at: str | None = None, **fields: Any) -> str:
    """A code that was asked for, after the cool-down of the one before it."""
    door.world.clock.advance(60)
    sent = door.send(destination=destination, **fields)
    assert isinstance(sent, str), sent
    return door.world.code_for(read_at or destination)


def proof(door: Door, destination: str, token: str | None = None) -> str:
    proven = door.verify(token, destination=destination, verify_otp=code(door, destination))
    assert isinstance(proven, str), proven
    return proven


def invalid(*fields: str) -> Refused:
    return Refused("invalid-input", frozenset(fields))


def taken(*fields: str) -> Refused:
    return Refused("already-taken", frozenset(fields))
