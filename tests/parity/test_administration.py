"""Use cases of operators on each database: races for the last superuser, and an operator's day."""

import io
import zipfile
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from tests.support.world import CALLER, OTHER_PASSWORD, World, concurrently, outcome

from vestibule.application import Account, EventType, InvalidCredentials, LastSuperuser, Operator
from vestibule.application.ports import Database

OPERATOR = Operator(name="command line (ada)")
DAY = 86_400.0

REMOVALS: dict[str, Callable[[World, Account], Any]] = {
    "demotion": lambda world, one: world.set_roles(operator=OPERATOR, account_id=one.id, is_superuser=False),
    "suspension": lambda world, one: world.suspend_account(operator=OPERATOR, account_id=one.id, reason="spam"),
    "removal": lambda world, one: world.remove_account(operator=OPERATOR, account_id=one.id),
    "deactivation": lambda world, one: world.set_active(identifier=one.username.text, active=False),
}


@pytest.mark.parametrize("first", REMOVALS)
@pytest.mark.parametrize("second", ["demotion", "removal"])
def test_of_two_removals_of_superusers_at_once_one_is_refused(
    empty_database: Callable[[], Database], first: str, second: str
) -> None:
    world = World(database=empty_database())
    superusers = [world.alter(world.create_account(name), is_superuser=True) for name in ("ann", "bob")]
    for _ in range(3):
        calls = [partial(REMOVALS[kind], world, one) for kind, one in zip((first, second), superusers, strict=True)]
        refused = [result for result in concurrently(calls) if isinstance(result, LastSuperuser)]
        with world.database.begin() as tx:
            assert len(tx.accounts.lock_superusers()) == 1
        assert len(refused) == 1
        if world.database.accounts.count() < 2:
            break
        superusers = [world.alter(one, is_superuser=True, is_active=True, suspension=None) for one in superusers]


def test_two_superusers_who_demote_each_other_at_once_leave_one(empty_database: Callable[[], Database]) -> None:
    world = World(database=empty_database())
    superusers = [world.alter(world.create_account(name), is_superuser=True) for name in ("ann", "bob", "eve")]
    operators = [Operator(identity=world.log_in_as(one.username.text)) for one in superusers]
    demote = partial(world.set_roles, is_superuser=False, is_staff=False)
    concurrently(partial(demote, operator=operators[number], account_id=superusers[(number + 1) % 3].id) for number in range(3))
    with world.database.begin() as tx:
        assert len(tx.accounts.lock_superusers()) >= 1


def test_day_of_an_operator(empty_database: Callable[[], Database]) -> None:
    """Finds a person by a fragment of the name, unlocks, puts a stolen address back, suspends for a week, exports, removes."""
    world = World(database=empty_database())
    own, thiefs = "ann@mail.example.com", "eve@mail.example.com"
    ann = world.create_account("ann", name="Ann Þórsdóttir-Lovelace")
    world.verify_address(own, world.log_in_as("ann", caller=CALLER))
    stolen = world.log_in_as("ann")
    world.change_account(identity=stolen, email=thiefs, password=OTHER_PASSWORD)
    world.verify_address(thiefs, stolen)
    for _ in range(5):
        outcome(partial(world.log_in, username="ann", password="forgotten", caller=CALLER))

    [found] = world.find_accounts(operator=OPERATOR, query="lovel").accounts
    assert found.id == ann.id
    assert world.find_accounts(operator=OPERATOR, query=own).accounts == [found]
    seen = world.read_account(operator=OPERATOR, account_id=ann.id)
    assert {one.policy for one in seen.limits} >= {"failed-logins"}
    assert [kept.address.text for kept in seen.account.recovery_addresses] == [own]

    assert world.unlock_account(operator=OPERATOR, account_id=ann.id, reason="asked by phone") >= 1
    world.edit_account(operator=OPERATOR, account_id=ann.id, email=own, vouches=True, reason="stolen")
    assert world.sign_out(operator=OPERATOR, account_id=ann.id) >= 1
    assert not world.is_signed_in_as(stolen)
    world.clock.advance(60)
    world.send_reset(operator=OPERATOR, account_id=ann.id)
    world.reset_password(email=own, otp=world.code_for(own), password="seven loud purple trains")
    assert world.can_log_in("ann", "seven loud purple trains")

    until = world.clock() + 7 * DAY
    world.suspend_account(operator=OPERATOR, account_id=ann.id, reason="spam", until=until)
    refused = outcome(partial(world.log_in, username="ann", password="seven loud purple trains"))
    assert isinstance(refused, InvalidCredentials)
    assert world.find_accounts(operator=OPERATOR, state="suspended").accounts == [world.now(ann)]
    world.clock.advance(7 * DAY)
    assert world.can_log_in("ann", "seven loud purple trains")

    archive = zipfile.ZipFile(io.BytesIO(b"".join(world.export_any_account(operator=OPERATOR, account_id=ann.id))))
    assert OPERATOR.name not in archive.read("audit_log.json").decode()
    world.remove_account(operator=OPERATOR, account_id=ann.id, reason="asked by letter")
    assert world.find_accounts(operator=OPERATOR, query="lovel").accounts == []

    events = world.find_events(operator=OPERATOR, account_id=ann.id, limit=100).events
    by_operator = {event.type for _, event in events if event.actor == OPERATOR.actor}
    assert by_operator >= {
        EventType.UNLOCKED,
        EventType.EMAIL_CHANGED,
        EventType.SIGNED_OUT,
        EventType.RESET_SENT,
        EventType.SUSPENDED,
        EventType.EXPORTED,
        EventType.ACCOUNT_DELETED,
    }
    assert EventType.SUSPENSION_LIFTED in {event.type for _, event in events if event.actor is None}
