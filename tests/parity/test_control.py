"""The owner stays in control: fresh logins, the export, and notices of new devices. `test_deletion` has the deletion."""

from typing import Any

import pytest
from tests.parity.conftest import Open
from tests.support.account_builders import (
    ANN,
    EVE,
    EVES_MOBILE,
    OTHER_REGISTRATION,
    REGISTRATION,
    invalid,
    logged_in,
    notices,
    proof,
    tokens,
)
from tests.support.interfaces import Interface, Refused
from tests.support.world import OTHER_PASSWORD, PASSWORD, PNG, World

HOUR, DAY = 3600, 86_400
NOT_FRESH, WRONG = Refused("login-not-fresh"), Refused("invalid-credentials")
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)

SENSITIVE: dict[str, tuple[str, dict[str, Any]]] = {
    "password": ("change", {"password": OTHER_PASSWORD}),
    "email": ("change", {"email": EVE}),
    "mobile": ("change", {"mobile": EVES_MOBILE}),
    "no mobile": ("change", {"mobile": None}),
    "all fields": ("replace", REGISTRATION),
    "deletion": ("delete", {}),
    "export": ("export", {}),
}
sensitive = pytest.mark.parametrize(("call", "fields"), SENSITIVE.values(), ids=SENSITIVE)


def logged_in_before(interface: Interface, seconds: float) -> str:
    """Registers Ann; returns the access token of a session that began so many seconds ago."""
    refresh_token = logged_in(interface).refresh_token
    interface.world.clock.advance(seconds)
    return str(interface.refresh(refresh=refresh_token).token)


# --- fresh logins -----------------------------------------------------------------------------------------------------


@sensitive
def test_sensitive_call_wants_a_fresh_login(call: str, fields: dict[str, Any], interface: Interface) -> None:
    own = logged_in_before(interface, HOUR + 1)
    before = interface.account(own)
    assert getattr(interface, call)(own, **fields) == NOT_FRESH
    assert interface.account(own) == before


@sensitive
def test_session_is_fresh_for_an_hour_also_after_a_refresh(call: str, fields: dict[str, Any], interface: Interface) -> None:
    own = logged_in_before(interface, HOUR)
    assert not isinstance(getattr(interface, call)(own, **fields), Refused)


@sensitive
def test_call_with_the_current_password_is_fresh(call: str, fields: dict[str, Any], interface: Interface) -> None:
    own = logged_in_before(interface, HOUR + 1)
    assert not isinstance(getattr(interface, call)(own, **fields, current_password=PASSWORD), Refused)


@pytest.mark.parametrize("seconds", [0, HOUR + 1], ids=["fresh", "not fresh"])
@sensitive
def test_wrong_current_password_is_refused_also_where_the_session_is_fresh(
    call: str, fields: dict[str, Any], seconds: int, interface: Interface
) -> None:
    own = logged_in_before(interface, seconds)
    before = interface.account(own)
    assert getattr(interface, call)(own, **fields, current_password=OTHER_PASSWORD) == WRONG
    assert interface.account(own) == before


def test_wrong_current_password_is_counted_like_a_login(interface: Interface) -> None:
    own = logged_in(interface).token
    for call in (interface.delete, interface.export, interface.change, interface.delete, interface.export):
        assert call(own, current_password=OTHER_PASSWORD) == WRONG
    assert interface.delete(own, current_password=PASSWORD) == Refused("rate-limited", retry_after=300)
    assert interface.log_in(username="ann", password=PASSWORD) == Refused("rate-limited", retry_after=300)


def test_age_of_a_fresh_login_is_a_setting(open_interface: Open) -> None:
    interface = open_interface(fresh_login=60)
    own = logged_in(interface).token
    interface.world.clock.advance(60)
    assert interface.change(own, email=EVE)["email"] == EVE
    interface.world.clock.advance(1)
    assert interface.change(own, email=ANN) == NOT_FRESH


def test_fresh_login_can_be_lifted(open_interface: Open) -> None:
    interface = open_interface(fresh_login=None)
    own = logged_in_before(interface, 3 * DAY)
    assert interface.change(own, password=OTHER_PASSWORD, email=EVE)["email"] == EVE
    assert isinstance(interface.export(own), dict)
    assert isinstance(interface.delete(own), int)


