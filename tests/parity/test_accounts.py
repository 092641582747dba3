"""Registration, login, the caller's own account and its image."""

import pytest
from tests.parity.conftest import Open
from tests.support.account_builders import (
    ANN,
    EVE,
    MOBILE,
    OTHER_REGISTRATION,
    REGISTRATION,
    code,
    invalid,
    logged_in,
    proof,
    taken,
    tokens,
)
from tests.support.interfaces import Interface, Refused, Tokens
from tests.support.world import OTHER_PASSWORD, PASSWORD, PNG, World

from vestibule.testing.timing.enumeration import django_hash

NOT_AUTHENTICATED, INVALID_TOKEN = Refused("not-authenticated"), Refused("invalid-token")
WRONG = Refused("invalid-credentials")
SHOWN = {
    "id": 1,
    "username": "ann",
    "name": "Ann Person",
    "email": ANN,
    "mobile": MOBILE,
    "is_superuser": False,
    "is_staff": False,
    "profile_image": False,
    "email_verified": False,
    "mobile_verified": False,
    "has_password": True,
}


def test_registration_creates_an_account(interface: Interface) -> None:
    assert interface.register(**REGISTRATION) == SHOWN
    assert interface.account(tokens(interface).token) == SHOWN
    assert interface.register(**OTHER_REGISTRATION | {"mobile": None})["mobile"] is None


def test_registration_names_every_missing_field(interface: Interface) -> None:
    assert interface.register() == invalid("username", "name", "email", "password")


def test_value_of_another_account_is_taken_in_any_spelling(interface: Interface) -> None:
    interface.register(**REGISTRATION)
    assert interface.register(**REGISTRATION) == taken("username", "email", "mobile")
    assert interface.register(**OTHER_REGISTRATION | {"username": "ANN", "email": "Ann@MAIL.example.com"}) == taken(
        "username", "email"
    )
    assert interface.register(**OTHER_REGISTRATION | {"mobile": "701 234-5678"}) == taken("mobile")


@pytest.mark.parametrize("password", ["password", "ann", "short", "x" * 257, "Ann Person", "ann@mail.example.com", "1" * 8])
def test_bad_password_is_refused_by_every_call_that_sets_one(password: str, interface: Interface) -> None:
    assert interface.register(**REGISTRATION | {"password": password}) == invalid("password")
    own = logged_in(interface).token
    assert interface.change(own, password=password) == invalid("password")
    assert interface.replace(own, **REGISTRATION | {"password": password}) == invalid("password")
    assert interface.reset(email=ANN, otp=code(interface, ANN), password=password) == invalid("password")
    assert isinstance(interface.log_in(username="ann", password=PASSWORD), Tokens)


def test_mobile_is_required_by_setting(open_interface: Open) -> None:
    interface = open_interface(mobile_required=True)
    assert interface.register(**REGISTRATION | {"mobile": None}) == invalid("mobile")
    own = logged_in(interface).token
    assert interface.replace(own, **REGISTRATION | {"mobile": None}) == invalid("mobile")


def test_unverified_addresses_are_refused_by_setting(open_interface: Open) -> None:
    interface = open_interface(email_validation=True, mobile_validation=True)
    assert interface.register(**REGISTRATION) == invalid("email", "mobile")
    proof(interface, ANN)
    proof(interface, MOBILE)
    own = logged_in(interface).token
    assert interface.change(own, email=EVE) == invalid("email")
    proof(interface, EVE)
    assert interface.change(tokens(interface).token, email=EVE)["email"] == EVE
    interface.world.clock.advance(3601)
    assert interface.register(**OTHER_REGISTRATION | {"email": ANN}) == invalid("email", "mobile")


def test_username_email_and_mobile_log_in(interface: Interface) -> None:
    interface.register(**REGISTRATION)
    for username in ("ann", " ANN ", ANN, "ANN@mail.example.com", MOBILE, "701-234-5678"):
        logged_in_tokens = tokens(interface, username)
        assert (logged_in_tokens.token_type, logged_in_tokens.expires_in) == ("Bearer", 300)


def test_failed_logins_are_refused_alike(interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION)
    assert interface.log_in(username="ann", password=OTHER_PASSWORD) == WRONG
    assert interface.log_in(username="unknown", password=PASSWORD) == WRONG
    assert interface.log_in(username="ann", password=f" {PASSWORD} ") == WRONG
    account = world.owner(ANN)
    assert account is not None
    world.alter(account, is_active=False)
    assert interface.log_in(username="ann", password=PASSWORD) == WRONG
    world.alter(account, is_active=True, password_hash=None)
    assert interface.log_in(username="ann", password=PASSWORD) == WRONG
    assert interface.log_in() == invalid("username", "password")


