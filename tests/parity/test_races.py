"""Two at once: the second waits, or loses."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
from tests.support.account_builders import ADA, ANN, OTHER, WRONG_CODE, code, logged_in, taken, tokens
from tests.support.interfaces import Door, Refused, Tokens
from tests.support.world import OTHER_PASSWORD, PASSWORD, PNG, World, together, wrong

from vestibule.application.ports import Transaction
from vestibule.domain.code import CodePurpose
from vestibule.domain.rate_limits import RateLimit

MANY = 8


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    return together(calls)


def test_one_of_many_gets_a_username(door: Door) -> None:
    calls = [lambda n=n: door.register(**ADA | {"email": f"p{n}@mail.example.com", "mobile": None}) for n in range(MANY)]
    answers = at_once(*calls)
    assert sorted(answers, key=str).count(taken("username")) == MANY - 1
    assert sum(isinstance(answer, dict) for answer in answers) == 1


def test_one_of_many_uses_a_code(door: Door) -> None:
    sent = code(door, ANN)
    answers = at_once(*[lambda: door.verify(destination=ANN, verify_otp=sent)] * MANY)
    assert answers.count(WRONG_CODE) == MANY - 1
    assert sum(isinstance(answer, str) for answer in answers) == 1


def test_of_many_guesses_at_once_five_are_counted_and_none_is_left(door: Door) -> None:
    sent = code(door, ANN)
    assert at_once(*[lambda: door.verify(destination=ANN, verify_otp=wrong(sent))] * MANY) == [WRONG_CODE] * MANY
    assert door.verify(destination=ANN, verify_otp=sent) == WRONG_CODE


def test_one_of_many_sends_a_code(door: Door, world: World) -> None:
    answers = at_once(*[lambda: door.send(destination=ANN)] * MANY)
    assert answers.count(Refused("rate-limited", retry_after=60)) == MANY - 1
    assert len(world.codes_at(ANN)) == 1


def test_a_refresh_token_shown_many_times_at_once_has_one_successor(door: Door) -> None:
    own = logged_in(door)
    answers = at_once(*[lambda: door.refresh(refresh=own.refresh_token)] * MANY)
    assert len({answer.refresh_token for answer in answers}) == 1


def test_of_many_wrong_passwords_at_once_five_are_told_so(door: Door) -> None:
    door.register(**ADA)
    answers = at_once(*[lambda: door.log_in(username="ann", password=OTHER_PASSWORD)] * MANY)
    assert answers.count(Refused("invalid-credentials")) == 5
    assert answers.count(Refused("rate-limited", retry_after=300)) == MANY - 5


def test_one_of_two_takes_an_email(door: Door) -> None:
    ann = logged_in(door)
    door.register(**OTHER)
    eve = tokens(door, "eve", OTHER_PASSWORD)
    new = "new@mail.example.com"
    answers = at_once(lambda: door.change(ann.token, email=new), lambda: door.change(eve.token, email=new))
    assert answers.count(taken("email")) == 1
    assert sum(isinstance(answer, dict) for answer in answers) == 1


@pytest.mark.parametrize("_time", range(3))
def test_a_reset_and_a_change_of_password_leave_one_of_the_two(_time: int, door: Door) -> None:
    own, sent = logged_in(door), code(door, ANN)
    mine, theirs = "the owners own choice", "somebody elses choice"
    reset, changed = at_once(
        lambda: door.reset(email=ANN, otp=sent, password=theirs), lambda: door.change(own.token, password=mine)
    )
    right = [one for one in (mine, theirs, PASSWORD) if isinstance(door.log_in(username="ann", password=one), Tokens)]
    assert right == ([theirs] if reset is None else [mine])
    assert isinstance(changed, dict) or changed == Refused("invalid-token")


# --- who waits judges by the time when it goes on ---------------------------------------------------------------------


def waited(world: World, ahead: Callable[[Transaction], Iterator[object]], ask: Callable[[], Any]) -> Any:
    """What is answered to a call that comes while `ahead` has claimed what it needs, and goes on when that has ended."""
    with ThreadPoolExecutor(1) as elsewhere:
        with world.database.begin() as tx:
            steps = ahead(tx)
            next(steps)
            waiting = elsewhere.submit(ask)
            assert not wait([waiting], 0.1).done
            next(steps, None)
        return waiting.result(10)


@pytest.mark.parametrize(
    ("key", "limit", "ask"),
    [
        ("asked:", RateLimit(1, 60), lambda door: door.send(destination=ANN)),
        ("login:", RateLimit(30, 900), lambda door: door.log_in(username=ANN, password=PASSWORD)),
    ],
    ids=["send", "login"],
)
def test_the_wait_for_another_one_is_not_counted_twice(
    key: str, limit: RateLimit, ask: Callable[[Door], Any], door: Door, world: World
) -> None:
    def count(tx: Transaction) -> Iterator[object]:
        (tally,) = tx.rate_limits.lock([key + world.codes.keyed_digest(f"email:{ANN}")])
        yield tally
        world.clock.advance(30)
        for _ in range(limit.count):
            tally = tally.hit((limit,), world.clock())
        tx.rate_limits.save([tally], world.clock() + limit.seconds)

    door.register(**ADA)
    assert waited(world, count, lambda: ask(door)) == Refused("rate-limited", retry_after=int(limit.seconds))


def test_a_code_that_ends_while_its_check_waits_is_no_good(door: Door, world: World) -> None:
    def claim(tx: Transaction) -> Iterator[object]:
        yield tx.challenges.lock(CodePurpose.OTP, [world.address(ANN)])
        world.clock.advance(minutes=5)

    sent = code(door, ANN)
    assert waited(world, claim, lambda: door.verify(destination=ANN, verify_otp=sent)) == WRONG_CODE


def test_a_session_that_ends_while_its_refresh_waits_gets_no_new_tokens(door: Door, world: World) -> None:
    def claim(tx: Transaction) -> Iterator[object]:
        yield tx.sessions.lock(own.session)
        world.clock.advance(days=31)

    own = logged_in(door)
    assert waited(world, claim, lambda: door.refresh(refresh=own.refresh_token)) == Refused("invalid-refresh-token")


@pytest.mark.parametrize(
    "ask",
    [lambda door, token: door.change(token, name="Another"), lambda door, token: door.upload(token, PNG)],
    ids=["change", "upload"],
)
def test_a_session_that_ends_while_its_change_waits_changes_nothing(
    ask: Callable[[Door, str], Any], door: Door, world: World
) -> None:
    def claim(tx: Transaction) -> Iterator[object]:
        yield tx.accounts.lock(account.id)
        world.clock.advance(days=31)

    own = logged_in(door)
    account = world.authenticate(own.token).account
    assert waited(world, claim, lambda: ask(door, own.token)) == Refused("invalid-token")
    assert world.now(account) == account
