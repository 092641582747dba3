"""Delivery at a bounded rate."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from vestibule.adapters.notifier import MemoryNotifier, RateLimitedNotifier
from vestibule.application.ports import PermanentFailure
from vestibule.testing.contracts.notifier import mail_message


class Time:
    """A clock that advances by `sleep`."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_messages_and_decoys_are_evenly_spaced() -> None:
    time, memory = Time(), MemoryNotifier()
    notifier = RateLimitedNotifier(memory, 4, clock=time, sleep=time.sleep)
    notifier.send(mail_message(1))
    notifier.send_decoy(mail_message(2))
    notifier.send(mail_message(3))
    assert time.slept == [0, 0.25, 0.25]
    assert [message.id[-2:] for message in memory.messages] == ["01", "03"]


def test_idle_time_grants_no_burst() -> None:
    time = Time()
    notifier = RateLimitedNotifier(MemoryNotifier(), 2, clock=time, sleep=time.sleep)
    notifier.send(mail_message(1))
    time.now += 60
    notifier.send(mail_message(2))
    notifier.send(mail_message(3))
    assert time.slept == [0, 0, 0.5]


def test_failed_message_counts_toward_the_rate() -> None:
    time, memory = Time(), MemoryNotifier()
    notifier = RateLimitedNotifier(memory, 2, clock=time, sleep=time.sleep)
    memory.fail_next(PermanentFailure("refused"))
    with pytest.raises(PermanentFailure):
        notifier.send(mail_message(1))
    notifier.send(mail_message(2))
    assert time.slept == [0, 0.5]


def test_threads_share_the_rate() -> None:
    slept: list[float] = []
    notifier = RateLimitedNotifier(MemoryNotifier(), 10, clock=lambda: 100.0, sleep=slept.append)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(notifier.send, map(mail_message, range(8))))
    assert sorted(slept) == pytest.approx([number / 10 for number in range(8)])
