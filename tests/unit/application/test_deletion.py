"""Deletion of accounts: scheduled, cancelled by a login, and carried out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
from tests.support.world import CALLER, OTHER_PASSWORD, PASSWORD, PNG, BusyDatabase, World, outcome

from vestibule.adapters.database import MemoryDatabase
from vestibule.adapters.database.database import SqlTransaction
from vestibule.adapters.storage import MemoryStorage
from vestibule.application import EventType, InvalidCode, InvalidCredentials, InvalidInput, LoginNotFresh, Unavailable
from vestibule.application.audit import record
from vestibule.application.deletion import BATCH

ANN = "ann@mail.example.com"
DAY = 86_400.0


def verified(world: World, username: str = "ann") -> None:
    """Creates an account whose owner has verified the email."""
    world.create_account(username)
    world.verify_address(f"{username}@mail.example.com", world.log_in_as(username))


def notices(world: World, address: str = ANN) -> list[str]:
    return [message.values["what"] for message in world.messages_to(address) if message.template == "notice"]


def test_deletion_ends_sessions_and_codes_and_tells_the_owner() -> None:
    world = World()
    verified(world)
    tokens = world.log_in(username="ann", password=PASSWORD, caller=CALLER)
    world.clock.advance(60)
    code = world.send(ANN)
    assert notices(world) == ["new_login"]
    deletion = world.delete_account(identity=world.identity(tokens), caller=CALLER)
    assert deletion.deleted_at == world.clock() + 7 * DAY
    assert not world.is_signed_in(tokens)
    with pytest.raises(InvalidCode):
        world.verify_code(destination=ANN, verify_otp=code)
    [scheduled] = world.events(EventType.DELETION_SCHEDULED)
    assert (scheduled.account_id, scheduled.session_id, scheduled.caller) == (1, tokens.session, CALLER)
    [_, notice] = [message for message in world.messages_to(ANN) if message.template == "notice"]
    assert (notice.values["what"], notice.values["until"]) == ("deletion_scheduled", "2027-01-22 08:02 UTC")


def test_address_that_can_recover_the_account_gets_the_notice() -> None:
    world = World()
    verified(world)
    identity = world.log_in_as("ann")
    world.change_account(identity=identity, email="thief@mail.example.com")
    world.delete_account(identity=world.log_in_as("ann"))
    assert notices(world) == ["email_changed", "deletion_scheduled"]
    assert notices(world, "thief@mail.example.com") == ["email_changed"]


def test_account_is_deleted_at_its_time_and_not_before() -> None:
    world = World()
    verified(world)
    other = world.create_account("bob")
    world.delete_account(identity=world.log_in_as("ann"))
    assert notices(world) == ["deletion_scheduled"]
    world.clock.advance(7 * DAY - 1)
    assert world.delete_due_accounts() == 0
    world.clock.advance(1)
    assert world.purge(clock_confirmed=True) > 0
    assert world.database.accounts.get(1) is None
    assert world.now(other) == other
    assert [event.account_id for event in world.events(EventType.ACCOUNT_DELETED)] == [1]
    assert notices(world) == ["deletion_scheduled", "account_deleted"]
    assert world.delete_due_accounts() == 0
    assert world.create_account("ann").id > other.id


def test_codes_and_proofs_of_an_unverified_address_are_left_to_their_owner() -> None:
    world = World(deletion_days=0)
    world.create_account("thief", email=ANN)
    proof = world.verify_address(ANN)
    world.clock.advance(60)
    code = world.send(ANN)
    world.delete_account(identity=world.log_in_as("thief"))
    assert world.create_account("ann", proofs=(proof,)).email_verified
    assert world.verify_code(destination=ANN, verify_otp=code).proof


def test_login_cancels_the_deletion() -> None:
    world = World()
    verified(world)
    world.delete_account(identity=world.log_in_as("ann"))
    world.clock.advance(6 * DAY)
    assert world.log_in(username="ann", password=PASSWORD).deletion_cancelled
    world.clock.advance(2 * DAY)
    assert world.delete_due_accounts() == 0
    assert world.can_log_in("ann")


def test_login_between_the_look_up_and_the_lock_cancels_the_deletion() -> None:
    world = World()
    verified(world)
    world.delete_account(identity=world.log_in_as("ann"))
    world.clock.advance(7 * DAY)
    [due] = world.database.accounts.due_for_deletion(world.clock(), after=0, limit=9)
    world.log_in(username="ann", password=PASSWORD)
    assert not world.delete_due_accounts.delete(due)
    assert world.now(due).deletion_due_at is None


def test_account_without_a_waiting_time_is_deleted_at_once() -> None:
    world = World(deletion_days=0)
    verified(world)
    deletion = world.delete_account(identity=world.log_in_as("ann"))
    assert deletion.deleted_at == world.clock()
    assert world.database.accounts.get(1) is None
    assert notices(world) == ["account_deleted"]


def test_deletion_wants_a_fresh_login_or_the_password() -> None:
    world = World()
    verified(world)
    identity = world.log_in_as("ann")
    with pytest.raises(InvalidCredentials):
        world.delete_account(identity=identity, current_password="not the one")
    with pytest.raises(InvalidInput):
        world.delete_account(identity=identity, current_password="a\0b")
    world.clock.advance(3601)
    with pytest.raises(LoginNotFresh):
        world.delete_account(identity=identity)
    assert world.events(EventType.DELETION_SCHEDULED) == []
    assert world.delete_account(identity=identity, current_password=PASSWORD).deleted_at == world.clock() + 7 * DAY


class FaultyStorage(MemoryStorage):
    """A storage whose deletions raise."""

    failure: Exception | None = None

    def delete(self, name: str) -> None:
        if self.failure is not None:
            raise self.failure
        super().delete(name)


def with_image(storage: FaultyStorage) -> World:
    """Returns a world with an account that has an image, and is due for deletion."""
    world = World(storage=storage)
    verified(world)
    world.upload_image(identity=world.log_in_as("ann"), profile_image=PNG)
    world.delete_account(identity=world.log_in_as("ann"))
    world.clock.advance(7 * DAY)
    return world


def test_image_of_a_deleted_account_is_removed() -> None:
    storage = FaultyStorage()
    world = with_image(storage)
    [name] = storage.names(older_than=-DAY)
    assert world.delete_due_accounts() == 1
    assert storage.get(name) is None


@pytest.mark.parametrize("failure", [Unavailable(), ValueError("not a name")])
def test_account_is_deleted_while_the_storage_is_down(failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    storage = FaultyStorage()
    world = with_image(storage)
    storage.failure = failure
    assert world.delete_due_accounts() == 1
    assert "the image of account 1, which is deleted, is left to `vestibule sweep-images`" in caplog.text


class FaultyDatabase(MemoryDatabase):
    """A database whose next transactions raise."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[Exception] = []

    @contextmanager
    def begin(self) -> Iterator[SqlTransaction]:
        if self.failures:
            raise self.failures.pop()
        with super().begin() as tx:
            yield tx


