"""What is aimed at: ratios within one run, for seconds do not carry over from one machine to another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .calls import ACCOUNT, LOGIN, REFRESH, REGISTER, SEND, UNIQUE, VERIFY
from .measure import Row, cost_ratio, ratio
from .places import POSTGRES, SQLITE
from .servers import Server

GET, POST, ARGON2 = "a static JSON GET", "a JSON POST", "Argon2 alone"
BY_HAND = "the same rows by hand, durable"


@dataclass(frozen=True)
class Target:
    """What is compared with what, the bound, and what was found; `cost` is the same by cost of processors."""

    what: str
    bound: str
    found: float
    is_met: bool
    cost: float | None = None

    def told(self) -> dict[str, Any]:
        return {"target": self.what, "bound": self.bound, "found": round(self.found, 3), "met": self.is_met} | (
            {} if self.cost is None else {"by_cost": round(self.cost, 3)}
        )


@dataclass(frozen=True)
class Floor:
    """A call of one server is to be this much of what nothing could do without."""

    call: str
    name: str
    floor: str
    least: float
    floor_of: str | None = None
    """The call that the floor stands under, where that is another one."""


FLOORS = (
    Floor(ACCOUNT, SQLITE, GET, 0.70),
    Floor(ACCOUNT, POSTGRES, GET, 0.35),
    Floor(LOGIN, SQLITE, ARGON2, 0.95),
    Floor(LOGIN, POSTGRES, ARGON2, 0.95),
    Floor(REGISTER, SQLITE, ARGON2, 0.95, LOGIN),
    Floor(REGISTER, POSTGRES, ARGON2, 0.95, LOGIN),
    Floor(SEND, SQLITE, BY_HAND, 0.40),
    Floor(VERIFY, SQLITE, BY_HAND, 0.40),
)
PEERS = ((ACCOUNT, 20.0), (REFRESH, 10.0), (UNIQUE, 10.0), (LOGIN, 1.0))
MOST_SECONDS, MOST_AT_REST, MOST_AFTERWARDS = 1.0, 80.0, 110.0


def judged(rows: Sequence[Row], servers: Sequence[Server], peers: Sequence[str]) -> list[Target]:
    """Every target that these rows and servers tell of."""
    found = {(row.call, row.name): row for row in rows}
    return [*_floors(found), *_peers(found, peers), *_processes(servers)]


def _floors(found: dict[tuple[str, str], Row]) -> Iterator[Target]:
    for one in FLOORS:
        row, floor = found.get((one.call, one.name)), found.get((one.floor_of or one.call, one.floor))
        if row and floor:
            is_fair = one.floor != BY_HAND  # of a durable write most is waiting, which costs nothing
            yield at_least(
                f"{one.call}, {one.name} : {one.floor}",
                ratio(row, floor),
                one.least,
                cost_ratio(row, floor) if is_fair else None,
            )


def _peers(found: dict[tuple[str, str], Row], peers: Sequence[str]) -> Iterator[Target]:
    for call, least in PEERS:
        for peer in peers:
            for database in (SQLITE, POSTGRES):
                ours, theirs = found.get((call, database)), found.get((call, peer))
                if ours and theirs and database == (POSTGRES if POSTGRES in peer else SQLITE):
                    yield at_least(f"{call}, {database} : {peer}", ratio(ours, theirs), least)


def _processes(servers: Sequence[Server]) -> Iterator[Target]:
    for server in servers:
        if server.name in {SQLITE, POSTGRES}:
            yield at_most(f"{server.name}: seconds from start to first answer", server.start_seconds, MOST_SECONDS)
            yield at_most(f"{server.name}: MiB at rest", server.memory_at_rest, MOST_AT_REST)


def at_least(what: str, found: float, bound: float, cost: float | None = None) -> Target:
    return Target(what, f"≥ {bound:g}", found, found >= bound, cost)


def at_most(what: str, found: float, bound: float) -> Target:
    return Target(what, f"≤ {bound:g}", found, found <= bound)
