"""PostgreSQL that is stopped, restarted, hanging or busy while the server runs."""

import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from secrets import token_urlsafe

import psycopg
import pytest
from tests.support.postgres_server import PostgresServer, run
from tests.support.proxy import Answer, Line, at_once
from tests.support.server import Server

from vestibule.adapters.database import migrate

pytestmark = pytest.mark.faults

MAX_SECONDS = 4.0
"""The promise is three seconds; the machine of the tests may be busy."""

Call = Callable[[Line], Answer]


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as postgres:
        migrate(postgres.url)
        yield postgres


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, own_postgres: PostgresServer) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("postgres") / "data"
    with Server(data, rate_limits="off", database_url=own_postgres.url, secret=token_urlsafe(32)) as server:
        yield server
        assert "Traceback" not in server.output
        assert "worker" not in server.output, "no worker died"


@pytest.fixture(scope="module")
def tokens(server: Server) -> dict[str, str]:
    with Line(server.port) as line:
        return line.tokens("user1x")


def timed(call: Call) -> Callable[[Line], tuple[Answer, float]]:
    def call_timed(line: Line) -> tuple[Answer, float]:
        begun = time.monotonic()
        return call(line), time.monotonic() - begun

    return call_timed


def all_calls(tokens: dict[str, str], name: str) -> list[Call]:
    return [
        lambda line: line.account(tokens["token"]),
        lambda line: line.ask("GET", "/readyz"),
        lambda line: line.ask("POST", "/isunique/", {"prop": "username", "value": name}),
        lambda line: line.ask("GET", "/sessions/", token=tokens["token"]),
        lambda line: line.register(name),
        lambda line: line.log_in("user1x"),
        lambda line: line.refresh(tokens["refresh_token"]),
        lambda line: line.send_code(f"{name}@example.com"),
        lambda line: line.ask("PATCH", "/account/", {"name": "Another"}, tokens["token"]),
    ]


def refused(answer: Answer, seconds: float) -> None:
    assert answer.status == 503, answer.content
    assert answer.problem in {"unavailable", "overloaded"}
    assert int(answer.headers["retry-after"]) <= 5
    assert seconds < MAX_SECONDS


def test_stopped_postgres_refuses_in_time_and_revokes_no_session(
    server: Server, own_postgres: PostgresServer, tokens: dict[str, str]
) -> None:
    own_postgres.stop()
    try:
        for answer, seconds in at_once(server.port, [timed(call) for call in all_calls(tokens, "user2x") * 5]):
            refused(answer, seconds)
        with Line(server.port) as line:
            assert line.ask("GET", "/healthz").status == 200
    finally:
        own_postgres.start()
    with Line(server.port) as line:
        assert line.ask("GET", "/readyz").status == 200
        assert line.account(tokens["token"]).status == 200
        assert line.register("user2x").status == 201


def test_postgres_restart_between_two_calls_is_invisible(
    server: Server, own_postgres: PostgresServer, tokens: dict[str, str]
) -> None:
    at_once(server.port, [partial(Line.account, token=tokens["token"]) for _ in range(20)])
    own_postgres.stop()
    own_postgres.start()
    calls: list[Call] = [
        partial(Line.account, token=tokens["token"]),
        lambda line: line.ask("PATCH", "/account/", {"name": "Another"}, tokens["token"]),
    ]
    assert {answer.status for answer in at_once(server.port, calls * 10)} == {200}


def test_hanging_postgres_refuses_in_time(server: Server, own_postgres: PostgresServer, tokens: dict[str, str]) -> None:
    backends = "SELECT pid FROM pg_stat_activity WHERE application_name = 'vestibule'"
    frozen = [backend for (backend,) in run(own_postgres.url, backends)]
    assert frozen
    own_postgres.signal(own_postgres.process.pid, signal.SIGSTOP)  # so that it accepts no new connection
    for backend in frozen:
        own_postgres.signal(backend, signal.SIGSTOP)
    try:
        for answer, seconds in at_once(server.port, [timed(call) for call in all_calls(tokens, "user3x")]):
            refused(answer, seconds)
        with Line(server.port) as line:
            time.sleep(2.1)  # until the keys are reloaded from the database
            (keys, keys_seconds), (health, health_seconds) = at_once(
                server.port,
                [timed(partial(Line.ask, method="GET", path=path)) for path in ("/.well-known/jwks.json", "/healthz")],
            )
            assert (keys.status, len(keys.json["keys"]), keys_seconds < 1) == (200, 1, True)
            assert (health.status, health_seconds < 1) == (200, True)
    finally:
        for process in (own_postgres.process.pid, *frozen):
            own_postgres.signal(process, signal.SIGCONT)
    with Line(server.port) as line:
        assert line.ask("GET", "/readyz").status == 200
        assert line.account(tokens["token"]).status == 200


def test_lock_on_one_account_delays_no_other(server: Server, own_postgres: PostgresServer, tokens: dict[str, str]) -> None:
    with Line(server.port) as line:
        other = line.tokens("user4x")["token"]
        rename = partial(Line.ask, method="PATCH", path="/account/", body={"name": "Another Name"})
        with psycopg.connect(own_postgres.url) as holder:
            holder.execute("SELECT * FROM accounts WHERE canonical_username = 'user1x' FOR UPDATE")
            held, free = at_once(
                server.port, [timed(partial(rename, token=tokens["token"])), timed(partial(rename, token=other))]
            )
            assert line.account(tokens["token"]).status == 200
        refused(*held)
        assert (free[0].status, free[1] < 1) == (200, True)
        assert rename(line, token=tokens["token"]).status == 200
