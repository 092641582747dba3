"""The targets: ratios within one run, because seconds do not carry over from one machine to another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .calls import ACCOUNT, LOGIN, REFRESH, REGISTER, SEND, UNIQUE, VERIFY
from .measure import Row, cost_ratio, ratio
from .places import POSTGRES, SQLITE
from .servers import Server

GET, POST, ARGON2 = "a static JSON GET", "a JSON POST", "Argon2 alone"
DIRECT = "the same rows, written directly"


@dataclass(frozen=True)
class Target:
    """A comparison with its bound and its result; `cost` is the same ratio by processor time."""

    name: str
    bound: str
    found: float
    is_met: bool
    cost: float | None = None

    def as_json(self) -> dict[str, Any]:
        return {"target": self.name, "bound": self.bound, "found": round(self.found, 3), "met": self.is_met} | (
            {} if self.cost is None else {"by_cost": round(self.cost, 3)}
        )


@dataclass(frozen=True)
class BaselineBound:
    """A minimum ratio of a call's rate to that of its baseline."""

    call: str
    name: str
    baseline: str
    minimum: float
    baseline_of: str | None = None
    """The call under which the baseline was measured, if that is another one."""


BASELINE_BOUNDS = (
    BaselineBound(ACCOUNT, SQLITE, GET, 0.70),
    BaselineBound(ACCOUNT, POSTGRES, GET, 0.35),
    BaselineBound(LOGIN, SQLITE, ARGON2, 0.95),
    BaselineBound(LOGIN, POSTGRES, ARGON2, 0.95),
    BaselineBound(REGISTER, SQLITE, ARGON2, 0.95, LOGIN),
    BaselineBound(REGISTER, POSTGRES, ARGON2, 0.95, LOGIN),
    BaselineBound(SEND, SQLITE, DIRECT, 0.40),
    BaselineBound(VERIFY, SQLITE, DIRECT, 0.40),
)
PEERS = ((ACCOUNT, 20.0), (REFRESH, 10.0), (UNIQUE, 10.0), (LOGIN, 1.0))
MAX_START_SECONDS, MAX_MIB_AT_REST, MAX_MIB_AFTERWARDS = 1.0, 80.0, 110.0


def evaluate(rows: Sequence[Row], servers: Sequence[Server], peers: Sequence[str]) -> list[Target]:
    """Every target for which these rows and servers have results."""
    found = {(row.call, row.name): row for row in rows}
    return [*_baselines(found), *_peers(found, peers), *_processes(servers)]


def _baselines(found: dict[tuple[str, str], Row]) -> Iterator[Target]:
    for one in BASELINE_BOUNDS:
        row, baseline = found.get((one.call, one.name)), found.get((one.baseline_of or one.call, one.baseline))
        if row and baseline:
            is_fair = one.baseline != DIRECT  # a durable write mostly waits, without processor time
            yield at_least(
                f"{one.call}, {one.name} : {one.baseline}",
                ratio(row, baseline),
                one.minimum,
                cost_ratio(row, baseline) if is_fair else None,
            )


def _peers(found: dict[tuple[str, str], Row], peers: Sequence[str]) -> Iterator[Target]:
    for call, minimum in PEERS:
        for peer in peers:
            for database in (SQLITE, POSTGRES):
                ours, theirs = found.get((call, database)), found.get((call, peer))
                if ours and theirs and database == (POSTGRES if POSTGRES in peer else SQLITE):
                    yield at_least(f"{call}, {database} : {peer}", ratio(ours, theirs), minimum)


def _processes(servers: Sequence[Server]) -> Iterator[Target]:
    for server in servers:
        if server.name in {SQLITE, POSTGRES}:
            yield at_most(f"{server.name}: seconds from start to first response", server.start_seconds, MAX_START_SECONDS)
            yield at_most(f"{server.name}: MiB at rest", server.memory_at_rest, MAX_MIB_AT_REST)


def at_least(name: str, found: float, bound: float, cost: float | None = None) -> Target:
    return Target(name, f"≥ {bound:g}", found, found >= bound, cost)


def at_most(name: str, found: float, bound: float) -> Target:
    return Target(name, f"≤ {bound:g}", found, found <= bound)
