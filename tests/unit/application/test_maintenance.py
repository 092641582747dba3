from pathlib import Path

import pytest
from tests.support.world import PASSWORD, World

from vestibule.adapters.database import SqlDatabase, migrate
from vestibule.application import AuditQuery, InvalidCode, NoSuchAccount, Purge, ReadAuditLog
from vestibule.application.maintenance import BATCH
from vestibule.domain.events import Event, EventType

ANN = "ann@mail.example.com"


@pytest.mark.parametrize("who", ["ann", "ANN@mail.example.com", "9999999999"])
def test_deactivation_revokes_sessions_and_codes_and_activation_restores_none(who: str) -> None:
    world = World()
    world.create_account("ann", mobile="9999999999")
    tokens = world.log_in(username="ann", password=PASSWORD)
    code = world.send(ANN)

    assert world.set_active(identifier=who, active=False).is_active is False
    assert not world.can_log_in("ann")

    assert world.set_active(identifier=who, active=True).is_active is True
    assert world.can_log_in("ann")
    assert not world.is_signed_in(tokens)
    with pytest.raises(InvalidCode):
        world.verify_code(destination=ANN, verify_otp=code)
    assert [event.type for event in world.events(EventType.DEACTIVATED, EventType.ACTIVATED)] == [
        EventType.DEACTIVATED,
        EventType.ACTIVATED,
    ]


def test_activating_an_active_account_changes_nothing() -> None:
    world = World()
    world.create_account("ann")
    tokens = world.log_in(username="ann", password=PASSWORD)

    assert world.set_active(identifier="ann", active=True).is_active is True
    assert world.is_signed_in(tokens)
    assert world.events(EventType.ACTIVATED) == []


def test_unknown_account_is_refused() -> None:
    with pytest.raises(NoSuchAccount):
        World().set_active(identifier="nobody", active=False)


def test_purge_continues_until_nothing_is_past_its_retention(tmp_path: Path) -> None:
    world, url = World(), f"sqlite:///{tmp_path / 'vestibule.db'}"
    migrate(url)
    with SqlDatabase(url) as database:
        with database.begin() as tx:
            for _ in range(BATCH + 1):
                tx.audit_log.add(Event(type=EventType.CODE_SENT, occurred_at=world.clock() - 401 * 86_400))
            tx.audit_log.add(Event(type=EventType.CODE_SENT, occurred_at=world.clock()))

        assert Purge(database=database, clock=world.clock)() == BATCH + 1
        assert len(list(ReadAuditLog(database=database)(AuditQuery()))) == 1


def test_database_in_memory_purges_nothing() -> None:
    assert World().purge() == 0
