"""Pages of the search for accounts, in milliseconds: by each query and filter, the first page and a later one."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from statistics import median
from typing import Any

from vestibule import Settings, build
from vestibule.application import PROGRAM
from vestibule.entrypoints.facade import Vestibule

from .machine import cores
from .measure import Run
from .places import Places
from .targets import Target, at_most

MAX_MILLISECONDS = 20.0
_NOW = time.time()

SEARCHES: Mapping[str, Mapping[str, Any]] = {
    "no query": {},
    "username, few": {"query": "testuser1234"},
    "username, all": {"query": "testuser"},
    "email": {"query": "testuser1234@ex"},
    "mobile": {"query": "+49150001"},
    "a word of the name": {"query": "1234"},
    "two words of the name": {"query": "Testuser 99"},
    "no account": {"query": "zoe"},
    "staff": {"staff": True},
    "suspended": {"state": "suspended"},
    "deactivated": {"state": "deactivated"},
    "deletion scheduled": {"state": "deletion_scheduled"},
    "active": {"state": "active"},
    "unverified": {"verified": False},
    "created in a range": {"created_from": _NOW - 500_000, "created_until": _NOW - 400_000},
    "logged in lately": {"logged_in_from": _NOW - 3600},
    "not logged in lately": {"logged_in_until": _NOW - 3600},
    "username and staff": {"query": "testuser", "staff": True},
    "every filter": {
        "query": "test",
        "state": "active",
        "staff": False,
        "verified": False,
        "created_from": 1.0,
        "logged_in_from": 1.0,
    },
}


def search(stack: ExitStack, run: Run, database: str, accounts: int) -> tuple[list[dict[str, Any]], list[Target]]:
    """Measures each search `run.rounds` times, by import, in this process."""
    places = Places(stack, cores()[0], run.progress)
    if not places.is_available(database):
        return [], []
    directory, url = places.filled(database, accounts)
    found: list[dict[str, Any]] = []
    with build(Settings(data_dir=directory, database_url=url), run_workers=False) as vestibule:
        for name, arguments in SEARCHES.items():
            run.progress(f"{database}: {name}")
            found.append({"search": name, "accounts": accounts, **_milliseconds(vestibule, arguments, run.rounds)})
    slowest = max(max(one["first_page_ms"], one["second_page_ms"]) for one in found)
    return found, [at_most(f"a page of the search, {database}, {accounts:,}, ms", slowest, MAX_MILLISECONDS)]


def _milliseconds(vestibule: Vestibule, arguments: Mapping[str, Any], rounds: int) -> dict[str, float]:
    pages: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        cursor = None
        for times in pages:
            begun = time.perf_counter()
            cursor = vestibule.find_accounts(operator=PROGRAM, cursor=cursor, **arguments).cursor
            times.append(1000 * (time.perf_counter() - begun))
    return {"first_page_ms": _rounded(pages[0]), "second_page_ms": _rounded(pages[1])}


def _rounded(times: Sequence[float]) -> float:
    return round(median(times), 2)
