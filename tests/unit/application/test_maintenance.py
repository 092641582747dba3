from pathlib import Path

from tests.support.world import PASSWORD, World

from vestibule.adapters.database import SqlDatabase, migrate
from vestibule.application import AuditQuery, Purge, ReadAuditLog
from vestibule.application.maintenance import BATCH
from vestibule.domain.events import Event, EventType


def test_the_journal_is_read_to_its_end_in_batches() -> None:
    world = World()
    with world.database.begin() as tx:
        for number in range(2 * BATCH + 1):
            tx.audit_log.add(Event(type=EventType.CODE_SENT, occurred_at=world.clock(), detail=str(number)))

    events = list(world.read_audit_log(AuditQuery()))

    assert [position for position, _ in events] == list(range(1, 2 * BATCH + 2))
    assert [event.detail for _, event in events] == [str(number) for number in range(2 * BATCH + 1)]


def test_the_journal_is_asked_about_one_account() -> None:
    world = World()
    ann, bob = world.create_account("ann"), world.create_account("bob")
    world.log_in(username="bob", password=PASSWORD)

    assert [event.type for _, event in world.read_audit_log(AuditQuery(account_id=ann.id))] == [EventType.REGISTERED]
    assert [event.type for _, event in world.read_audit_log(AuditQuery(account_id=bob.id))] == [
        EventType.REGISTERED,
        EventType.LOGGED_IN,
    ]


def test_a_purge_goes_on_until_nothing_old_is_left(tmp_path: Path) -> None:
    world, url = World(), f"sqlite:///{tmp_path / 'vestibule.db'}"
    migrate(url)
    with SqlDatabase(url) as database:
        with database.begin() as tx:
            for _ in range(BATCH + 1):
                tx.audit_log.add(Event(type=EventType.CODE_SENT, occurred_at=world.clock() - 401 * 86_400))
            tx.audit_log.add(Event(type=EventType.CODE_SENT, occurred_at=world.clock()))

        assert Purge(database=database, clock=world.clock)() == BATCH + 1
        assert len(list(ReadAuditLog(database=database)(AuditQuery()))) == 1


def test_memory_keeps_everything() -> None:
    assert World().purge() == 0
