"""Servers of one, two and four workers: the processor time of a response must not depend on their number."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from .calls import ACCOUNT, LOGIN, REFRESH
from .measure import Row, Run, cost_ratio
from .places import Places
from .targets import Target, at_most

CALLS = (ACCOUNT, REFRESH, LOGIN)
WORKERS = (1, 2, 4)
MAX_COST_RATIO = 1.05


def workers(stack: ExitStack, run: Run, calls: Sequence[str], database: str) -> tuple[list[Row], list[Target]]:
    """Measures the servers in turn, on all cores, which they share with the database and the load.

    Two cores cannot show by rates whether four workers scale. Each worker has as many clients.
    """
    places = Places(stack, set(), run.progress)
    if not places.is_available(database):
        return [], []
    subjects = [
        replace(places.subject(name_of(database, number), database, 1_000, workers=str(number), delivery="off"), workers=number)
        for number in WORKERS
    ]
    rows = run.calls(calls, subjects)
    found = {(row.call, row.name): row for row in rows}
    one = name_of(database, 1)
    return rows, [
        at_most(
            f"{call}, {name_of(database, number)} : 1, cost of a response",
            cost_ratio(found[call, one], found[call, name_of(database, number)]),
            MAX_COST_RATIO,
        )
        for call in calls
        for number in WORKERS[1:]
    ]


def name_of(database: str, number: int) -> str:
    return f"{database}, {number} workers" if number > 1 else f"{database}, 1 worker"
