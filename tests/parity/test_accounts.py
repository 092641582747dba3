"""Registering, logging in, one's own account and its picture."""

import pytest
from tests.parity.conftest import Open
from tests.support.account_builders import ADA, ANN, EVE, MOBILE, OTHER, code, invalid, logged_in, proof, taken, tokens
from tests.support.interfaces import Door, Refused, Tokens
from tests.support.world import OTHER_PASSWORD, PASSWORD, PNG, World

NOBODYS, FORGED = Refused("not-authenticated"), Refused("invalid-token")
WRONG = Refused("invalid-credentials")
SHOWN = {
    "id": 1,
    "username": "ann",
    "name": "Ann Somebody",
    "email": ANN,
    "mobile": MOBILE,
    "is_superuser": False,
    "is_staff": False,
    "profile_image": False,
}


def test_who_registers_has_an_account(door: Door) -> None:
    assert door.register(**ADA) == SHOWN
    assert door.account(tokens(door).token) == SHOWN
    assert door.register(**OTHER | {"mobile": None})["mobile"] is None


def test_every_field_of_a_registration_that_is_missing_is_named(door: Door) -> None:
    assert door.register() == invalid("username", "name", "email", "password")


def test_what_another_account_has_is_taken_in_any_spelling(door: Door) -> None:
    door.register(**ADA)
    assert door.register(**ADA) == taken("username", "email", "mobile")
    assert door.register(**OTHER | {"username": "ANN", "email": "Ann@MAIL.example.com"}) == taken("username", "email")
    assert door.register(**OTHER | {"mobile": "701 234-5678"}) == taken("mobile")


@pytest.mark.parametrize("password", ["password", "ann", "short", "x" * 257, "Ann Somebody", "ann@mail.example.com", "1" * 8])
def test_a_bad_password_is_refused_wherever_one_is_set(password: str, door: Door) -> None:
    assert door.register(**ADA | {"password": password}) == invalid("password")
    own = logged_in(door).token
    assert door.change(own, password=password) == invalid("password")
    assert door.replace(own, **ADA | {"password": password}) == invalid("password")
    assert door.reset(email=ANN, otp=code(door, ANN), password=password) == invalid("password")
    assert isinstance(door.log_in(username="ann", password=PASSWORD), Tokens)


def test_with_the_setting_every_account_needs_a_mobile(open_door: Open) -> None:
    door = open_door(mobile_required=True)
    assert door.register(**ADA | {"mobile": None}) == invalid("mobile")
    own = logged_in(door).token
    assert door.replace(own, **ADA | {"mobile": None}) == invalid("mobile")


def test_with_the_settings_an_address_is_proven_before_it_is_taken(open_door: Open) -> None:
    door = open_door(email_validation=True, mobile_validation=True)
    assert door.register(**ADA) == invalid("email", "mobile")
    proof(door, ANN)
    proof(door, MOBILE)
    own = logged_in(door).token
    assert door.change(own, email=EVE) == invalid("email")
    proof(door, EVE)
    assert door.change(tokens(door).token, email=EVE)["email"] == EVE
    door.world.clock.advance(3601)
    assert door.register(**OTHER | {"email": ANN}) == invalid("email", "mobile")


def test_a_username_an_email_and_a_mobile_log_in_alike(door: Door) -> None:
    door.register(**ADA)
    for username in ("ann", " ANN ", ANN, "ANN@mail.example.com", MOBILE, "701-234-5678"):
        found = tokens(door, username)
        assert (found.token_type, found.expires_in) == ("Bearer", 300)


