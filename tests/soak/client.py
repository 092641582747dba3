"""A client as real ones are: it goes to any node, and tries again what a node refused for now or did not answer."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from threading import Event, Lock
from typing import Any

from tests.support.proxy import GONE, Answer, Line

PATIENCE = 60.0
"""Seconds without any answer after which the service counts as down."""

Call = Callable[[Line], Answer]


class BrokenPromise(Exception):
    """Something was lost, taken twice, or answered as the contract does not allow."""


class Stopped(Exception):
    """The run is to end."""


@dataclass
class Counts:
    """Counts of events by name, over all clients."""

    of: "Counter[str]" = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, what: str, number: int = 1) -> None:
        with self._lock:
            self.of[what] += number


@dataclass(frozen=True)
class Reply:
    """The answer in the end. `is_second` tells that an earlier try had no answer, or 503, and may have been carried out."""

    answer: Answer
    is_second: bool

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def json(self) -> Any:
        return self.answer.json


class Client:
    """Somebody with an address of their own, and a connection to each node."""

    def __init__(self, ports: Sequence[int], caller: str, chance: Random, counts: Counts, over: Event) -> None:
        self._lines = [Line(port, caller=caller) for port in ports]
        self._chance = chance
        self._counts = counts
        self._over = over

    def close(self) -> None:
        for line in self._lines:
            line.close()

    def ask(
        self, what: str, call: Call, expected: Collection[int], *, second: Collection[int] = (), at: int | None = None
    ) -> Reply:
        """Asks one node, any unless `at` says which, and the next one where that does not help.

        `second` is what may be answered as well where an earlier try may have been carried out. An expected 429 is waited for.
        """
        node = self._chance.randrange(len(self._lines)) if at is None else at
        deadline = time.monotonic() + PATIENCE
        was_cut_off = was_refused = False
        while True:
            answer = self._try(what, call, node)
            if answer is not None and answer.status != 503 and (answer.status != 429 or 429 not in expected):
                break
            if time.monotonic() > deadline:
                raise BrokenPromise(f"{what}: no answer for {PATIENCE:.0f} s")
            was_cut_off |= answer is None
            was_refused |= answer is not None and answer.status == 503
            self._pause(what, answer)
            self._counts.add("tried again")
            node = (node + 1) % len(self._lines)
        if answer.status not in expected:
            if not (was_cut_off or was_refused) or answer.status not in second:
                raise BrokenPromise(f"{what}: {shown(answer)}, and expected was {sorted(expected)}")
            self._counts.add("carried out though its answer was lost" if was_cut_off else "carried out though answered 503")
        return Reply(answer, was_cut_off or was_refused)

    def ask_all(self, what: str, call: Call) -> list[Answer | None]:
        """What the nodes answer when all are asked at once; None for one that does not. Nothing is tried again."""
        with ThreadPoolExecutor(len(self._lines)) as threads:
            return list(threads.map(lambda node: self._try(what, call, node), range(len(self._lines))))

    def _try(self, what: str, call: Call, node: int) -> Answer | None:
        if self._over.is_set():
            raise Stopped
        self._counts.add("calls")
        try:
            answer = call(self._lines[node])
        except TimeoutError:
            raise BrokenPromise(f"{what}: no answer, and the connection stood") from None
        except GONE:
            self._counts.add("no answer")
            return None
        self._counts.add(f"answered {answer.status}")
        if answer.status >= 500 and (answer.status, answer.problem) not in {(503, "unavailable"), (503, "overloaded")}:
            raise BrokenPromise(f"{what}: {shown(answer)}")
        return answer

    def _pause(self, what: str, answer: Answer | None) -> None:
        """The pause that Retry-After asks for; a tenth of a second without an answer."""
        if answer is None:
            seconds = 0.1
        elif not answer.headers.get("retry-after", "").isdigit():
            raise BrokenPromise(f"{what}: {answer.status} does not say when to come again")
        else:
            seconds = float(answer.headers["retry-after"])
        if self._over.wait(min(seconds, PATIENCE)):
            raise Stopped


def shown(answer: Answer | None) -> str:
    """Its status, and the kind of a refusal; no token and no text of anybody's."""
    if answer is None:
        return "not answered"
    return f"answered {answer.status}" + (f" {answer.problem}" if "problem" in answer.headers.get("content-type", "") else "")
