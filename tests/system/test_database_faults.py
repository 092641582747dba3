"""A database that is locked, missing or corrupt while the server runs."""

import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.support.http_client import Client, Response, concurrently
from tests.support.processes import eventually
from tests.support.server import VESTIBULE, Server

pytestmark = pytest.mark.faults

GARBAGE = b"This is no database. " * 5000
MAX_SECONDS = 4.0
"""The promise is three seconds; the machine of the tests may be busy."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("database") / "data", rate_limits="off") as server:
        yield server
        assert "Traceback" not in server.output
        assert "worker-" not in server.output, "no worker died"


@pytest.fixture(scope="module")
def tokens(server: Server) -> dict[str, str]:
    with Client(server.port) as client:
        return client.tokens("user1x")


@pytest.fixture
def database(server: Server) -> Path:
    return server.data_dir / "vestibule.db"


def refused(response: Response, seconds: float = 0.0) -> None:
    assert response.status == 503, response.content
    assert response.problem in {"unavailable", "overloaded"}
    assert 1 <= int(response.headers["retry-after"]) <= 5
    assert seconds < MAX_SECONDS


def timed(call: Callable[[Client], Response]) -> Callable[[Client], tuple[Response, float]]:
    def call_timed(client: Client) -> tuple[Response, float]:
        begun = time.monotonic()
        return call(client), time.monotonic() - begun

    return call_timed


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another program holds the write lock of the database."""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_locked_database_refuses_changes_in_time_and_serves_reads(
    server: Server, database: Path, tokens: dict[str, str]
) -> None:
    writes: list[Callable[[Client], Response]] = [
        lambda client: client.refresh(tokens["refresh_token"]),
        lambda client: client.send_code("unknown1@example.com"),
        lambda client: client.verify("unknown1@example.com", "123456"),
        lambda client: client.register("user2x"),
        lambda client: client.log_in("user1x"),
        lambda client: client.call("PATCH", "/account/", {"name": "Another"}, tokens["token"]),
    ]
    reads: list[Callable[[Client], Response]] = [
        lambda client: client.account(tokens["token"]),
        lambda client: client.call("POST", "/isunique/", {"prop": "username", "value": "user2x"}),
        lambda client: client.call("GET", "/readyz"),
    ]
    with locked(database):
        responses = concurrently(server.port, [*map(timed, writes * 10), *map(timed, reads * 3)])
    for response, seconds in responses[: len(writes) * 10]:
        refused(response, seconds)
    for response, seconds in responses[len(writes) * 10 :]:
        assert (response.status, seconds < 2) == (200, True)
    with Client(server.port) as client:
        assert client.refresh(tokens["refresh_token"]).status == 200
        assert client.register("user2x").status == 201


def missing(database: Path) -> None:
    database.rename(database.with_suffix(".away"))


def another_file(database: Path) -> None:
    missing(database)
    database.write_bytes(GARBAGE)


def a_directory(database: Path) -> None:
    missing(database)
    database.mkdir()


def restore(database: Path) -> None:
    if database.is_dir():
        database.rmdir()
    database.with_suffix(".away").replace(database)


@pytest.mark.parametrize("break_file", [missing, another_file, a_directory])
def test_missing_database_file_acknowledges_nothing(
    server: Server, database: Path, tokens: dict[str, str], break_file: Callable[[Path], None]
) -> None:
    name = f"user3{break_file.__name__.replace('_', '')}"
    break_file(database)
    try:
        with Client(server.port) as client:
            for _ in range(3):
                refused(client.call("GET", "/readyz"))
                refused(client.register(name))
                refused(client.send_code("unknown2@example.com"))
                refused(client.log_in("user1x"))
                refused(client.refresh(tokens["refresh_token"]))
                refused(client.account(tokens["token"]))
                assert client.call("GET", "/healthz").status == 200
    finally:
        restore(database)
    with Client(server.port) as client:
        assert client.call("GET", "/readyz").status == 200
        assert client.account(tokens["token"]).status == 200
        assert client.register(name).status == 201


def test_overwritten_database_reveals_nothing_about_accounts(server: Server, database: Path, tokens: dict[str, str]) -> None:
    content = database.read_bytes()
    with database.open("r+b") as file:
        file.write(GARBAGE[: len(content)])
    try:
        with Client(server.port) as client:
            for _ in range(5):
                for response in (
                    client.account(tokens["token"]),
                    client.log_in("user1x"),
                    client.refresh(tokens["refresh_token"]),
                    client.register("user4x"),
                    client.call("GET", "/readyz"),
                ):
                    assert response.status in {200, 201, 400, 503}
    finally:
        with database.open("r+b") as file:
            file.write(content)
    with Client(server.port) as client:
        assert eventually(lambda: client.call("GET", "/readyz").status == 200, 3)
        assert client.account(tokens["token"]).status == 200


def test_start_on_a_corrupt_database_fails_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "vestibule.db").write_bytes(GARBAGE)
    (tmp_path / "vestibule.db").chmod(0o600)
    environment = {**os.environ, "VESTIBULE_DATA_DIR": str(tmp_path)}
    command = [VESTIBULE, "serve", "--port", "1"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("vestibule: VESTIBULE_DATABASE_URL: ")
    assert ended.stderr.count("\n") == 1
