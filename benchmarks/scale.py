"""The same calls with a thousand accounts and with a million, to find costs that grow."""

from collections.abc import Sequence
from contextlib import ExitStack

from .calls import ACCOUNT, LOGIN, REFRESH, REGISTER, SEND, UNIQUE, VERIFY
from .machine import cores, pin
from .measure import Row, Run, cost_ratio, ratio
from .places import SQLITE, Places
from .targets import Target, at_most

CALLS = (ACCOUNT, REFRESH, UNIQUE, LOGIN, REGISTER, SEND, VERIFY)
MAX_RATIO = 1.3
MAX_RATIOS = {(ACCOUNT, SQLITE): 1.15}


def scale(
    stack: ExitStack, run: Run, calls: Sequence[str], database: str, sizes: Sequence[int]
) -> tuple[list[Row], list[Target]]:
    """Measures a server for each size, in turn."""
    ours, load = cores()
    places = Places(stack, ours, run.progress)
    if not places.is_available(database):
        return [], []
    subjects = [places.subject(name_of(database, size), database, size, delivery="off") for size in sizes]
    pin(load)
    rows = run.calls(calls, subjects)
    by_name = {(row.call, row.name): row for row in rows}
    smallest, largest = name_of(database, sizes[0]), name_of(database, sizes[-1])
    targets = [
        at_most(
            f"{call}, {largest} : {sizes[0]:,}, cost of a call",
            min(
                ratio(by_name[call, smallest], by_name[call, largest]),
                cost_ratio(by_name[call, smallest], by_name[call, largest]),
            ),
            MAX_RATIOS.get((call, database), MAX_RATIO),
        )
        for call in calls
    ]
    return rows, targets


def name_of(database: str, size: int) -> str:
    return f"{database}, {size:,}"
