"""Facts about a database for its operator. Reading them changes nothing, and works on a database of any schema."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from ...domain.errors import Unavailable
from ..database_urls import is_postgres, path_of, require_driver
from .migration import HEAD, VERSION
from .sqlite_connection import connect

_SCHEMA = str(VERSION.compile())
_LATEST = "SELECT max(occurred_at) FROM audit_log"
_REGION = """
SELECT region FROM mobile_region WHERE EXISTS (SELECT 1 FROM accounts WHERE canonical_mobile >= '')
    OR EXISTS (SELECT 1 FROM accounts WHERE recovery_mobile >= '')
"""
_SETTINGS = ("synchronous_commit", "fsync", "full_page_writes", "max_connections", "server_encoding")
_POSTGRES = """
SELECT current_setting('server_version'), current_setting('server_version_num')::int,
    extract(epoch FROM clock_timestamp())::float8, pg_is_in_recovery(),
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
    coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),
    array(SELECT current_setting(name) FROM unnest(%s::text[]) WITH ORDINALITY AS wanted (name, number) ORDER BY number)
"""
_COLLATION = "SELECT datcollversion IS DISTINCT FROM pg_database_collation_actual_version(oid) FROM pg_database "
_COLLATION += "WHERE datname = current_database()"
_HAS_COLLATION_VERSION = 150_000
_STEPS = 10_000
_OPTIONS = ("THREADSAFE", "SECURE_DELETE", "DEFAULT_SYNCHRONOUS", "OMIT_LOOKASIDE", "OMIT_WAL", "TEMP_STORE=0")


@dataclass(frozen=True, kw_only=True)
class DatabaseFacts:
    """`schema` is the latest migration of the database, None without one; `needed` that of this program.

    `latest_event` is the time of the newest entry in the audit log, None without one. `mobile_region` is the region that the
    stored mobiles were read with, "" for none; None without mobiles.
    """

    version: str
    schema: str | None
    latest_event: float | None
    mobile_region: str | None
    needed: str = HEAD


@dataclass(frozen=True, kw_only=True)
class SqliteFacts(DatabaseFacts):
    """An SQLite file. `build` are the compile options that change what the database does, such as THREADSAFE=1.

    `damage` is the first fault that SQLite's quick check found, empty if none, None if the check took too long.
    """

    has_wal: bool
    build: tuple[str, ...]
    damage: str | None


@dataclass(frozen=True, kw_only=True)
class PostgresFacts(DatabaseFacts):
    """`settings` by name. `connections` are those that the server grants to users who are no superuser."""

    number: int
    time: float
    is_standby: bool
    is_encrypted: bool
    connections: int
    has_other_collation: bool
    settings: Mapping[str, str] = field(default_factory=dict)


def inspect(url: str, *, seconds: float) -> DatabaseFacts | None:
    """Returns the facts; None for an SQLite file that does not exist. SQLite's quick check ends after `seconds`.

    Raises `Unavailable`, from its cause, `ValueError` for a bad URL, and `ModuleNotFoundError` without a driver.
    """
    if is_postgres(url):
        require_driver()
        return _inspect_postgres(url)
    return _inspect_sqlite(path_of(url), seconds) if path_of(url).exists() else None


def _inspect_sqlite(path: Path, seconds: float) -> SqliteFacts:
    try:
        with closing(connect(path, ("PRAGMA query_only = ON",))) as connection:
            return SqliteFacts(
                version=sqlite3.sqlite_version,
                has_wal=connection.execute("PRAGMA journal_mode").fetchone() == ("wal",),
                schema=_first(connection, _SCHEMA),
                latest_event=_first(connection, _LATEST),
                mobile_region=_first(connection, _REGION),
                build=tuple(name for (name,) in connection.execute("PRAGMA compile_options") if name.startswith(_OPTIONS)),
                damage=_damage(connection, seconds),
            )
    except sqlite3.Error as error:
        raise Unavailable from error


def _first(connection: sqlite3.Connection, query: str) -> Any:
    """The first value; None without a row, and without the table."""
    with suppress(sqlite3.OperationalError):
        row = connection.execute(query).fetchone()
        return None if row is None else row[0]
    return None


def _damage(connection: sqlite3.Connection, seconds: float) -> str | None:
    ends_at = monotonic() + seconds
    connection.set_progress_handler(lambda: monotonic() > ends_at, _STEPS)
    try:
        answer = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return None
        raise
    return "" if answer == "ok" else answer.partition("\n")[0]


def _inspect_postgres(url: str) -> PostgresFacts:
    import psycopg  # noqa: PLC0415 — its driver is an extra

    from .postgres_connection import connect_to_inspect  # noqa: PLC0415

    try:
        with closing(connect_to_inspect(url)) as connection:
            execute = connection.execute
            version, number, time, is_standby, connections, is_encrypted, settings = execute(
                _POSTGRES, [list(_SETTINGS)]
            ).fetchall()[0]
            facts = {}
            for name, query in {"schema": _SCHEMA, "latest_event": _LATEST, "mobile_region": _REGION}.items():
                with suppress(psycopg.errors.UndefinedTable):
                    facts[name] = (execute(query).fetchone() or (None,))[0]
            has_collation_version = number >= _HAS_COLLATION_VERSION
            return PostgresFacts(
                version=version,
                number=number,
                time=time,
                is_standby=is_standby,
                is_encrypted=is_encrypted,
                connections=connections,
                settings=dict(zip(_SETTINGS, settings, strict=True)),
                has_other_collation=has_collation_version and bool(execute(_COLLATION).fetchall()[0][0]),
                schema=facts.get("schema"),
                latest_event=facts.get("latest_event"),
                mobile_region=facts.get("mobile_region"),
            )
    except psycopg.Error as error:
        raise Unavailable from error