@pytest.mark.parametrize(
    "fields", [{"email": "nowhere"}, {"mobile": "1"}, {"password": "short"}, {"email": EVE, "mobile": "1"}]
)
def test_refusal_of_a_login_that_is_not_fresh_tells_nothing_about_the_values(
    fields: dict[str, str], interface: Interface
) -> None:
    interface.register(**OTHER_REGISTRATION)
    assert interface.change(logged_in_before(interface, HOUR + 1), **fields) == NOT_FRESH


@pytest.mark.parametrize("fields", [{"name": "Ann King"}, {"username": "annie"}, {"email": ANN.upper()}, {}])
def test_other_changes_want_no_fresh_login(fields: dict[str, str], interface: Interface) -> None:
    assert isinstance(interface.change(logged_in_before(interface, HOUR + 1), **fields), dict)


def test_present_password_is_no_change_only_with_a_fresh_login(interface: Interface, world: World) -> None:
    other = logged_in(interface)
    own = tokens(interface)
    assert isinstance(interface.change(own.token, password=PASSWORD), dict)
    assert isinstance(interface.account(other.token), dict), "nothing was changed, and no session ended"
    world.clock.advance(HOUR + 1)
    token = interface.refresh(refresh=own.refresh_token).token
    assert interface.change(token, password=PASSWORD) == interface.change(token, password=OTHER_PASSWORD) == NOT_FRESH


# --- the export -------------------------------------------------------------------------------------------------------


def test_export_holds_everything_about_the_account_with_its_audit_log_and_the_image(interface: Interface) -> None:
    own = logged_in(interface)
    proof(interface, ANN, own.token)
    interface.upload(own.token, PNG)
    files = interface.export(own.token)
    kinds = {"account.json", "sessions.json", "codes.json", "proofs.json", "audit_log.json", "image.webp"}
    assert {*files} >= kinds
    account = files["account.json"]
    assert {name: account[name] for name in ("username", "name", "email", "email_verified", "mobile")} == {
        **{name: REGISTRATION[name] for name in ("username", "name", "email", "mobile")},
        "email_verified": True,
    }
    assert files["image.webp"] == PNG
    [session] = files["sessions.json"]
    assert (session["id"], session["user_agent"]) == (own.session, interface.agent)
    events = [event["type"] for event in files["audit_log.json"]]
    assert events == ["registered", "logged_in", "address_verified", "image_changed", "exported"]


def test_export_holds_no_hash_of_a_password_or_token(interface: Interface, world: World) -> None:
    own = logged_in(interface)
    successor = interface.refresh(refresh=own.refresh_token)
    text = str(interface.export(successor.token))
    account, stored = world.owner(ANN), world.database.accounts.by_active_session(1, own.session, world.clock())
    assert account is not None
    assert stored is not None
    assert account.password_hash
    for secret in (account.password_hash, own.token, own.refresh_token, successor.token, successor.refresh_token, "hash"):
        assert secret not in text


def test_account_has_five_exports_a_day(interface: Interface) -> None:
    own = logged_in(interface).token
    assert interface.export(own, current_password=7) == invalid("current_password")
    for number in range(5):
        assert isinstance(interface.export(own, **({"current_password": PASSWORD} if number % 2 else {})), dict)
    assert interface.export(own) == Refused("rate-limited", retry_after=DAY)


# --- new devices ------------------------------------------------------------------------------------------------------


def test_notice_of_a_new_device_names_browser_system_network_and_time_and_no_version(
    interface: Interface, world: World
) -> None:
    interface.agent = FIREFOX.format(128)
    interface.register(**REGISTRATION, proofs=[proof(interface, ANN)])
    tokens(interface)
    assert notices(world, ANN) == []
    world.clock.now = 1_800_000_000.0 + DAY
    interface.agent, interface.address = IPHONE, "203.0.113.9"
    tokens(interface)
    assert notices(world, ANN) == ["new_login"]
    values = world.messages_to(ANN)[-1].values
    told = {name: values[name] for name in ("device", "network", "at")}
    assert told == {"device": "Safari on iOS", "network": "203.0.113.9", "at": "2027-01-16 08:00 UTC"}


def test_newer_version_of_a_known_browser_is_no_new_device(interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION, proofs=[proof(interface, ANN)])
    for version in (128, 129, 131):
        interface.agent = FIREFOX.format(version)
        tokens(interface)
    assert notices(world, ANN) == []
