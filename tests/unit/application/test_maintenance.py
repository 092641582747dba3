from pathlib import Path

from tests.support.world import PASSWORD, World

from vestibule.adapters.database import SqlDatabase, migrate
from vestibule.application import Purge, Query, ReadJournal
from vestibule.application.maintenance import BATCH
from vestibule.domain.events import Event, What


def test_the_journal_is_read_to_its_end_in_batches() -> None:
    world = World()
    with world.database.begin() as tx:
        for number in range(2 * BATCH + 1):
            tx.journal.add(Event(what=What.CODE_SENT, at=world.clock(), note=str(number)))

    events = list(world.read_journal(Query()))

    assert [position for position, _ in events] == list(range(1, 2 * BATCH + 2))
    assert [event.note for _, event in events] == [str(number) for number in range(2 * BATCH + 1)]


def test_the_journal_is_asked_about_one_account() -> None:
    world = World()
    ann, bob = world.person("ann"), world.person("bob")
    world.log_in(username="bob", password=PASSWORD)

    assert [event.what for _, event in world.read_journal(Query(account_id=ann.id))] == [What.REGISTERED]
    assert [event.what for _, event in world.read_journal(Query(account_id=bob.id))] == [What.REGISTERED, What.LOGGED_IN]


def test_a_purge_goes_on_until_nothing_old_is_left(tmp_path: Path) -> None:
    world, url = World(), f"sqlite:///{tmp_path / 'vestibule.db'}"
    migrate(url)
    with SqlDatabase(url) as database:
        with database.begin() as tx:
            for _ in range(BATCH + 1):
                tx.journal.add(Event(what=What.CODE_SENT, at=world.clock() - 401 * 86_400))
            tx.journal.add(Event(what=What.CODE_SENT, at=world.clock()))

        assert Purge(database=database, clock=world.clock)() == BATCH + 1
        assert len(list(ReadJournal(database=database)(Query()))) == 1


def test_memory_keeps_everything() -> None:
    assert World().purge() == 0
