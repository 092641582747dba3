from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from tests.support.world import PASSWORD, World

from vestibule.adapters.database import SqlDatabase, migrate
from vestibule.adapters.keys import FileKeyStore, KeyManager
from vestibule.application import ClockAhead, InvalidCode, NoSuchAccount, RotateKeys
from vestibule.application.maintenance import BATCH
from vestibule.domain.events import Event as AuditEvent
from vestibule.domain.events import EventType
from vestibule.entrypoints.workers.delivery import DeliveryWorkers, HourlyPurge
from vestibule.testing import ManualClock

ANN = "ann@mail.example.com"
DAY = 86_400.0


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
    url = f"sqlite:///{tmp_path / 'vestibule.db'}"
    migrate(url)
    with SqlDatabase(url) as database:
        world = World(database=database)
        with database.begin() as tx:
            for _ in range(BATCH + 1):
                tx.audit_log.add(AuditEvent(type=EventType.CODE_SENT, occurred_at=world.clock() - 401 * 86_400))
            tx.audit_log.add(AuditEvent(type=EventType.CODE_SENT, occurred_at=world.clock()))

        assert world.purge() == BATCH + 1
        assert len(world.events()) == 1


def test_sessions_are_kept_for_30_days_after_the_end_that_the_settings_give_them(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'vestibule.db'}"
    migrate(url)
    with SqlDatabase(url) as database:
        world = World(database=database, session_days=90, session_idle_days=90)
        world.create_account()
        session = world.log_in(username="ann", password=PASSWORD).session
        for days, is_kept in ((119, True), (2, False)):
            world.clock.advance(days * 86_400)
            world.purge(clock_confirmed=True)
            with database.begin() as tx:
                assert (tx.sessions.lock(session) is not None) is is_kept


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[World]:
    """A world whose database is a file: that in memory purges nothing."""
    url = f"sqlite:///{tmp_path / 'vestibule.db'}"
    migrate(url)
    with SqlDatabase(url) as database:
        world = World(database=database)
        world.create_account("ann")
        yield world


@pytest.mark.parametrize("purged_before", [False, True])
def test_purge_is_refused_after_a_jump_of_the_clock_unless_it_is_confirmed(stored: World, purged_before: bool) -> None:
    if purged_before:
        assert stored.purge() == 0
    stored.clock.advance(2 * DAY)
    assert stored.purge() == 0
    stored.clock.advance(401 * DAY)
    for _ in range(2):
        with pytest.raises(ClockAhead, match=r"The clock says 2028-02-22, and the last purge was on 2027-01-17"):
            stored.purge()
    assert len(stored.events(EventType.REGISTERED)) == 1
    assert stored.purge(clock_confirmed=True) > 0
    assert stored.events(EventType.REGISTERED) == []
    stored.clock.advance(-400 * DAY)
    assert stored.purge() == 0


def test_hourly_purge_waits_until_a_clock_that_jumped_has_been_right_for_an_hour(stored: World) -> None:
    uptime = ManualClock(5.0)
    purge = HourlyPurge(stored.purge, uptime)

    def after(seconds: float, *, jump: float = 0.0) -> bool:
        """Purges after time and a jump of the clock. Returns whether the event of the registration is kept."""
        uptime.advance(seconds)
        stored.clock.advance(seconds + jump)
        purge()
        return stored.events(EventType.REGISTERED) != []

    assert after(3600)
    assert after(3600, jump=401 * DAY)
    assert after(3600, jump=90 * DAY), "the clock jumped again"
    stored.clock.advance(-491 * DAY)
    stored.purge()  # of another process
    stored.clock.advance(491 * DAY)
    assert after(3600), "another process has another time"
    assert not after(3600)


class RecordingSignal(Event):
    """A stop signal that is set by the second wait for it, and records all of them."""

    def __init__(self, seen: list[object]) -> None:
        super().__init__()
        self.seen = seen

    def wait(self, timeout: float | None = None) -> bool:
        self.seen.append(timeout)
        if len(self.seen) > 2:
            self.set()
        return self.is_set()


def test_nothing_is_purged_in_the_first_hour_of_a_process(stored: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr(HourlyPurge, "__call__", lambda _: seen.append("purge"))
    workers = DeliveryWorkers()
    monkeypatch.setattr(workers, "_stopped", RecordingSignal(seen))
    workers.start(None, stored.purge)
    for thread in workers._threads:  # noqa: SLF001 — only its thread object can be joined
        thread.join(10)
    assert seen == [3600.0, "purge", 3600.0]


def test_database_in_memory_purges_nothing() -> None:
    assert World().purge() == 0


# --- keys -------------------------------------------------------------------------------------------------------------


def rotation_of(world: World, directory: Path, **settings: Any) -> RotateKeys:
    """The use case on the world's database and clock, with keys of their own in a file."""
    keys = KeyManager(FileKeyStore(directory / "keys.json"), world.clock, **settings)
    keys.list_keys()
    return RotateKeys(database=world.database, clock=world.clock, key_rotation=keys)


def test_keys_that_are_due_are_rotated_and_recorded(stored: World, tmp_path: Path) -> None:
    rotate_keys = rotation_of(stored, tmp_path / "keys", rotation_days=90)
    assert rotate_keys() == []
    for _ in range(89):
        stored.clock.advance(DAY)
        stored.purge()
    assert rotate_keys() == ["rotated signing-2"]
    assert rotate_keys() == []
    [event] = stored.events(EventType.KEYS_CHANGED)
    assert (event.detail, event.occurred_at) == ("rotated signing-2", stored.clock())


def test_keys_are_not_rotated_by_their_age_while_the_clock_may_be_wrong(stored: World, tmp_path: Path) -> None:
    rotate_keys = rotation_of(stored, tmp_path / "keys", rotation_days=90)
    stored.purge()
    stored.clock.advance(1000 * DAY)
    assert rotate_keys() == []
    stored.purge(clock_confirmed=True)
    assert rotate_keys() == ["rotated signing-2", "rotated codes-2", "rotated refresh-2"]


def test_another_algorithm_is_followed_whatever_the_clock_says(tmp_path: Path) -> None:
    world = World()
    rotation_of(world, tmp_path)
    world.clock.advance(1000 * DAY)
    assert rotation_of(world, tmp_path, algorithm="ES256", rotation_days=90)() == ["rotated signing-2"]


def test_keys_that_are_not_ours_to_rotate_are_left_alone() -> None:
    assert World().rotate_keys() == ()
