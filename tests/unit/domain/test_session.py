from dataclasses import replace

import pytest

from vestibule.domain.session import DEFAULT_LIFETIME, RefreshOutcome, Session, SessionLifetime

DAY = 86_400.0
SESSION = Session(
    id="1", account_id=1, created_at=1000.0, refreshed_at=1000.0, expires_at=DEFAULT_LIFETIME.end_of(1000.0, 1000.0)
)


def rotated(session: Session, *generations: int, now: float = 2000.0) -> Session:
    """The session after these refresh tokens, none of which revoked it."""
    for generation in generations:
        _, session = session.refresh(generation, now)
    assert session.revoked_at is None
    return session


def test_current_refresh_token_is_rotated() -> None:
    turn, after = SESSION.refresh(0, 2000.0)

    assert turn is RefreshOutcome.ROTATED
    assert after == replace(SESSION, generation=1, previous_generation=0, refreshed_at=2000.0, expires_at=2000.0 + 14 * DAY)


def test_current_token_stays_valid_without_rotation() -> None:
    outcome, after = SESSION.refresh(0, 2000.0, rotates=False)

    assert outcome is RefreshOutcome.EXTENDED
    assert after == replace(SESSION, previous_generation=0, refreshed_at=2000.0, expires_at=2000.0 + 14 * DAY)
    assert after.refresh(0, 3000.0, rotates=False)[0] is RefreshOutcome.EXTENDED
    assert after.refresh(0, 3000.0)[0] is RefreshOutcome.ROTATED


def test_session_ends_without_rotation_too() -> None:
    end = SESSION.created_at + DEFAULT_LIFETIME.longest
    _, after = replace(SESSION, refreshed_at=end - 10, expires_at=end).refresh(0, end - 1, rotates=False)

    assert after.expires_at == end
    assert after.refresh(0, end, rotates=False)[0] is RefreshOutcome.SESSION_INACTIVE
    assert SESSION.revoked(1500.0).refresh(0, 2000.0, rotates=False)[0] is RefreshOutcome.SESSION_INACTIVE


def test_tokens_of_earlier_rotations_are_detected_without_rotation() -> None:
    turned = rotated(SESSION, 0)
    _, extended = turned.refresh(1, 2001.0, rotates=False)

    assert extended.refresh(0, 2002.0, rotates=False)[0] is RefreshOutcome.REUSE_DETECTED


def test_clock_that_stepped_back_does_not_shorten_a_session() -> None:
    _, after = SESSION.refresh(0, 900.0)

    assert after.refreshed_at == 1000.0


def test_previous_token_gets_a_new_successor_for_30_seconds() -> None:
    turned = rotated(SESSION, 0)

    assert turned.refresh(0, 2030.0) == (RefreshOutcome.REISSUED, replace(turned, generation=2))


def test_repeated_previous_token_gets_its_30_seconds_once() -> None:
    reissued = rotated(SESSION, 0, 0)

    assert reissued.refresh(0, 2031.0)[0] is RefreshOutcome.REUSE_DETECTED


def test_new_successor_retires_the_one_before() -> None:
    reissued = rotated(SESSION, 0, 0)

    assert reissued.refresh(1, 2001.0) == (RefreshOutcome.RETIRED, reissued)
    assert reissued.refresh(1, 9000.0) == (RefreshOutcome.RETIRED, reissued)
    assert reissued.refresh(2, 2001.0)[0] is RefreshOutcome.ROTATED


def test_retired_token_revokes_the_session_once_another_successor_was_used() -> None:
    used = rotated(SESSION, 0, 0, 2)

    assert used.refresh(1, 2001.0) == (RefreshOutcome.REUSE_DETECTED, used.revoked(2001.0))


def test_previous_token_is_not_honoured_once_a_successor_was_used() -> None:
    used = rotated(SESSION, 0, 0, 2)

    assert used.refresh(0, 2001.0)[0] is RefreshOutcome.REUSE_DETECTED


def test_clock_that_stepped_back_does_not_extend_the_grace_period() -> None:
    _, turned = SESSION.refresh(0, 2000.0)

    assert turned.refresh(0, 1970.0)[0] is RefreshOutcome.REISSUED
    assert turned.refresh(0, 1969.0)[0] is RefreshOutcome.REUSE_DETECTED


def test_previous_token_after_30_seconds_revokes_the_session() -> None:
    _, turned = SESSION.refresh(0, 2000.0)

    assert turned.refresh(0, 2030.5) == (RefreshOutcome.REUSE_DETECTED, replace(turned, revoked_at=2030.5))


@pytest.mark.parametrize("generation", [0, 3])
def test_any_other_token_revokes_the_session(generation: int) -> None:
    turned = replace(SESSION, generation=2, previous_generation=1, refreshed_at=2000.0)

    assert turned.refresh(generation, 2001.0) == (RefreshOutcome.REUSE_DETECTED, turned.revoked(2001.0))


def test_revoked_session_keeps_its_end() -> None:
    revoked = SESSION.revoked(1500.0)

    assert revoked.revoked(1600.0) is revoked
    assert revoked.refresh(0, 1600.0) == (RefreshOutcome.SESSION_INACTIVE, revoked)


def test_session_expires_after_14_idle_days() -> None:
    assert SESSION.is_active(1000.0 + 14 * DAY - 1)
    assert not SESSION.is_active(1000.0 + 14 * DAY)


def test_session_expires_30_days_after_it_started() -> None:
    busy = SESSION
    for days in range(13, 30, 4):
        _, busy = busy.refresh(busy.generation, 1000.0 + days * DAY)

    assert busy.is_active(1000.0 + 30 * DAY - 1)
    assert not busy.is_active(1000.0 + 30 * DAY)


def test_lifetime_is_a_setting() -> None:
    lifetime = SessionLifetime(idle=2 * DAY, longest=3 * DAY)
    _, after = SESSION.refresh(0, 1000.0 + DAY - 1, lifetime)
    assert after.expires_at == 1000.0 + 3 * DAY - 1
    _, after = after.refresh(1, 1000.0 + 2 * DAY, lifetime)
    assert after.expires_at == 1000.0 + 3 * DAY


@pytest.mark.parametrize("shorter", [SessionLifetime(idle=DAY), SessionLifetime(longest=DAY)])
def test_shorter_lifetime_ends_a_session_that_began_under_a_longer_one(shorter: SessionLifetime) -> None:
    assert SESSION.refresh(0, 1000.0 + DAY - 1, shorter)[0] is RefreshOutcome.ROTATED
    assert SESSION.refresh(0, 1000.0 + DAY, shorter) == (RefreshOutcome.SESSION_INACTIVE, SESSION)
