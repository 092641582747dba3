"""Fields of test accounts, and the usual calls that create and use these accounts."""

from typing import Any

from tests.support.interfaces import Interface, Refused, Tokens
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

ANN, MOBILE = "ann@mail.example.com", "7012345678"
EVE, EVES_MOBILE = "eve@mail.example.com", "7087654321"
REGISTRATION = {"username": "ann", "name": "Ann Person", "email": ANN, "mobile": MOBILE, "password": PASSWORD}
OTHER_REGISTRATION = {"username": "eve", "name": "Eve Other", "email": EVE, "mobile": EVES_MOBILE, "password": OTHER_PASSWORD}
CODE_REGISTRATION = {"name": "Ann Person", "email": ANN, "mobile": MOBILE}
WRONG_CODE = Refused("invalid-code")


def tokens(interface: Interface, username: str = "ann", password: str = PASSWORD) -> Tokens:
    found = interface.log_in(username=username, password=password)
    assert isinstance(found, Tokens), found
    return found


def logged_in(interface: Interface) -> Tokens:
    """Registers Ann and logs her in."""
    assert isinstance(interface.register(**REGISTRATION), dict)
    return tokens(interface)


def code(interface: Interface, destination: str, *, read_at: str | None = None, **fields: Any) -> str:
    """Returns a newly sent code, after the cooldown of the previous one."""
    interface.world.clock.advance(60)
    sent = interface.send(destination=destination, **fields)
    assert isinstance(sent, str), sent
    return interface.world.code_for(read_at or destination)


def proof(interface: Interface, destination: str, token: str | None = None) -> str:
    found = interface.verify(token, destination=destination, verify_otp=code(interface, destination))
    assert isinstance(found, str), found
    return found


def notices(world: World, address: str) -> list[str]:
    """The kinds of the notices to an address, the oldest first."""
    return [message.values["what"] for message in world.messages_to(address) if message.template == "notice"]


def invalid(*fields: str) -> Refused:
    return Refused("invalid-input", frozenset(fields))


def taken(*fields: str) -> Refused:
    return Refused("already-taken", frozenset(fields))