def test_patch_changes_only_given_fields(interface: Interface) -> None:
    own = logged_in(interface).token
    assert interface.change(own) == SHOWN
    assert interface.change(own, name="Ann King", username=None, email="", mobile=" ") == SHOWN | {"name": "Ann King"}
    assert interface.change(own, email="nowhere", username="@") == invalid("email", "username")
    interface.register(**OTHER_REGISTRATION)
    assert interface.change(own, username="eve", email=EVE) == taken("username", "email")
    assert interface.account(own) == SHOWN | {"name": "Ann King"}


def test_patch_with_null_removes_the_mobile(interface: Interface) -> None:
    own = logged_in(interface).token
    assert interface.change(own, mobile=None) == SHOWN | {"mobile": None}
    assert interface.account(own) == SHOWN | {"mobile": None}


def test_put_requires_every_field(interface: Interface) -> None:
    own = logged_in(interface).token
    after = {**OTHER_REGISTRATION, "mobile": None}
    assert interface.replace(own, **after)["mobile"] is None
    assert interface.account(own)["username"] == "eve"
    for field in after:
        assert interface.replace(own, **{name: after[name] for name in after if name != field}) == invalid(field)


def test_new_password_revokes_all_other_sessions(interface: Interface) -> None:
    other, own = logged_in(interface), tokens(interface)
    interface.change(own.token, password=OTHER_PASSWORD)
    assert isinstance(interface.account(own.token), dict)
    assert interface.account(other.token) == INVALID_TOKEN
    assert interface.refresh(refresh=other.refresh_token) == Refused("invalid-refresh-token")
    assert interface.log_in(username="ann", password=PASSWORD) == WRONG
    tokens(interface, password=OTHER_PASSWORD)


def test_calls_without_login_are_refused(interface: Interface) -> None:
    for token, refusal in (
        (None, NOT_AUTHENTICATED),
        ("junk", INVALID_TOKEN),
        (logged_in(interface).refresh_token, INVALID_TOKEN),
    ):
        assert interface.account(token) == refusal
        assert interface.change(token, name="Eve") == refusal
        assert interface.replace(token, **OTHER_REGISTRATION) == refusal
        assert interface.upload(token, PNG) == refusal
        assert interface.remove_image(token) == refusal
        assert interface.export(token) == refusal
        assert interface.sessions(token) == refusal
        assert interface.end_session(token, "unheard-of") == refusal
        assert interface.end_others(token) == refusal
        assert interface.log_out(token) == refusal


def test_access_token_is_refused_after_expiry_or_deactivation(interface: Interface, world: World) -> None:
    own = logged_in(interface).token
    world.clock.advance(299)
    assert interface.account(own) == SHOWN
    world.clock.advance(2)
    assert interface.account(own) == INVALID_TOKEN
    own = tokens(interface).token
    account = world.owner(ANN)
    assert account is not None
    world.alter(account, is_active=False)
    assert interface.account(own) == INVALID_TOKEN


def test_image_is_validated_by_its_content(interface: Interface) -> None:
    own = logged_in(interface).token
    assert interface.upload(own, b"no image") == invalid("profile_image")
    assert interface.upload(own, None) == invalid("profile_image")
    assert interface.upload(own, PNG.ljust(5 * 1024 * 1024 + 1, b"\0")) == Refused("image-too-large")
    assert interface.account(own)["profile_image"] is False
    assert interface.upload(own, PNG) is True
    assert interface.account(own)["profile_image"] is True


def test_image_is_removed(interface: Interface) -> None:
    own = logged_in(interface).token
    assert interface.upload(own, PNG) is True
    for _ in range(2):
        assert interface.remove_image(own) is None
        assert interface.account(own)["profile_image"] is False


def test_uniqueness_check_agrees_with_registration(interface: Interface) -> None:
    interface.register(**REGISTRATION)
    for prop, free, used in (("username", "eve", "ANN"), ("email", EVE, "ann@MAIL.example.com"), ("mobile", "7", "7012345678")):
        assert interface.is_unique(prop=prop, value=free) == (True if prop != "mobile" else invalid("value"))
        assert interface.is_unique(prop=prop, value=used) is False
    assert interface.is_unique(prop="shoe size", value="43") == invalid("prop")
    assert interface.is_unique(prop="username", value="admin") == invalid("value")
    assert interface.is_unique() == invalid("prop", "value")


@pytest.mark.parametrize("name", ["ann", ANN, MOBILE])
def test_hash_of_another_system_logs_in_and_becomes_one_of_this_service(name: str, interface: Interface) -> None:
    interface.register(**REGISTRATION)
    world = interface.world
    account = world.owner(ANN)
    assert account is not None
    world.alter(account, password_hash=django_hash(PASSWORD, iterations=2))
    assert interface.log_in(username=name, password=OTHER_PASSWORD) == WRONG
    assert world.now(account).password_hash == django_hash(PASSWORD, iterations=2)
    assert isinstance(interface.log_in(username=name, password=PASSWORD), Tokens)
    renewed = world.now(account).password_hash
    assert renewed is not None
    assert not world.hasher.needs_rehash(renewed)
    assert isinstance(interface.log_in(username=name, password=PASSWORD), Tokens)
