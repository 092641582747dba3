"""Two at once: the second waits, or loses."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
from tests.doors.door import Door, Refused, Tokens
from tests.doors.people import ADA, ANN, OTHER, WRONG_CODE, code, signed_in, taken, tokens
from tests.world import OTHER_PASSWORD, PASSWORD, World, together, wrong

from vestibule.domain.limits import code_sends

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
    assert answers.count(Refused("too-many-tries", retry_after=60)) == MANY - 1
    assert len(world.codes_at(ANN)) == 1


def test_a_send_that_waited_for_another_one_counts_from_when_it_goes_on(door: Door, world: World) -> None:
    with ThreadPoolExecutor(1) as elsewhere:
        with world.database.begin() as tx:
            (tally,) = tx.tallies.claim([f"asked:{world.codes.blind(f'email:{ANN}')}"])
            waiting = elsewhere.submit(door.send, destination=ANN)
            assert not wait([waiting], 0.1).done
            world.clock.move(30)
            tx.tallies.save([tally.add(code_sends(60), world.clock())], world.clock() + 60)
        assert waiting.result(10) == Refused("too-many-tries", retry_after=60)


def test_a_refresh_token_shown_many_times_at_once_has_one_successor(door: Door) -> None:
    own = signed_in(door)
    answers = at_once(*[lambda: door.refresh(refresh=own.refresh_token)] * MANY)
    assert len({answer.refresh_token for answer in answers}) == 1


def test_of_many_wrong_passwords_at_once_five_are_told_so(door: Door) -> None:
    door.register(**ADA)
    answers = at_once(*[lambda: door.log_in(username="ann", password=OTHER_PASSWORD)] * MANY)
    assert answers.count(Refused("wrong-credentials")) == 5
    assert answers.count(Refused("too-many-tries", retry_after=300)) == MANY - 5


def test_one_of_two_takes_an_email(door: Door) -> None:
    ann = signed_in(door)
    door.register(**OTHER)
    eve = tokens(door, "eve", OTHER_PASSWORD)
    new = "new@mail.example.com"
    answers = at_once(lambda: door.change(ann.token, email=new), lambda: door.change(eve.token, email=new))
    assert answers.count(taken("email")) == 1
    assert sum(isinstance(answer, dict) for answer in answers) == 1


@pytest.mark.parametrize("_time", range(3))
def test_a_reset_and_a_change_of_password_leave_one_of_the_two(_time: int, door: Door) -> None:
    own, sent = signed_in(door), code(door, ANN)
    mine, theirs = "the owners own choice", "somebody elses choice"
    reset, changed = at_once(
        lambda: door.reset(email=ANN, otp=sent, password=theirs), lambda: door.change(own.token, password=mine)
    )
    right = [one for one in (mine, theirs, PASSWORD) if isinstance(door.log_in(username="ann", password=one), Tokens)]
    assert right == ([theirs] if reset is None else [mine])
    assert isinstance(changed, dict) or changed == Refused("invalid-token")
