"""Helpers for database tests: raw SQL, programs in other processes, and all statements of the adapter."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import ClauseElement, Executable
from tests.support.postgres_server import run

from vestibule.adapters.database import (
    SqlDatabase,
    accounts,
    audit_log,
    codes,
    imports,
    invitations,
    keys,
    migration,
    mobile_region,
    outbox,
    rate_limits,
    records,
    rekeying,
    restoration,
    retention,
    sessions,
)
from vestibule.adapters.database.search import candidates
from vestibule.application.ports import SearchOrder
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


def program(url: str, code: str) -> "subprocess.Popen[str]":
    """Starts a Python process that runs `code` after `_PROGRAM`, with the URL of the database."""
    arguments = [sys.executable, "-c", _PROGRAM + code, url]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def rows(url: str, command: str) -> list[tuple[Any, ...]]:
    """Runs raw SQL in autocommit mode and returns the rows."""
    if not url.startswith("sqlite:"):
        return run(url, command)
    path = Path(url.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(command).fetchall()


def named(name: str) -> Account:
    return Account(username=Username(name, name), name=name, email=None, created_at=NOW)


def stored(database: SqlDatabase, name: str) -> Account:
    with database.begin() as tx:
        return tx.accounts.add(named(name))


def _statements() -> dict[str, ClauseElement]:
    found: dict[str, ClauseElement] = {}
    modules = (accounts, audit_log, codes, imports, invitations, keys, migration, mobile_region, outbox, rate_limits)
    for module in (*modules, records, rekeying, restoration, retention, sessions):
        for name, value in vars(module).items():
            parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else [value]
            flat = [part[1] if isinstance(part, tuple) and len(part) == 2 else part for part in parts]
            found |= {
                f"{module.__name__.rpartition('.')[2]}.{name}{number}": part
                for number, part in enumerate(flat)
                if isinstance(part, ClauseElement) and isinstance(part, Executable) and name.isupper()
            }
    return found


STATEMENTS = _statements()
"""Every statement constant of the adapter, by module and name."""

_PATHS = [order for order in SearchOrder if order not in (SearchOrder.CREATED, SearchOrder.LAST_LOGIN)]
SEARCH_INDEXES = {
    "staff": "ix_accounts_staff",
    "suspended": "ix_accounts_suspended",
    "deactivated": "ix_accounts_inactive",
    "deletion_scheduled": "ix_accounts_to_delete",
    "verified": "ix_accounts_ever_verified_created_at_id",
    "unverified": "ix_accounts_ever_verified_created_at_id",
    "active": "ix_accounts_created_at_id",
    "logged_in_until": "ix_accounts_created_at_id",
    "not staff": "ix_accounts_created_at_id",
}
"""The index that each filter of the search takes without a query."""

SEARCHES: dict[str, ClauseElement] = {
    "search by created": candidates(SearchOrder.CREATED, (), ()),
    "search by last_login": candidates(SearchOrder.LAST_LOGIN, ("active", "latest session", "staff"), ()),
    **{f"search by created, {name}": candidates(SearchOrder.CREATED, (name,), ()) for name in SEARCH_INDEXES},
    **{f"search by {order}": candidates(order, (), ()) for order in _PATHS},
    **{
        f"search by {order}, filtered": candidates(
            order,
            ("active", "created_from", "logged_in_from", "logged_in_until", "not staff", "unverified"),
            (SearchOrder.EMAIL,),
        )
        for order in _PATHS
    },
}
"""The statements of the search for accounts, by order and filter."""
