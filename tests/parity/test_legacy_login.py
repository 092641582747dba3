"""First logins of people whose passwords another system has, by both interfaces."""

from typing import Any

import pytest
from tests.parity.conftest import Open
from tests.support.account_builders import ANN, MOBILE
from tests.support.interfaces import Interface, Refused, Tokens
from tests.support.world import OTHER_PASSWORD, PASSWORD

from vestibule.application import Overloaded, Unavailable
from vestibule.application.ports import ImportRecord
from vestibule.domain.account import in_legacy_directory
from vestibule.testing import MemoryLegacyDirectory

OLD = ImportRecord(
    key="17", place="account 17", username="Ann", name="Ann", email=ANN, mobile=f"+49 {MOBILE}", email_verified=True
)


@pytest.fixture
def directory() -> MemoryLegacyDirectory:
    found = MemoryLegacyDirectory()
    found.add(OLD, PASSWORD)
    return found


@pytest.fixture
def interface(open_interface: Open, directory: MemoryLegacyDirectory) -> Interface:
    return open_interface(legacy_directory=directory)


def test_first_login_makes_the_account_and_later_ones_use_it(interface: Interface, directory: MemoryLegacyDirectory) -> None:
    tokens = interface.log_in(username=ANN, password=PASSWORD)

    assert isinstance(tokens, Tokens)
    assert not tokens.created, "a client sees a login"
    account: dict[str, Any] = interface.account(tokens.token)
    assert (account["username"], account["email_verified"], account["mobile_verified"]) == ("Ann", True, False)
    assert account["has_password"]
    assert isinstance(interface.log_in(username="ann", password=PASSWORD), Tokens)
    assert directory.asked == [ANN]


def test_account_that_was_imported_without_its_password_gets_it(interface: Interface) -> None:
    world = interface.world
    account = world.alter(world.create_account("ann"), password_hash=in_legacy_directory("17"))

    tokens = interface.log_in(username="ann", password=PASSWORD)

    assert interface.account(tokens.token)["id"] == account.id
    assert world.now(account).legacy_key is None


@pytest.mark.parametrize(("username", "password"), [("ann", OTHER_PASSWORD), ("eve", PASSWORD)])
def test_refused_login_fails_as_ever(username: str, password: str, interface: Interface) -> None:
    results = [interface.log_in(username=username, password=password) for _ in range(6)]

    assert results == [Refused("invalid-credentials")] * 5 + [Refused("rate-limited", retry_after=300)]
    assert interface.world.database.accounts.count() == 0


@pytest.mark.parametrize(
    ("failure", "refused"),
    [(Unavailable(5), Refused("unavailable", retry_after=5)), (Overloaded(), Refused("overloaded", retry_after=1))],
)
def test_system_that_is_down_gives_503_and_counts_nothing(
    failure: Unavailable, refused: Refused, interface: Interface, directory: MemoryLegacyDirectory
) -> None:
    directory.fail_next(failure, times=8)

    assert [interface.log_in(username="ann", password=PASSWORD) for _ in range(8)] == [refused] * 8
    assert isinstance(interface.log_in(username="ann", password=PASSWORD), Tokens)


def test_other_calls_do_not_ask(interface: Interface, directory: MemoryLegacyDirectory) -> None:
    assert interface.is_unique(prop="email", value=ANN) is True
    assert isinstance(interface.send(destination=ANN, is_login=True), str)
    assert isinstance(interface.register(username="ann", name="Ann", email=ANN, password=OTHER_PASSWORD), dict)
    assert directory.asked == []
