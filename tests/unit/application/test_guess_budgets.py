"""Attacks from ten thousand addresses, and from one, over a day: how many guesses they get."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count, cycle
from typing import Any

import pytest
from tests.support.world import OTHER_PASSWORD, PASSWORD, World, outcome

from vestibule.adapters.hasher import InsecureHasher
from vestibule.application import Caller, InvalidCode, InvalidCredentials, IssuedProof, RateLimited, TokenSet
from vestibule.application.ports import Codes
from vestibule.domain.code import CodePurpose

pytestmark = pytest.mark.slow

ANN, MOBILE, STRANGERS_MOBILE = "ann@mail.example.com", "9999999999", "8888888888"
DAY, CALLERS = 86_400, 10_000
ATTACKER = Caller("198.51.100.7")

Call = Callable[..., Any]


class RecordingCodes:
    """Codes that record the address of each code that is compared with a guess."""

    def __init__(self, codes: Codes) -> None:
        self._codes = codes
        self.compared: list[str] = []

    def code(self, challenge_id: str, flow: CodePurpose, address_key: str) -> str:
        self.compared.append(address_key)
        return self._codes.code(challenge_id, flow, address_key)

    def keyed_digest(self, text: str) -> str:
        return self._codes.keyed_digest(text)

    def new_challenge_id(self, challenge_id: str) -> str:
        return self._codes.new_challenge_id(challenge_id)


class CountingHasher(InsecureHasher):
    """A hasher that counts comparisons of passwords."""

    compared = 0

    def verify(self, password_hash: str | None, password: str) -> bool:
        self.compared += 1
        return super().verify(password_hash, password)


class AttackedWorld(World):
    """A world that records every comparison of a code."""

    recorded: RecordingCodes

    def __init__(self) -> None:
        codes = World().codes
        super().__init__(codes=RecordingCodes(codes))
        unrecorded = replace(self.deliver_messages, codes=codes)  # a delivery worker compares nothing
        for name, value in (("recorded", self.codes), ("deliver_messages", unrecorded)):
            object.__setattr__(self, name, value)

    def compared(self, address: str) -> int:
        return self.recorded.compared.count(self.address(address).canonical)

    def sends(self) -> list[Call]:
        """Returns calls that send codes to Ann: by her email, by her mobile to both, and for register-or-login."""
        both = partial(self.request_registration_code, name="Ann", email=ANN, mobile=MOBILE)
        return [*(partial(self.request_code, destination=address) for address in (ANN, MOBILE)), both]

    def guesses(self) -> list[Call]:
        """Returns every call that compares a code of hers; each takes the code and the caller."""
        return [
            *(
                lambda code, caller, to=to: self.verify_code(destination=to, verify_otp=code, caller=caller)
                for to in self.destinations
            ),
            *(
                lambda code, caller, to=to: self.log_in_by_code(destination=to, verify_otp=code, caller=caller)
                for to in self.destinations
            ),
            lambda code, caller: self.reset_password(email=ANN, otp=code, password=OTHER_PASSWORD, caller=caller),
            *(
                lambda code, caller, to=to: self.register_or_log_in(
                    name="Ann", email=ANN, mobile=to, verify_otp=code, caller=caller
                )
                for to in (MOBILE, MOBILE, STRANGERS_MOBILE)
            ),
        ]

    destinations = (ANN, MOBILE, STRANGERS_MOBILE)


def caller_number(number: int) -> Caller:
    return Caller(f"10.0.{number >> 8}.{number & 255}")


def max_within(timestamps: list[float], seconds: float) -> int:
    """The largest number of the ordered timestamps within so many seconds."""
    return max(bisect_right(timestamps, timestamp) - bisect_right(timestamps, timestamp - seconds) for timestamp in timestamps)


@pytest.mark.parametrize("has_account", [True, False])
def test_ten_thousand_ip_addresses_get_30_code_attempts_a_day_per_destination(has_account: bool) -> None:
    world = AttackedWorld()
    if has_account:
        world.create_account("ann", mobile=MOBILE)
    start, sends, guesses = world.clock(), cycle(world.sends()), cycle(world.guesses())
    for number in range(CALLERS):
        if number % (CALLERS // 9) == 0 and number < CALLERS - 10:
            next(sends)()
        refusal = outcome(lambda: next(guesses)(f"{number:06}", caller_number(number)))  # noqa: B023 — asked at once
        assert isinstance(refusal, InvalidCode)
        world.clock.advance(0.9 * DAY / CALLERS)
    assert [world.compared(address) for address in (ANN, MOBILE)] == [30, 30]

    world.clock.now = start + DAY - 1
    before = [len(world.codes_at(address)) for address in (ANN, MOBILE)]
    for destination in (MOBILE, ANN):
        world.request_code(destination=destination)
    assert [len(world.codes_at(address)) for address in (ANN, MOBILE)] == [number + 1 for number in before]
    for address in (ANN, MOBILE):
        for guess in world.guesses():
            assert isinstance(outcome(lambda: guess(world.code_for(address), ATTACKER)), InvalidCode)  # noqa: B023 — asked at once
    assert [world.compared(address) for address in (ANN, MOBILE)] == [30, 30]


def test_right_code_is_accepted_a_day_after_the_last_attempt() -> None:
    world = AttackedWorld()
    for number in range(CALLERS // 10):
        if number % 5 == 0:
            outcome(partial(world.request_code, destination=ANN))
        outcome(lambda: world.verify_code(destination=ANN, verify_otp=f"{number:06}", caller=caller_number(number)))  # noqa: B023
        world.clock.advance(60)
    assert world.compared(ANN) == 30

    world.clock.advance(DAY)
    assert isinstance(world.verify_code(destination=ANN, verify_otp=world.send(ANN)), IssuedProof)


@pytest.mark.parametrize("has_account", [True, False])
@pytest.mark.parametrize("name", ["ann", ANN, MOBILE])
def test_ten_thousand_ip_addresses_get_30_passwords_in_15_minutes(name: str, has_account: bool) -> None:
    hasher = CountingHasher()
    world = World(hasher=hasher)
    if has_account:
        world.create_account("ann", mobile=MOBILE)
    wrong_at = []
    for number in range(CALLERS):
        log_in = partial(world.log_in, username=name, caller=caller_number(number))
        if isinstance(outcome(partial(log_in, password=f"guess {number}")), InvalidCredentials):
            wrong_at.append(world.clock())
        else:
            assert isinstance(outcome(partial(log_in, password=PASSWORD)), RateLimited)
        world.clock.advance(DAY / CALLERS)

    assert max_within(wrong_at, 900) == 30
    assert hasher.compared == len(wrong_at) <= 30 * DAY / 900


def test_one_ip_address_gets_30_code_attempts_in_five_minutes_over_many_accounts() -> None:
    world = AttackedWorld()
    people = [world.create_account(f"person{number}", mobile=f"99999{number:05}") for number in range(60)]
    attempts = cycle(
        partial(ask, destination=address.text, verify_otp="000000", caller=ATTACKER)
        for person in people
        for address in person.addresses
        for ask in (world.verify_code, world.log_in_by_code)
    )
    wrong_at = []
    for at in range(3600):
        if at % 600 == 0:
            for person in people:
                outcome(lambda: world.request_code(destination=person.addresses[1].text))  # noqa: B023 — asked at once
        if isinstance(outcome(next(attempts)), InvalidCode):
            wrong_at.append(world.clock())
        world.clock.advance(1)

    assert max_within(wrong_at, 300) == 30
    assert len(wrong_at) == 3600 // 300 * 30


def test_one_ip_address_gets_10_passwords_a_minute_and_100_an_hour_over_many_accounts() -> None:
    world = World()
    numbers = count()
    wrong_at = []
    for _ in range(7200):
        name = f"person{next(numbers)}"
        answer = outcome(partial(world.log_in, username=name, password=PASSWORD, caller=ATTACKER))
        if isinstance(answer, InvalidCredentials):
            wrong_at.append(world.clock())
        world.clock.advance(1)

    assert (max_within(wrong_at, 60), max_within(wrong_at, 3600), len(wrong_at)) == (10, 100, 200)


@pytest.mark.parametrize("kind", ["codes", "passwords"])
def test_attempt_is_accepted_after_retry_after_and_not_a_second_earlier(kind: str) -> None:
    world = World()
    numbers = count()

    def guess() -> Any:
        name = f"person{next(numbers)}"
        if kind == "passwords":
            return outcome(lambda: world.log_in(username=name, password=PASSWORD, caller=ATTACKER))
        return outcome(lambda: world.verify_code(destination=f"{name}@mail.example.com", verify_otp="000000", caller=ATTACKER))

    limited_calls = 0
    for _ in range(400):
        refusal = guess()
        if isinstance(refusal, RateLimited):
            limited_calls += 1
            world.clock.advance(refusal.retry_after - 1)
            assert isinstance(guess(), RateLimited)
            world.clock.advance(1)
            assert isinstance(guess(), InvalidCode | InvalidCredentials)
        world.clock.advance(0.3)
    assert limited_calls > 3


def test_owner_logs_in_by_a_right_code_while_attempts_are_left() -> None:
    """The limit of an attack refuses no right code before it is reached."""
    world = AttackedWorld()
    world.create_account("ann", mobile=MOBILE)
    for number in range(4):
        outcome(lambda: world.log_in_by_code(destination=MOBILE, verify_otp=f"{number:06}", caller=caller_number(number)))  # noqa: B023

    assert isinstance(world.log_in_by_code(destination=MOBILE, verify_otp=world.send(MOBILE)), TokenSet)


def test_day_of_attacks_from_strange_networks_leaves_the_owner_all_that_she_needs_at_home() -> None:
    """Strangers ask for every code that is to be had, guess at each, and try passwords from ever new networks."""
    world, home = AttackedWorld(), Caller("192.0.2.1")
    world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(ANN), world.verify_address(MOBILE)))
    world.log_in(username="ann", password=PASSWORD, caller=home)
    numbers = count()
    for _ in range(24 * 6):
        for _ in range(12):
            attacker = caller_number(next(numbers))
            for destination in (ANN, MOBILE):
                outcome(partial(world.request_code, destination=destination, caller=attacker))
                outcome(partial(world.verify_code, destination=destination, verify_otp="000000", caller=attacker))
            outcome(partial(world.log_in, username="ann", password="not the password", caller=attacker))
        world.clock.advance(600)
    for name in ("ann", ANN, MOBILE):
        refusal = outcome(partial(world.log_in, username=name, password=PASSWORD, caller=ATTACKER))
        assert isinstance(refusal, InvalidCredentials | RateLimited)

    assert isinstance(world.log_in(username="ann", password=PASSWORD, caller=home), TokenSet)
    for destination in (ANN, MOBILE):
        world.request_code(destination=destination, caller=home)
        code = world.code_for(destination)
        assert isinstance(world.log_in_by_code(destination=destination, verify_otp=code, caller=home), TokenSet)
    world.clock.advance(60)
    world.request_code(destination=MOBILE, caller=home)
    assert isinstance(world.log_in_by_code(destination=MOBILE, verify_otp=world.code_for(ANN), caller=home), TokenSet)
    world.clock.advance(60)
    world.request_code(destination=ANN, caller=home)
    world.reset_password(email=ANN, otp=world.code_for(ANN), password=OTHER_PASSWORD, caller=home)
    world.log_in(username="ann", password=OTHER_PASSWORD, caller=ATTACKER)
