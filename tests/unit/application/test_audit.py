from tests.support.world import PASSWORD, World

from vestibule.application import AuditQuery
from vestibule.application.audit import BATCH
from vestibule.domain.events import Event, EventType


def test_audit_log_is_read_to_its_end_in_batches() -> None:
    world = World()
    with world.database.begin() as tx:
        for number in range(2 * BATCH + 1):
            tx.audit_log.add(Event(type=EventType.CODE_SENT, occurred_at=world.clock(), detail=str(number)))

    events = list(world.read_audit_log(AuditQuery()))

    assert [position for position, _ in events] == list(range(1, 2 * BATCH + 2))
    assert [event.detail for _, event in events] == [str(number) for number in range(2 * BATCH + 1)]


def test_audit_log_is_filtered_by_account() -> None:
    world = World()
    ann, bob = world.create_account("ann"), world.create_account("bob")
    world.log_in(username="bob", password=PASSWORD)

    assert [event.type for _, event in world.read_audit_log(AuditQuery(account_id=ann.id))] == [EventType.REGISTERED]
    assert [event.type for _, event in world.read_audit_log(AuditQuery(account_id=bob.id))] == [
        EventType.REGISTERED,
        EventType.LOGGED_IN,
    ]
