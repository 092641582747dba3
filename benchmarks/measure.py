"""Interleaved runs: every call at every server in turn, in several rounds, so that other load affects all alike."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from .calls import CONNECTIONS, Subject
from .load import Outcome, drive
from .servers import ROOT, program

Progress = Callable[[str], None]


@dataclass
class Row:
    """One call at one server: the results of each run."""

    call: str
    name: str
    connections: int
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def rate(self) -> float:
        """Responses a second, the median of the runs."""
        return median(self.rates)

    @property
    def cost(self) -> float:
        """Microseconds of processor for each response, the median of the runs."""
        return median(self.cpu)

    @property
    def failed(self) -> Counter[int]:
        """Counts of the statuses other than 2xx."""
        return Counter({status: times for status, times in self.outcome.statuses.items() if not 200 <= status < 300})

    def add(self, outcome: Outcome, cost: float) -> None:
        self.rates.append(outcome.rate)
        self.cpu.append(cost)
        self.outcome.add(outcome)

    def as_json(self) -> dict[str, Any]:
        return {
            "call": self.call,
            "name": self.name,
            "connections": self.connections,
            "rate": round(self.rate, 1),
            "p50_ms": round(self.outcome.quantile(0.5) * 1e3, 3),
            "p99_ms": round(self.outcome.quantile(0.99) * 1e3, 3),
            "cpu_us": round(self.cost, 1),
            "rates": [round(rate, 1) for rate in self.rates],
            "failed": {str(status): times for status, times in self.failed.items()},
        }


@dataclass(frozen=True)
class Baseline:
    """The least work of a call, done by a separate program on the servers' cores."""

    which: str
    name: str
    call: str
    cores: frozenset[int]
    url: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Run:
    """The seconds of each run, the number of rounds, and the callback for progress."""

    seconds: float
    rounds: int
    progress: Progress
    warm: float = 0.3

    def calls(self, calls: Iterable[str], subjects: Sequence[Subject], baselines: Sequence[Baseline] = ()) -> list[Row]:
        """Every call at every subject that has it, and the baselines."""
        rows: list[tuple[Row, Subject | Baseline]] = [
            (Row(call, subject.name, subject.clients(call)), subject)
            for call in calls
            for subject in subjects
            if call in subject.calls
        ]
        rows += [(Row(baseline.call, baseline.name, 1), baseline) for baseline in baselines]
        for number in range(self.rounds):
            for row, at in sorted(rows, key=lambda one: list(CONNECTIONS).index(one[0].call)):
                self.progress(f"round {number + 1} of {self.rounds}: {row.call}, {row.name}")
                if isinstance(at, Baseline):
                    self._baseline(row, at)
                else:
                    if number == 0:
                        self.run_once(row.call, at, self.warm)
                    row.add(*self.run_once(row.call, at, self.seconds))
        return [row for row, _ in rows]

    def _baseline(self, row: Row, baseline: Baseline) -> None:
        words = [baseline.which, str(self.seconds), ",".join(map(str, sorted(baseline.cores))), *baseline.url]
        command = [str(program("python")), "-m", "benchmarks.baselines", *words]
        environment = os.environ | baseline.environment
        ended = subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=environment, text=True)
        measured = json.loads(ended.stdout)
        row.rates.append(measured["rate"])
        row.cpu.append(measured["cpu"])

    def run_once(self, call: str, subject: Subject, seconds: float) -> tuple[Outcome, float]:
        """The outcome, and the server's microseconds of processor for each response."""
        if subject.prepare is not None:
            subject.prepare(call, seconds)
        before = subject.server.cpu()
        result = drive(subject.server.port, {"": subject.calls[call](subject.clients(call))}, seconds)[""]
        return result, (subject.server.cpu() - before) / max(1, len(result.durations)) * 1e6


def ratio(one: Row, other: Row) -> float:
    """The median of the rounds' ratios of rates, `one` divided by `other`."""
    return median(mine / theirs for mine, theirs in zip(one.rates, other.rates, strict=False) if theirs)


def cost_ratio(one: Row, other: Row) -> float:
    """Processor time of `other` divided by that of `one`: the ratio of rates if only the processor is scarce."""
    return median(theirs / mine for mine, theirs in zip(one.cpu, other.cpu, strict=False) if mine)
