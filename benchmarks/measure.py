"""Interleaved runs: every call at every server in turn, several times over, so that what a machine does meanwhile hits all
alike.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from .calls import CONNECTIONS, Subject
from .load import Driven, drive
from .servers import ROOT

Tell = Callable[[str], None]


@dataclass
class Row:
    """One call at one server: what each run gave."""

    call: str
    name: str
    connections: int
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    driven: Driven = field(default_factory=Driven)

    @property
    def rate(self) -> float:
        """Answers a second, the median of the runs."""
        return median(self.rates)

    @property
    def cost(self) -> float:
        """Microseconds of processors for each answer, the median of the runs."""
        return median(self.cpu)

    @property
    def failed(self) -> Counter[int]:
        """How often which status came that is no success."""
        return Counter({status: times for status, times in self.driven.statuses.items() if not 200 <= status < 300})

    def add(self, driven: Driven, cost: float) -> None:
        self.rates.append(driven.rate)
        self.cpu.append(cost)
        self.driven.add(driven)

    def told(self) -> dict[str, Any]:
        return {
            "call": self.call,
            "name": self.name,
            "connections": self.connections,
            "rate": round(self.rate, 1),
            "p50_ms": round(self.driven.quantile(0.5) * 1e3, 3),
            "p99_ms": round(self.driven.quantile(0.99) * 1e3, 3),
            "cpu_us": round(self.cost, 1),
            "rates": [round(rate, 1) for rate in self.rates],
            "failed": {str(status): times for status, times in self.failed.items()},
        }


@dataclass(frozen=True)
class ByHand:
    """What a call cannot do without: done in a program of its own, on the servers' cores."""

    which: str
    name: str
    call: str
    cores: frozenset[int]
    url: tuple[str, ...] = ()


@dataclass
class Run:
    """How long each run takes, how often it is repeated, and who is told how far it is."""

    seconds: float
    rounds: int
    tell: Tell
    warm: float = 0.3

    def calls(self, calls: Iterable[str], subjects: Sequence[Subject], by_hand: Sequence[ByHand] = ()) -> list[Row]:
        """Every call at every subject that has it, and what is done by hand."""
        rows: list[tuple[Row, Subject | ByHand]] = [
            (Row(call, subject.name, CONNECTIONS.get(call, 32)), subject)
            for call in calls
            for subject in subjects
            if call in subject.calls
        ]
        rows += [(Row(hand.call, hand.name, 1), hand) for hand in by_hand]
        for number in range(self.rounds):
            for row, at in sorted(rows, key=lambda one: list(CONNECTIONS).index(one[0].call)):
                self.tell(f"round {number + 1} of {self.rounds}: {row.call}, {row.name}")
                if isinstance(at, ByHand):
                    self._by_hand(row, at)
                else:
                    if number == 0:
                        self.once(row.call, at, self.warm)
                    row.add(*self.once(row.call, at, self.seconds))
        return [row for row, _ in rows]

    def _by_hand(self, row: Row, hand: ByHand) -> None:
        words = [hand.which, str(self.seconds), ",".join(map(str, sorted(hand.cores))), *hand.url]
        program = [sys.executable, "-m", "benchmarks.floors", *words]
        told = json.loads(subprocess.run(program, check=True, capture_output=True, cwd=ROOT, text=True).stdout)
        row.rates.append(told["rate"])
        row.cpu.append(told["cpu"])

    def once(self, call: str, subject: Subject, seconds: float) -> tuple[Driven, float]:
        """What came of it, and the microseconds of processors that the server spent on each answer."""
        if subject.prepare is not None:
            subject.prepare(call, seconds)
        before = subject.server.cpu()
        result = drive(subject.server.port, {"": subject.calls[call](CONNECTIONS[call])}, seconds)[""]
        return result, (subject.server.cpu() - before) / max(1, len(result.taken)) * 1e6


def ratio(one: Row, other: Row) -> float:
    """The rate of the one to that of the other, round by round, and of these the median."""
    return median(mine / theirs for mine, theirs in zip(one.rates, other.rates, strict=False) if theirs)


def cost_ratio(one: Row, other: Row) -> float:
    """What the other costs of processors to what the one costs: the ratio of rates where nothing but the processor is short."""
    return median(theirs / mine for mine, theirs in zip(one.cpu, other.cpu, strict=False) if mine)
