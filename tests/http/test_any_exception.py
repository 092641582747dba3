"""Any exception at all ends in a problem with status 500, one log record and one count."""

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.http.conftest import ADA, BOB, URN, AppClient, OpenClient
from tests.support.databases import rows
from tests.support.world import World

from vestibule.adapters.database import SqlDatabase, migrate, url_of_file
from vestibule.adapters.hasher import InsecureHasher
from vestibule.entrypoints.observability.log_format import JsonLines, Lines

METRICS = {"metrics_port": 9100}


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


def own_cause() -> BaseException:
    error = ValueError("a bug")
    error.__cause__ = error
    return error


def cycle() -> BaseException:
    first, second = ValueError("a bug"), TypeError("a bug")
    first.__cause__, second.__context__ = second, first
    return first


def long_chain() -> BaseException:
    error: BaseException = ValueError("a bug")
    for _ in range(3000):
        error, cause = TypeError("a bug"), error
        error.__cause__ = cause
    return error


def group() -> BaseException:
    return BaseExceptionGroup("a bug", [KeyboardInterrupt("a bug"), cycle()])


def recurse() -> BaseException:
    return recurse()


EVERYWHERE: list[Callable[[], BaseException]] = [
    own_cause,
    cycle,
    long_chain,
    group,
    recurse,
    Unspeakable,
    StopIteration,
    StopAsyncIteration,
    MemoryError,
]
IN_THREADS: list[Callable[[], BaseException]] = [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError]


class Faulty(InsecureHasher):
    """A hasher, used in a thread, and a rate limiter, used in the event loop, that raise."""

    may_block = False

    def __init__(self, make: Callable[[], BaseException]) -> None:
        super().__init__()
        self._make = make

    def verify(self, password_hash: str | None, password: str) -> bool:
        raise self._make()

    def hit(self, key: str, limits: object, now: float) -> int:
        raise self._make()


@pytest.fixture(params=[Lines, JsonLines], ids=["text", "json"])
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """The log, as the service writes it."""
    log, text = logging.getLogger("vestibule.http"), io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(request.param())
    log.addHandler(handler)
    yield text
    log.removeHandler(handler)


def count(status: int) -> float:
    samples = (sample for metric in REGISTRY.collect() for sample in metric.samples)
    return sum(
        one.value for one in samples if one.name == "vestibule_http_requests_total" and one.labels["status"] == str(status)
    )


def assert_one_problem(client: AppClient, written: io.StringIO, path: str, body: dict[str, Any]) -> None:
    before = [count(status) for status in (0, 500)]
    answer = client.post(path, body)
    request_id = answer.headers["x-request-id"]
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.json()["type"] == f"{URN}internal"
    assert request_id in answer.json()["detail"]
    assert written.getvalue().count("unhandled exception in request") == written.getvalue().count(request_id) == 1
    assert [count(status) for status in (0, 500)] == [before[0], before[1] + 1]
    assert client.call("GET", "/healthz").status_code == 200


@pytest.mark.parametrize("make", EVERYWHERE + IN_THREADS)
def test_exception_of_a_thread(make: Callable[[], BaseException], written: io.StringIO, open_client: OpenClient) -> None:
    client = open_client(hasher=Faulty(make), **METRICS)
    assert_one_problem(client, written, "/login/", {"username": "ada", "password": "a secret of hers"})


@pytest.mark.parametrize("make", EVERYWHERE)
def test_exception_in_the_event_loop(make: Callable[[], BaseException], written: io.StringIO, open_client: OpenClient) -> None:
    client = open_client(rate_limiter=Faulty(make), **METRICS)
    assert_one_problem(client, written, "/login/", {"username": "ada", "password": "a secret of hers"})


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_violated_constraint(kind: str, written: io.StringIO, open_client: OpenClient, request: Any, tmp_path: Path) -> None:
    url = request.getfixturevalue("new_postgres") if kind == "postgres" else url_of_file(tmp_path / "vestibule.db")
    migrate(url)
    rows(
        url,
        "ALTER TABLE accounts ADD CONSTRAINT c CHECK (name <> 'Bob')"
        if kind == "postgres"
        else "CREATE TRIGGER c BEFORE INSERT ON accounts WHEN new.name = 'Bob' BEGIN SELECT RAISE(ABORT, 'c'); END",
    )
    with SqlDatabase(url) as database:
        client = open_client(World(database=database, **METRICS), **METRICS)
        assert_one_problem(client, written, "/register/", BOB)
        assert client.post("/register/", ADA).status_code == 201


class BrokenHandler(logging.Handler):
    """A handler of the host's that raises for records with an exception."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            raise RecursionError


def test_broken_handler_of_logs(open_client: OpenClient) -> None:
    log, handler, text = logging.getLogger("vestibule.http"), BrokenHandler(), io.StringIO()
    plain = logging.StreamHandler(text)
    plain.setFormatter(JsonLines())
    log.addHandler(handler)
    log.addHandler(plain)
    try:
        client = open_client(hasher=Faulty(cycle), **METRICS)
        answer = client.post("/login/", {"username": "ada", "password": "a secret of hers"})
    finally:
        log.removeHandler(handler)
        log.removeHandler(plain)
    assert answer.json()["type"] == f"{URN}internal"
    (line,) = text.getvalue().splitlines()
    assert json.loads(line)["exception"] == "ValueError"