def test_wrong_unknown_inactive_and_passwordless_are_refused_alike(door: Door, world: World) -> None:
    door.register(**ADA)
    assert door.log_in(username="ann", password=OTHER_PASSWORD) == WRONG
    assert door.log_in(username="nobody", password=PASSWORD) == WRONG
    assert door.log_in(username="ann", password=f" {PASSWORD} ") == WRONG
    account = world.owner(ANN)
    assert account is not None
    world.alter(account, is_active=False)
    assert door.log_in(username="ann", password=PASSWORD) == WRONG
    world.alter(account, is_active=True, password_hash=None)
    assert door.log_in(username="ann", password=PASSWORD) == WRONG
    assert door.log_in() == invalid("username", "password")


def test_an_account_is_changed_field_by_field(door: Door) -> None:
    own = logged_in(door).token
    assert door.change(own) == SHOWN
    assert door.change(own, name="Ann King", username=None, email="", mobile=" ") == SHOWN | {"name": "Ann King"}
    assert door.change(own, email="nowhere", username="@") == invalid("email", "username")
    door.register(**OTHER)
    assert door.change(own, username="eve", email=EVE) == taken("username", "email")
    assert door.account(own) == SHOWN | {"name": "Ann King"}


def test_an_account_is_replaced_as_a_whole(door: Door) -> None:
    own = logged_in(door).token
    after = {**OTHER, "mobile": None}
    assert door.replace(own, **after)["mobile"] is None
    assert door.account(own)["username"] == "eve"
    for field in after:
        assert door.replace(own, **{name: after[name] for name in after if name != field}) == invalid(field)


def test_a_new_password_ends_all_other_sessions(door: Door) -> None:
    other, own = logged_in(door), tokens(door)
    door.change(own.token, password=OTHER_PASSWORD)
    assert isinstance(door.account(own.token), dict)
    assert door.account(other.token) == FORGED
    assert door.refresh(refresh=other.refresh_token) == Refused("invalid-refresh-token")
    assert door.log_in(username="ann", password=PASSWORD) == WRONG
    tokens(door, password=OTHER_PASSWORD)


def test_what_needs_a_login_is_refused_without_one(door: Door) -> None:
    for token, refusal in ((None, NOBODYS), ("junk", FORGED), (logged_in(door).refresh_token, FORGED)):
        assert door.account(token) == refusal
        assert door.change(token, name="Eve") == refusal
        assert door.replace(token, **OTHER) == refusal
        assert door.upload(token, PNG) == refusal
        assert door.sessions(token) == refusal
        assert door.end_session(token, "unheard-of") == refusal
        assert door.end_others(token) == refusal
        assert door.log_out(token) == refusal


def test_an_access_token_ends_with_its_time_and_its_account(door: Door, world: World) -> None:
    own = logged_in(door).token
    world.clock.advance(299)
    assert door.account(own) == SHOWN
    world.clock.advance(2)
    assert door.account(own) == FORGED
    own = tokens(door).token
    account = world.owner(ANN)
    assert account is not None
    world.alter(account, is_active=False)
    assert door.account(own) == FORGED


def test_a_picture_is_taken_by_its_content(door: Door) -> None:
    own = logged_in(door).token
    assert door.upload(own, b"no picture") == invalid("profile_image")
    assert door.upload(own, None) == invalid("profile_image")
    assert door.upload(own, PNG.ljust(5 * 1024 * 1024 + 1, b"\0")) == Refused("image-too-large")
    assert door.account(own)["profile_image"] is False
    assert door.upload(own, PNG) is True
    assert door.account(own)["profile_image"] is True


def test_uniqueness_is_what_a_registration_would_find(door: Door) -> None:
    door.register(**ADA)
    for prop, free, used in (("username", "eve", "ANN"), ("email", EVE, "ann@MAIL.example.com"), ("mobile", "7", "7012345678")):
        assert door.is_unique(prop=prop, value=free) == (True if prop != "mobile" else invalid("value"))
        assert door.is_unique(prop=prop, value=used) is False
    assert door.is_unique(prop="shoe size", value="43") == invalid("prop")
    assert door.is_unique(prop="username", value="admin") == invalid("value")
    assert door.is_unique() == invalid("prop", "value")
