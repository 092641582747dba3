"""The targets: ratios within one run, because seconds do not carry over from one machine to another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .calls import ACCOUNT, LOGIN, REFRESH, REGISTER, SEND, UNIQUE, VERIFY
from .measure import Row, cost_ratio, ratio
from .places import POSTGRES, SQLITE

GET, POST, ARGON2, WHEEL = "a static JSON GET", "a JSON POST", "Argon2 alone", "Argon2 alone, wheel"
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
    """A minimum ratio of a call's rate to that of its baseline, or `by_cost` of the processor time of both."""

    call: str
    name: str
    baseline: str
    minimum: float
    baseline_of: str | None = None
    """The call under which the baseline was measured, if that is another one."""
    by_cost: bool = False


BASELINE_BOUNDS = (
    BaselineBound(ACCOUNT, SQLITE, GET, 0.70),
    BaselineBound(ACCOUNT, POSTGRES, GET, 0.35),
    BaselineBound(REFRESH, POSTGRES, POST, 0.35),
    BaselineBound(LOGIN, SQLITE, ARGON2, 0.92, by_cost=True),
    BaselineBound(LOGIN, POSTGRES, ARGON2, 0.92, by_cost=True),
    BaselineBound(REGISTER, SQLITE, ARGON2, 0.92, LOGIN, by_cost=True),
    BaselineBound(REGISTER, POSTGRES, ARGON2, 0.92, LOGIN, by_cost=True),
    BaselineBound(SEND, SQLITE, DIRECT, 0.40),
    BaselineBound(VERIFY, SQLITE, DIRECT, 0.40),
    BaselineBound(SEND, POSTGRES, POST, 0.25, REFRESH),
    BaselineBound(VERIFY, POSTGRES, POST, 0.25, REFRESH),
)
PEERS = ((ACCOUNT, 20.0), (REFRESH, 10.0), (UNIQUE, 10.0), (LOGIN, 1.3))


def evaluate(rows: Sequence[Row], peers: Sequence[str]) -> list[Target]:
    """Every target for which these rows have results."""
    found = {(row.call, row.name): row for row in rows}
    return [*_baselines(found), *_peers(found, peers)]


def _baselines(found: dict[tuple[str, str], Row]) -> Iterator[Target]:
    for one in BASELINE_BOUNDS:
        row, baseline = found.get((one.call, one.name)), found.get((one.baseline_of or one.call, one.baseline))
        if row and baseline:
            name, cost = f"{one.call}, {one.name} : {one.baseline}", cost_ratio(row, baseline)
            if one.by_cost:
                yield at_least(f"{name}, by processor time", cost, one.minimum)
            else:  # a durable write mostly waits, without processor time
                yield at_least(name, ratio(row, baseline), one.minimum, None if one.baseline == DIRECT else cost)


def _peers(found: dict[tuple[str, str], Row], peers: Sequence[str]) -> Iterator[Target]:
    for call, minimum in PEERS:
        for peer in peers:
            for database in (SQLITE, POSTGRES):
                ours, theirs = found.get((call, database)), found.get((call, peer))
                if ours and theirs and database == (POSTGRES if POSTGRES in peer else SQLITE):
                    yield at_least(f"{call}, {database} : {peer}", ratio(ours, theirs), minimum)


def at_least(name: str, found: float, bound: float, cost: float | None = None) -> Target:
    return Target(name, f"≥ {bound:g}", found, found >= bound, cost)


def at_most(name: str, found: float, bound: float) -> Target:
    return Target(name, f"≤ {bound:g}", found, found <= bound)