def with_two_due() -> tuple[World, FaultyDatabase]:
    database = FaultyDatabase()
    world = World(database=database)
    for name in ("ann", "bob"):
        verified(world, name)
        world.delete_account(identity=world.log_in_as(name))
    world.clock.advance(7 * DAY)
    return world, database


def test_account_that_cannot_be_deleted_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    world, database = with_two_due()
    database.failures = [ValueError("a damaged row")]
    assert world.delete_due_accounts() == 1
    assert "account 1 cannot be deleted now" in caplog.text
    assert [event.account_id for event in world.events(EventType.ACCOUNT_DELETED)] == [2]
    assert world.delete_due_accounts() == 1


def test_deletions_stop_while_the_database_is_down() -> None:
    world, database = with_two_due()
    database.failures = [Unavailable()]
    with pytest.raises(Unavailable):
        world.delete_due_accounts()
    assert world.delete_due_accounts() == 2


def test_deletion_at_once_is_left_to_the_next_purge_if_the_database_fails() -> None:
    database = FaultyDatabase()
    world = World(database=database, deletion_days=0)
    verified(world)
    identity = world.log_in_as("ann")

    def clock() -> float:
        """Lets the transaction after the one that has read it fail."""
        database.failures = [Unavailable()]
        return world.clock()

    replace(world.delete_account, clock=clock)(identity=identity)
    assert world.now(identity.account).deletion_due_at == world.clock()
    assert world.delete_due_accounts() == 1


def test_event_that_comes_while_the_account_is_deleted_is_anonymised() -> None:
    database = BusyDatabase()
    world = World(database=database)
    world.create_account("ann")
    world.delete_account(identity=world.log_in_as("ann"))
    world.clock.advance(7 * DAY)
    failed_login = partial(outcome, partial(world.log_in, username="ann", password=OTHER_PASSWORD, caller=CALLER))
    database.meanwhile = [lambda: None, lambda: None, failed_login]

    assert world.delete_due_accounts() == 1

    [event] = world.events(EventType.LOGIN_FAILED)
    assert (event.account_id, event.caller.ip_address) == (1, None)


def test_events_beyond_one_batch_are_anonymised() -> None:
    world = World()
    verified(world)
    with world.database.begin() as tx:
        for _ in range(BATCH + 1):
            record(tx, EventType.REFRESHED, world.clock(), CALLER, account_id=1, session_id="session", detail="detail")
    world.delete_account(identity=world.log_in_as("ann"))
    world.clock.advance(7 * DAY)
    assert world.delete_due_accounts() == 1
    assert {(event.session_id, event.detail) for event in world.events() if event.account_id == 1} == {(None, "")}
