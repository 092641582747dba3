"""A client that behaves like real ones: it calls a random node, and retries after a 503 or a lost connection."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from threading import Event, Lock
from typing import Any

from tests.support.proxy import GONE, Answer, Line

RETRY_SECONDS = 60.0
"""Seconds of retries after which the service counts as down."""

Call = Callable[[Line], Answer]


class BrokenPromise(Exception):
    """A change was lost, a secret was accepted twice, or a response contradicts the contract."""


class Stopped(Exception):
    """The run has been interrupted."""


@dataclass
class Counts:
    """Counters by name, shared by all clients."""

    of: "Counter[str]" = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, name: str, number: int = 1) -> None:
        with self._lock:
            self.of[name] += number


@dataclass(frozen=True)
class Reply:
    """The final response. `is_retry` is true if an earlier attempt got no response or a 503, and may have succeeded."""

    answer: Answer
    is_retry: bool

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def json(self) -> Any:
        return self.answer.json


class RetryingClient:
    """A client with its own address, and a connection to each node."""

    def __init__(self, ports: Sequence[int], caller: str, random: Random, counts: Counts, stopping: Event) -> None:
        self._lines = [Line(port, caller=caller) for port in ports]
        self._random = random
        self._counts = counts
        self._stopping = stopping

    def close(self) -> None:
        for line in self._lines:
            line.close()

    def call(
        self, name: str, request: Call, expected: Collection[int], *, second: Collection[int] = (), at: int | None = None
    ) -> Reply:
        """Calls the node `at`, or a random one, and after a 503 or a lost connection the next one.

        `second` are further statuses that are allowed if an earlier attempt may have succeeded. An expected 429 is retried.
        """
        node = self._random.randrange(len(self._lines)) if at is None else at
        deadline = time.monotonic() + RETRY_SECONDS
        lost_response = got_503 = False
        while True:
            answer = self._try(name, request, node)
            if answer is not None and answer.status != 503 and (answer.status != 429 or 429 not in expected):
                break
            if time.monotonic() > deadline:
                raise BrokenPromise(f"{name}: no final response for {RETRY_SECONDS:.0f} s")
            lost_response |= answer is None
            got_503 |= answer is not None and answer.status == 503
            self._pause(name, answer)
            self._counts.add("retries")
            node = (node + 1) % len(self._lines)
        if answer.status not in expected:
            if not (lost_response or got_503) or answer.status not in second:
                raise BrokenPromise(f"{name}: {shown(answer)}, expected {sorted(expected)}")
            self._counts.add("succeeded although the response was lost" if lost_response else "succeeded although answered 503")
        return Reply(answer, lost_response or got_503)

    def call_all(self, name: str, request: Call) -> list[Answer | None]:
        """Calls all nodes at the same time, without retries; returns None for a node that sends no response."""
        with ThreadPoolExecutor(len(self._lines)) as threads:
            return list(threads.map(lambda node: self._try(name, request, node), range(len(self._lines))))

    def _try(self, name: str, request: Call, node: int) -> Answer | None:
        if self._stopping.is_set():
            raise Stopped
        self._counts.add("calls")
        try:
            answer = request(self._lines[node])
        except TimeoutError:
            raise BrokenPromise(f"{name}: no response on an open connection") from None
        except GONE:
            self._counts.add("no response")
            return None
        self._counts.add(f"answered {answer.status}")
        if answer.status >= 500 and (answer.status, answer.problem) not in {(503, "unavailable"), (503, "overloaded")}:
            raise BrokenPromise(f"{name}: {shown(answer)}")
        return answer

    def _pause(self, name: str, answer: Answer | None) -> None:
        """Waits as long as Retry-After says, or a tenth of a second if there was no response."""
        if answer is None:
            seconds = 0.1
        elif not answer.headers.get("retry-after", "").isdigit():
            raise BrokenPromise(f"{name}: {answer.status} without Retry-After")
        else:
            seconds = float(answer.headers["retry-after"])
        if self._stopping.wait(min(seconds, RETRY_SECONDS)):
            raise Stopped


def shown(answer: Answer | None) -> str:
    """Returns the status, and the problem of a refusal; never a token or other content."""
    if answer is None:
        return "no response"
    return f"answered {answer.status}" + (f" {answer.problem}" if "problem" in answer.headers.get("content-type", "") else "")
