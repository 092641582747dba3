"""Fills a database with accounts, a million in well under a minute: `python -m benchmarks.seed URL ACCOUNTS`.

Number n is `testuser<n>`, has an email, a mobile, a session and its entry in the audit log, and the common password.
"""

import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
from argon2 import PasswordHasher
from sqlalchemy import Table

from vestibule.adapters.database import migrate
from vestibule.adapters.database.schema import account_words, accounts, audit_log, sessions
from vestibule.application.tokens import UNKNOWN_DEVICE
from vestibule.domain.session import DEFAULT_LIFETIME
from vestibule.domain.texts import search_words

from .servers import COST, PASSWORD

_TABLES = (accounts, account_words, sessions, audit_log)


def username(number: int) -> str:
    return f"testuser{number}"


def name(number: int) -> str:
    return f"Testuser {number}"


def email(number: int) -> str:
    return f"testuser{number}@example.com"


def mobile(number: int) -> str:
    return f"+4915{number:09}"


def session_id(number: int) -> str:
    return f"{number:026}"


def seed(url: str, count: int) -> None:
    """Migrates the empty database and fills it."""
    migrate(url)
    if url.startswith("sqlite:"):
        _fill_sqlite(url.removeprefix("sqlite:///"), count)
    else:
        _fill_postgres(url, count)


def _fill_sqlite(path: str, count: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN IMMEDIATE")
        for table, rows in zip(_TABLES, _rows(count), strict=True):
            marks = ", ".join(f":{column.name}" for column in table.columns)
            connection.executemany(f"INSERT INTO {table.name} ({_names(table)}) VALUES ({marks})", rows)  # noqa: S608 — our names
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.execute("ANALYZE")


def _fill_postgres(url: str, count: int) -> None:
    with psycopg.connect(url) as connection:
        for table, rows in zip(_TABLES, _rows(count), strict=True):
            names = [column.name for column in table.columns]
            with connection.cursor().copy(f"COPY {table.name} ({_names(table)}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row([row[name] for name in names])
        for numbered in (("accounts", "id"), ("audit_log", "position")):
            connection.execute("SELECT setval(pg_get_serial_sequence(%s, %s), %s)", (*numbered, max(count, 1)))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _rows(count: int) -> tuple[Iterator[dict[str, Any]], ...]:
    now = time.time()
    secret = PasswordHasher(*COST).hash(PASSWORD)
    return (
        (_account(number, now, secret) for number in range(1, count + 1)),
        (word for number in range(1, count + 1) for word in _words(number)),
        (_session(number, now) for number in range(1, count + 1)),
        (_event(number, now) for number in range(1, count + 1)),
    )


def _account(number: int, now: float, secret: str) -> dict[str, Any]:
    return {
        "id": number,
        "username": username(number),
        "canonical_username": username(number),
        "name": name(number),
        "email": email(number),
        "canonical_email": email(number),
        "mobile": mobile(number),
        "canonical_mobile": mobile(number),
        "email_verified": True,
        "mobile_verified": False,
        "ever_verified": True,
        "recovery_email": None,
        "recovery_mobile": None,
        "recovery": None,
        "password_hash": secret,
        "is_active": True,
        "is_staff": False,
        "is_superuser": False,
        "roles": None,
        "suspended_at": None,
        "suspended_until": None,
        "suspension_reason": None,
        "image": None,
        "created_at": now - 1_000_000 + number,  # one a second
        "deletion_due_at": None,
    }


def _words(number: int) -> list[dict[str, Any]]:
    return [{"word": word, "account_id": number} for word in search_words(name(number))]


def _session(number: int, now: float) -> dict[str, Any]:
    return {
        "id": session_id(number),
        "account_id": number,
        "created_at": now,
        "refreshed_at": now,
        "expires_at": now + DEFAULT_LIFETIME.idle,
        "generation": 0,
        "previous_generation": -1,
        "revoked_at": None,
        "ip_address": "127.0.0.1",
        "user_agent": None,
        "device": UNKNOWN_DEVICE,  # that of the load generator: a login on a new device also stores a notice
        "network": "127.0.0.1",
    }


def _event(number: int, now: float) -> dict[str, Any]:
    return {
        "position": number,
        "occurred_at": now,
        "type": "registered",
        "account_id": number,
        "session_id": None,
        "caller_ip_address": "127.0.0.1",
        "caller_user_agent": None,
        "request_id": f"{number:032x}",
        "detail": "",
        "actor": None,
        "reason": None,
    }


def _names(table: Table) -> str:
    return ", ".join(column.name for column in table.columns)


if __name__ == "__main__":
    begun = time.monotonic()
    seed(sys.argv[1], int(sys.argv[2]))
    print(f"{int(sys.argv[2]):,} accounts in {time.monotonic() - begun:.1f} s")
