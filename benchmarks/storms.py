"""Many clients that repeat one call without a pause, and clients that read accounts meanwhile."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from . import peers as other
from .calls import ACCOUNT, LOGIN, SEND, UPLOAD, Subject
from .load import Outcome, drive
from .machine import cores, open_files, pin
from .measure import Run
from .places import SQLITE, Places
from .targets import Target, at_least, at_most

CLIENTS = {LOGIN: 64, UPLOAD: 32, SEND: 32}
READERS = 4
MAX_P99_MS = 50.0
MIN_PEER_RATIO = 20.0


@dataclass
class StormResult:
    """The outcome of a storm, and of the reads during it."""

    storm: str
    clients: int
    load: Outcome
    reads: Outcome

    def as_json(self) -> dict[str, Any]:
        return {
            "storm": self.storm,
            "clients": self.clients,
            "responses_per_second": round(self.load.rate, 1),
            "statuses": {str(status): times for status, times in sorted(self.load.statuses.items())},
            "reads_per_second": round(self.reads.rate, 1),
            "read_p50_ms": round(self.reads.quantile(0.5) * 1e3, 2),
            "read_p99_ms": round(self.reads.quantile(0.99) * 1e3, 2),
            "read_statuses": {str(status): times for status, times in self.reads.statuses.items()},
        }


def storms(stack: ExitStack, run: Run, database: str, peers: Sequence[str]) -> tuple[list[dict[str, Any]], list[Target]]:
    """Each storm in turn, at a server with default settings, on all cores, shared with the load; logins at peers, too."""
    places = Places(stack, set(), run.progress)
    if not places.is_available(database):
        return [], []
    subject = places.subject(database, database, 1_000)
    results = [_run_storm(run, subject, storm) for storm in (None, *CLIENTS)]
    targets = [
        at_most(f"account reads in a storm of {one.clients} clients ({one.storm}), {database}: p99, ms", p99(one), MAX_P99_MS)
        for one in results
        if one.clients
    ]
    found = [{"at": database, **result.as_json()} for result in results]
    ours = next(one for one in results if one.storm == LOGIN)
    for peer in peers if database == SQLITE else ():
        with ExitStack() as theirs:
            came = _run_storm(run, theirs.enter_context(other.opened(peer, places, set())), LOGIN)
        found.append({"at": peer, **came.as_json()})
        name = f"account reads in a storm of {came.clients} clients ({LOGIN}), {database} : {peer}"
        targets.append(at_least(name, ours.reads.rate / max(came.reads.rate, 1 / run.seconds), MIN_PEER_RATIO))
    return found, targets


def p99(result: StormResult) -> float:
    return result.reads.quantile(0.99) * 1e3


def _run_storm(run: Run, subject: Subject, storm: str | None) -> StormResult:
    run.progress(f"{subject.name}: {storm or 'idle'}")
    clients = CLIENTS[storm] if storm else 0
    scripts = {"reads": subject.calls[ACCOUNT](READERS), "storm": subject.calls[storm](clients) if storm else []}
    drive(subject.server.port, {"": subject.calls[ACCOUNT](READERS)}, run.warm)
    came = drive(subject.server.port, scripts, run.seconds)
    return StormResult(storm or "idle", clients, came["storm"], came["reads"])


def memory(stack: ExitStack, run: Run, database: str, requests: int) -> tuple[list[dict[str, Any]], list[Target]]:
    """Memory and open files after each part of the given number of requests, mostly reads."""
    ours, load = cores()
    places = Places(stack, ours, run.progress)
    if not places.is_available(database):
        return [], []
    subject = places.subject(database, database, 1_000)
    pin(load)
    server, done, seen = subject.server, 0, []
    while done < requests:
        scripts = {
            "reads": subject.calls[ACCOUNT](24),
            "refreshes": subject.calls["refresh"](4),
            "checks": subject.calls["uniqueness check"](4),
        }
        came = drive(server.port, scripts, run.seconds)
        done += sum(len(one.durations) for one in came.values())
        failed = sum(times for one in came.values() for status, times in one.statuses.items() if status != 200)
        seen.append({"requests": done, "mib": round(server.memory(), 1), "open": open_files(server.number), "failed": failed})
        run.progress(f"{done:,} of {requests:,} requests, {seen[-1]['mib']:.0f} MiB")
    flat = seen[-1]["mib"] - seen[min(len(seen) - 1, max(0, len(seen) // 5))]["mib"]
    targets = [
        at_most(f"{database}: MiB after {done:,} requests", seen[-1]["mib"], 110),
        at_most(f"{database}: MiB more at the end than after a fifth of them", flat, 5),
        at_most(f"{database}: files and connections more than after the first part", seen[-1]["open"] - seen[0]["open"], 0),
    ]
    return seen, targets
