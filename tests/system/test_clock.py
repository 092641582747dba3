"""Clock steps backwards by seconds, an hour or years: no access is gained, and no caller waits forever."""

import pytest
from tests.support.world import OTHER_PASSWORD, PASSWORD, World, outcome, wrong

from vestibule.adapters.rate_limiter import MemoryRateLimiter
from vestibule.application import Caller, InvalidCode, InvalidCredentials, InvalidRefreshToken, InvalidToken, RateLimited
from vestibule.domain.rate_limits import Limits

MINUTE, HOUR, DAY, YEAR = 60.0, 3600.0, 86_400.0, 365 * 86_400.0
STEPS = pytest.mark.parametrize("step", [1.0, MINUTE, HOUR, DAY, 4 * YEAR])
ANN = "ann@mail.example.com"
ATTACKER = Caller("192.0.2.66")


@pytest.fixture
def world() -> World:
    world = World()
    world.create_account("ann")
    return world


@STEPS
def test_sessions_and_logins_survive_a_clock_step_back(world: World, step: float) -> None:
    tokens = world.log_in(username="ann", password=PASSWORD)
    world.clock.advance(-step)
    refreshed = world.refresh(refresh=tokens.refresh_token)
    assert world.is_signed_in(refreshed)
    assert world.is_signed_in(world.log_in(username="ann", password=PASSWORD))


@STEPS
def test_revoked_session_stays_revoked_after_a_clock_step_back(world: World, step: float) -> None:
    tokens = world.log_in(username="ann", password=PASSWORD)
    world.change_account(identity=world.log_in_as(), password=OTHER_PASSWORD)
    world.clock.advance(-step)
    assert isinstance(outcome(lambda: world.authenticate(tokens.access_token)), InvalidToken)
    assert isinstance(outcome(lambda: world.refresh(refresh=tokens.refresh_token)), InvalidRefreshToken)
    assert not world.can_log_in(password=PASSWORD)
    assert world.can_log_in(password=OTHER_PASSWORD)


@STEPS
def test_used_refresh_token_stays_refused_after_a_clock_step_back(world: World, step: float) -> None:
    first = world.log_in(username="ann", password=PASSWORD).refresh_token
    world.refresh(refresh=first)
    world.clock.advance(31 - step)
    again = outcome(lambda: world.refresh(refresh=first))
    world.clock.advance(step)
    assert isinstance(again, InvalidRefreshToken) or step <= MINUTE
    assert isinstance(outcome(lambda: world.refresh(refresh=first)), InvalidRefreshToken)


@STEPS
def test_code_is_accepted_once_and_not_longer_after_a_clock_step_back(world: World, step: float) -> None:
    used, unused = world.send("x@mail.example.com"), world.send(ANN)
    world.verify_code(destination="x@mail.example.com", verify_otp=used)
    world.clock.advance(-step)
    for code, destination in ((used, "x@mail.example.com"), (unused, ANN)):
        assert isinstance(outcome(lambda: world.verify_code(destination=destination, verify_otp=code)), InvalidCode)  # noqa: B023 — called at once


@STEPS
def test_new_code_can_be_requested_soon_after_a_clock_step_back(world: World, step: float) -> None:
    world.send(ANN)
    world.clock.advance(-step)
    refusal = outcome(lambda: world.request_code(destination=ANN))
    if isinstance(refusal, RateLimited):
        assert refusal.retry_after <= 2 * MINUTE
        world.clock.advance(refusal.retry_after)
        world.request_code(destination=ANN)
    assert world.verify_code(destination=ANN, verify_otp=world.code_for(ANN)).proof


@STEPS
def test_clock_step_back_does_not_shorten_the_cooldown(world: World, step: float) -> None:
    sends = 0
    world.request_code(destination=ANN)
    world.clock.advance(-step)
    for _ in range(60):
        sends += not isinstance(outcome(lambda: world.request_code(destination=ANN)), RateLimited)
        world.clock.advance(1)
    assert sends <= 1


@STEPS
def test_clock_step_back_gives_password_guessers_one_window_at_most(world: World, step: float) -> None:
    def guess() -> object:
        return outcome(lambda: world.log_in(username="ann", password="wrong and wrong", caller=ATTACKER))

    assert [type(guess()) for _ in range(6)] == [InvalidCredentials] * 5 + [RateLimited]
    world.clock.advance(-step)
    assert [type(guess()) for _ in range(20)].count(InvalidCredentials) <= 5
    refusal = guess()
    assert isinstance(refusal, RateLimited)
    assert refusal.retry_after <= 2 * HOUR


@STEPS
def test_rate_limited_owner_can_log_in_within_two_windows(world: World, step: float) -> None:
    for _ in range(5):
        outcome(lambda: world.log_in(username="ann", password="wrong and wrong", caller=ATTACKER))
    world.clock.advance(-step)
    for _ in range(3):
        refusal = outcome(lambda: world.log_in(username="ann", password=PASSWORD, caller=ATTACKER))
        if not isinstance(refusal, RateLimited):
            break
        assert refusal.retry_after <= 600
        world.clock.advance(refusal.retry_after)
    assert world.is_signed_in(world.log_in(username="ann", password=PASSWORD, caller=ATTACKER))


@STEPS
def test_clock_step_back_allows_no_extra_code_attempts(world: World, step: float) -> None:
    code = world.send(ANN)
    for _ in range(5):
        outcome(lambda: world.verify_code(destination=ANN, verify_otp=wrong(code)))
    world.clock.advance(-step)
    assert isinstance(outcome(lambda: world.verify_code(destination=ANN, verify_otp=code)), InvalidCode)
    world.clock.advance(step)
    assert isinstance(outcome(lambda: world.verify_code(destination=ANN, verify_otp=code)), InvalidCode)


@STEPS
def test_call_limits_do_not_wait_for_the_old_time(step: float) -> None:
    rate_limiter, now = MemoryRateLimiter(), 1_800_000_000.0
    for _ in range(200):
        assert rate_limiter.hit("a", Limits().calls_per_network, now) == 0
    now -= step
    waits = [rate_limiter.hit("a", Limits().calls_per_network, now) for _ in range(400)]
    assert waits.count(0) <= 300
    assert 0 < waits[-1] <= 120
    assert rate_limiter.hit("a", Limits().calls_per_network, now + waits[-1]) == 0


@STEPS
def test_new_messages_are_delivered_after_a_clock_step_back(world: World, step: float) -> None:
    world.request_code(destination=ANN)
    world.clock.advance(-step)
    world.request_code(destination="new@mail.example.com")
    assert world.codes_at("new@mail.example.com")
