import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.support.world import World, outcome

from vestibule.adapters.database import SqlDatabase, migrate, url_of_file
from vestibule.adapters.database.database import SqlTransaction
from vestibule.application import AlreadyTaken, EventType, InvalidInput, NoSuchAccount

ANN, ANNS_MOBILE, OTHER = "ann@mail.example.com", "9999999991", "ann@work.example.com"


def what(world: World, address: str) -> list[str]:
    return [message.values["what"] for message in world.messages_to(address) if message.template == "notice"]


def test_operator_frees_an_unverified_address() -> None:
    world = World()
    squatter = world.create_account("eve", email=ANN)

    world.release_address(address="ANN@mail.example.com")

    assert world.now(squatter).email is None
    assert world.create_account("ann", email=ANN).email
    assert [event.account_id for event in world.events(EventType.ADDRESS_RELEASED)] == [squatter.id]


def test_owner_of_a_freed_address_is_notified_at_the_verified_one() -> None:
    world = World()
    world.create_account("ann", mobile=ANNS_MOBILE)
    world.verify_address(ANN, world.log_in_as("ann"))

    world.release_address(address=ANNS_MOBILE)

    assert what(world, ANN) == ["address_released"]


def test_verified_and_recovery_addresses_are_not_freed() -> None:
    world = World()
    account = world.create_account("ann")
    identity = world.log_in_as("ann")
    world.verify_address(ANN, identity)
    assert isinstance(outcome(partial(world.release_address, address=ANN)), InvalidInput)

    world.change_account(identity=identity, email=OTHER)
    assert isinstance(outcome(partial(world.release_address, address=ANN)), InvalidInput)
    assert world.owner(ANN) == world.now(account)


@pytest.mark.parametrize(("address", "refusal"), [("bob@mail.example.com", NoSuchAccount), ("ann", InvalidInput)])
def test_unknown_and_invalid_addresses_are_refused(address: str, refusal: type[Exception]) -> None:
    assert isinstance(outcome(partial(World().release_address, address=address)), refusal)
    assert isinstance(outcome(partial(World().set_address, identifier="ann", address=address)), refusal)


def test_operator_sets_a_verified_address_that_does_not_recover_the_former() -> None:
    world = World()
    account = world.create_account("ann", mobile=ANNS_MOBILE)
    world.verify_address(ANN, world.log_in_as("ann"))
    squatter = world.create_account("eve", email=OTHER)

    world.set_address(identifier=ANNS_MOBILE, address=OTHER)

    after = world.now(account)
    assert (after.email and after.email.text, after.email_verified, after.recovery_addresses) == (OTHER, True, ())
    assert world.now(squatter).email is None
    assert what(world, ANN) == ["email_changed"]
    assert world.log_in_with_code(OTHER).cleared == ()
    assert world.owner(ANN) is None
    assert [event.detail for event in world.events(EventType.ADDRESS_VERIFIED)] == ["email", "email"]


def test_operator_vouches_for_an_address_that_the_account_has() -> None:
    world = World()
    account = world.create_account("ann")

    world.set_address(identifier="ann", address=ANN)

    assert world.now(account).email_verified
    assert not world.events(EventType.EMAIL_CHANGED)


def test_address_that_another_account_has_verified_is_not_set() -> None:
    world = World()
    world.create_account("ann")
    world.verify_address(ANN, world.log_in_as("ann"))
    bob = world.create_account("bob")

    assert isinstance(outcome(partial(world.set_address, identifier="bob", address=ANN)), AlreadyTaken)
    assert world.now(bob) == bob


def test_account_that_is_deleted_meanwhile_gets_no_address(tmp_path: Path) -> None:
    file = tmp_path / "vestibule.db"
    migrate(url_of_file(file))
    with InterleavedDatabase(url_of_file(file)) as database:
        world = World(database=database)
        world.create_account("ann")

        def delete() -> None:
            with closing(sqlite3.connect(file)) as other, other:
                other.execute("DELETE FROM accounts")

        database.meanwhile = [delete]
        with pytest.raises(NoSuchAccount):
            world.set_address(identifier="ann", address=OTHER)
        assert world.owner(OTHER) is None


class InterleavedDatabase(SqlDatabase):
    """A database where another process commits between a read and the next transaction."""

    meanwhile: Sequence[Callable[[], object]] = ()

    @contextmanager
    def begin(self) -> Iterator[SqlTransaction]:
        waiting, self.meanwhile = self.meanwhile, ()
        for change in waiting:
            change()
        with super().begin() as tx:
            yield tx
