from tests.support.world import OTHER_PASSWORD, PASSWORD, World

from vestibule.application import PROGRAM, Account, ChangedAccount
from vestibule.application.changes import BATCH
from vestibule.domain.account import Username
from vestibule.domain.events import Event, EventType

HOUR = 3600.0


def new_account(name: str, created_at: float) -> Account:
    return Account(username=Username(name, name), name=name, email=None, created_at=created_at)


def changed_ids(world: World, since: float | None) -> list[int]:
    return [one.id for one in world.read_changes(since=since)]


def test_accounts_that_were_made_or_changed_are_found_in_the_order_of_ids() -> None:
    world = World()
    for name in ("ann", "bob", "cy"):
        world.create_account(name)
    world.clock.advance(2 * HOUR)
    since = world.clock()
    world.create_account("dan")
    world.change_account(identity=world.log_in_as("bob"), name="Robert")
    assert [(one.id, one.account and one.account.name) for one in world.read_changes(since=since)] == [
        (2, "Robert"),
        (4, "Dan Somebody"),
    ]


def test_account_that_changed_several_times_is_found_once_as_it_is_now() -> None:
    world = World()
    world.create_account("ann")
    ann = world.log_in_as("ann")
    world.change_account(identity=ann, name="Anna")
    world.change_account(identity=ann, password=OTHER_PASSWORD)
    [found] = world.read_changes(since=0.0)
    assert isinstance(found.account, Account)
    assert found.account.name == "Anna"


def test_login_is_no_change() -> None:
    world = World()
    world.create_account("ann")
    world.clock.advance(2 * HOUR)
    since = world.clock()
    world.log_in(username="ann", password=PASSWORD)
    assert changed_ids(world, since) == []


def test_new_roles_are_distinguished_from_other_changes() -> None:
    world = World()
    ann, bob = world.create_account("ann"), world.create_account("bob")
    world.set_roles(operator=PROGRAM, account_id=bob.id, roles=["editor"])
    world.set_active(identifier="bob", active=False)
    assert [(one.id, one.has_new_roles) for one in world.read_changes(since=0.0)] == [(ann.id, False), (bob.id, True)]


def test_accounts_that_were_deleted_come_first_and_are_not_found_otherwise() -> None:
    world = World()
    ann, bob = world.create_account("ann"), world.create_account("bob")
    since = world.clock()
    world.remove_account(operator=PROGRAM, account_id=bob.id)
    found = list(world.read_changes(since=since))
    assert found[0] == ChangedAccount(bob.id, None)
    assert [one.id for one in found[1:]] == [ann.id]


def test_without_a_time_all_accounts_are_found_with_their_roles() -> None:
    world = World()
    ann, bob = world.create_account("ann"), world.create_account("bob")
    world.remove_account(operator=PROGRAM, account_id=ann.id)
    world.clock.advance(1000 * 86_400.0)
    assert [(one.id, one.account is None, one.has_new_roles) for one in world.read_changes()] == [
        (ann.id, True, False),
        (bob.id, False, True),
    ]


def test_more_accounts_than_one_batch_are_all_found() -> None:
    world = World()
    with world.database.begin() as tx:
        for number in range(BATCH + 1):
            tx.accounts.add(new_account(f"user{number}", world.clock()))
        for number in range(BATCH + 1):
            tx.audit_log.add(Event(type=EventType.NAME_CHANGED, occurred_at=world.clock(), account_id=number + 1))
    everyone = list(range(1, BATCH + 2))
    assert changed_ids(world, None) == everyone
    assert changed_ids(world, 0.0) == everyone


def test_events_of_the_hour_before_are_read_too_where_clocks_differ() -> None:
    """An event with an earlier time may follow a later one: each node has a clock of its own."""
    world = World()
    now = world.clock()
    with world.database.begin() as tx:
        tx.accounts.add(new_account("ann", now))
        tx.accounts.add(new_account("bob", now))
        for occurred_at, account_id in ((now - 2 * HOUR, None), (now + 10, 1), (now - 50, None), (now + 5, 2)):
            tx.audit_log.add(Event(type=EventType.NAME_CHANGED, occurred_at=occurred_at, account_id=account_id))
    assert changed_ids(world, now) == [1, 2]
    assert changed_ids(world, now + 6) == [1]


def test_nothing_is_found_where_nothing_happened() -> None:
    world = World()
    assert changed_ids(world, None) == []
    assert changed_ids(world, 0.0) == []
