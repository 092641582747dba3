"""No more letters a second than were allowed."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from vestibule.adapters.notifier import MemoryNotifier, RateLimitedNotifier
from vestibule.application.ports import Undeliverable
from vestibule.testing.contracts.notifier import mail_letter


class Time:
    """A clock that goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_letters_in_a_row_keep_their_distance_real_or_pretended() -> None:
    time, memory = Time(), MemoryNotifier()
    notifier = RateLimitedNotifier(memory, 4, clock=time, sleep=time.sleep)
    notifier.send(mail_letter(1))
    notifier.send_decoy(mail_letter(2))
    notifier.send(mail_letter(3))
    assert time.slept == [0, 0.25, 0.25]
    assert [letter.id[-2:] for letter in memory.messages] == ["01", "03"]


def test_who_comes_late_waits_for_nothing_and_has_saved_nothing_up() -> None:
    time = Time()
    notifier = RateLimitedNotifier(MemoryNotifier(), 2, clock=time, sleep=time.sleep)
    notifier.send(mail_letter(1))
    time.now += 60
    notifier.send(mail_letter(2))
    notifier.send(mail_letter(3))
    assert time.slept == [0, 0, 0.5]


def test_a_letter_that_fails_counts_and_fails() -> None:
    time, memory = Time(), MemoryNotifier()
    notifier = RateLimitedNotifier(memory, 2, clock=time, sleep=time.sleep)
    memory.fail_next(Undeliverable("refused"))
    with pytest.raises(Undeliverable):
        notifier.send(mail_letter(1))
    notifier.send(mail_letter(2))
    assert time.slept == [0, 0.5]


def test_threads_share_the_rate() -> None:
    slept: list[float] = []
    notifier = RateLimitedNotifier(MemoryNotifier(), 10, clock=lambda: 100.0, sleep=slept.append)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(notifier.send, map(mail_letter, range(8))))
    assert sorted(slept) == pytest.approx([number / 10 for number in range(8)])
