"""Who may come in, through both interfaces."""

from typing import Any

from tests.parity.conftest import Open
from tests.support.account_builders import ANN, CODE_REGISTRATION, EVE, REGISTRATION, WRONG_CODE, code, logged_in
from tests.support.interfaces import Interface, Refused, Tokens
from tests.support.world import wrong

CLOSED, UNINVITED = Refused("registration-closed"), Refused("invitation-required")
NO_DOMAIN = {"email": ["domain-not-accepted"]}


def register_by_code(interface: Interface) -> tuple[object, object, object]:
    """Returns the answers to the request for a code, to a wrong one and to the right one."""
    sent = interface.request_registration_code(**CODE_REGISTRATION)
    right = interface.world.code_for(ANN)
    answers = [interface.register_or_log_in(**CODE_REGISTRATION, verify_otp=given) for given in (wrong(right), right)]
    return sent, *answers


def test_closed_registration_refuses_at_once_and_after_a_right_code(open_interface: Open) -> None:
    interface = open_interface(registration="closed")

    assert interface.register(**REGISTRATION) == CLOSED
    sent, after_wrong, after_right = register_by_code(interface)

    assert isinstance(sent, str)
    assert (after_wrong, after_right) == (WRONG_CODE, CLOSED)
    assert interface.is_unique(prop="email", value=ANN) is True


def test_code_to_an_account_logs_in_where_registration_is_closed(open_interface: Open) -> None:
    interface = open_interface(registration="closed")
    fields: dict[str, Any] = {name: REGISTRATION[name] for name in ("username", "name", "email", "password")}
    interface.world.create_superuser(**fields)
    sent, after_wrong, after_right = register_by_code(interface)

    assert isinstance(sent, str)
    assert after_wrong == WRONG_CODE
    assert isinstance(after_right, Tokens)
    assert not after_right.created


def test_email_at_a_domain_that_is_not_accepted_is_refused_everywhere(open_interface: Open) -> None:
    interface = open_interface(email_domains="*.example.com, !spam.example.com")
    token = logged_in(interface).token
    elsewhere = "eve@spam.example.com"

    for refused in (
        interface.register(**REGISTRATION | {"username": "eve", "email": elsewhere, "mobile": None}),
        interface.request_registration_code(**CODE_REGISTRATION | {"email": elsewhere}),
        interface.register_or_log_in(**CODE_REGISTRATION | {"email": elsewhere, "verify_otp": "123456"}),
        interface.change(token, email=elsewhere),
        interface.replace(token, **REGISTRATION | {"email": elsewhere}),
    ):
        assert isinstance(refused, Refused)
        assert (refused.slug, refused.codes) == ("invalid-input", NO_DOMAIN)
    unknown = interface.is_unique(prop="email", value=elsewhere)
    assert unknown == Refused("invalid-input", frozenset({"value"}))
    assert unknown.codes == {"value": ["domain-not-accepted"]}
    assert interface.change(token, email=EVE)["email"] == EVE
    assert isinstance(code(interface, elsewhere), str), "a code that verifies an address makes no account"


def test_invited_address_registers_once(open_interface: Open) -> None:
    interface = open_interface(registration="invited")
    interface.world.invite(address=ANN)
    [message] = interface.world.messages_to(ANN)

    assert interface.register(**REGISTRATION) == UNINVITED
    account = interface.register(**REGISTRATION, proofs=[message.values["token"]])
    assert (account["email_verified"], account["mobile_verified"]) == (True, False)
    other = REGISTRATION | {"username": "eve", "mobile": None}
    assert interface.register(**other, proofs=[message.values["token"]]) == Refused("invalid-input", frozenset({"proofs"}))
    assert interface.register(**other) == UNINVITED, "and not that the email is taken"


def test_code_to_an_invited_address_registers(open_interface: Open) -> None:
    interface = open_interface(registration="invited")
    sent, after_wrong, after_right = register_by_code(interface)
    assert isinstance(sent, str)
    assert (after_wrong, after_right) == (WRONG_CODE, UNINVITED)

    interface.world.invite(address=ANN)
    interface.world.clock.advance(60)
    sent, after_wrong, after_right = register_by_code(interface)

    assert isinstance(sent, str)
    assert after_wrong == WRONG_CODE
    assert isinstance(after_right, Tokens)
    assert after_right.created
