"""Databases that last: how tests look into them past the adapter, and programs of their own that use them."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import ClauseElement
from tests.support.postgres_server import run

from vestibule.adapters.database import (
    SqlDatabase,
    accounts,
    codes,
    cursors,
    journal,
    keys,
    migration,
    outbox,
    proofs,
    rate_limits,
    retention,
    sessions,
)
from vestibule.domain.account import Account, Username

NOW = 1_750_000_000.25

_PROGRAM = """
import sys
from vestibule.adapters.database import SqlDatabase, migrate
from vestibule.domain.account import Account, Username
def stored(database, name):
    with database.begin() as tx:
        return tx.accounts.add(Account(username=Username(name, name), name=name, email=None, created_at=1.0))
url = sys.argv[1]
"""


def program(url: str, does: str) -> "subprocess.Popen[str]":
    arguments = [sys.executable, "-c", _PROGRAM + does, url]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def rows(url: str, command: str) -> list[tuple[Any, ...]]:
    """What the database itself answers; a change is made at once."""
    if not url.startswith("sqlite:"):
        return run(url, command)
    path = Path(url.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as plain:
        return plain.execute(command).fetchall()


def named(name: str) -> Account:
    return Account(username=Username(name, name), name=name, email=None, created_at=NOW)


def stored(database: SqlDatabase, name: str) -> Account:
    with database.begin() as tx:
        return tx.accounts.add(named(name))


def _of_accounts(module: object) -> Iterator[tuple[str, object]]:
    """Those that are not constants of their module, but belong to one table of accounts."""
    if module is accounts:
        yield from ((name.upper(), value) for name, value in vars(accounts.ACCOUNTS).items() if name != "id")


def _statements() -> dict[str, ClauseElement]:
    found: dict[str, ClauseElement] = {}
    for module in (accounts, codes, cursors, journal, keys, migration, outbox, proofs, rate_limits, retention, sessions):
        for name, value in [*vars(module).items(), *_of_accounts(module)]:
            parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else [value]
            flat = [part[1] if isinstance(part, tuple) and len(part) == 2 else part for part in parts]
            found |= {
                f"{module.__name__.rpartition('.')[2]}.{name}{number}": part
                for number, part in enumerate(flat)
                if isinstance(part, ClauseElement) and name.isupper()
            }
    return found


STATEMENTS = _statements()
"""Every statement that the adapter keeps ready, by where it stands."""
