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

LONGEST = 4.0
"""Seconds: three are promised, and this machine may be busy."""

Call = Callable[[Line], Answer]


@pytest.fixture(scope="module")
def postgres_of_our_own() -> Iterator[PostgresServer]:
    with PostgresServer() as postgres:
        migrate(postgres.url)
        yield postgres


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, postgres_of_our_own: PostgresServer) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("postgres") / "data"
    with Server(data, rate_limits="off", database_url=postgres_of_our_own.url, secret=token_urlsafe(32)) as server:
        yield server
        assert "Traceback" not in server.output
        assert "worker" not in server.output, "none died"


@pytest.fixture(scope="module")
def tokens(server: Server) -> dict[str, str]:
    with Line(server.port) as line:
        return line.tokens("somebody1")


def timed(call: Call) -> Callable[[Line], tuple[Answer, float]]:
    def ask(line: Line) -> tuple[Answer, float]:
        begun = time.monotonic()
        return call(line), time.monotonic() - begun

    return ask


def everything(tokens: dict[str, str], name: str) -> list[Call]:
    return [
        lambda line: line.account(tokens["token"]),
        lambda line: line.ask("GET", "/readyz"),
        lambda line: line.ask("POST", "/isunique/", {"prop": "username", "value": name}),
        lambda line: line.ask("GET", "/sessions/", token=tokens["token"]),
        lambda line: line.register(name),
        lambda line: line.log_in("somebody1"),
        lambda line: line.refresh(tokens["refresh_token"]),
        lambda line: line.send_code(f"{name}@example.com"),
        lambda line: line.ask("PATCH", "/account/", {"name": "Another"}, tokens["token"]),
    ]


def refused(answer: Answer, seconds: float) -> None:
    assert answer.status == 503, answer.content
    assert answer.problem in {"unavailable", "overloaded"}
    assert int(answer.headers["retry-after"]) <= 5
    assert seconds < LONGEST


def test_stopped_postgres_refuses_in_time_and_revokes_no_session(
    server: Server, postgres_of_our_own: PostgresServer, tokens: dict[str, str]
) -> None:
    postgres_of_our_own.stop()
    try:
        for answer, seconds in at_once(server.port, [timed(call) for call in everything(tokens, "somebody2") * 5]):
            refused(answer, seconds)
        with Line(server.port) as line:
            assert line.ask("GET", "/healthz").status == 200
    finally:
        postgres_of_our_own.start()
    with Line(server.port) as line:
        assert line.ask("GET", "/readyz").status == 200
        assert line.account(tokens["token"]).status == 200
        assert line.register("somebody2").status == 201


def test_postgres_restart_between_two_calls_is_invisible(
    server: Server, postgres_of_our_own: PostgresServer, tokens: dict[str, str]
) -> None:
    at_once(server.port, [partial(Line.account, token=tokens["token"]) for _ in range(20)])
    postgres_of_our_own.stop()
    postgres_of_our_own.start()
    calls: list[Call] = [
        partial(Line.account, token=tokens["token"]),
        lambda line: line.ask("PATCH", "/account/", {"name": "Another"}, tokens["token"]),
    ]
    assert {answer.status for answer in at_once(server.port, calls * 10)} == {200}


def test_hanging_postgres_refuses_in_time(server: Server, postgres_of_our_own: PostgresServer, tokens: dict[str, str]) -> None:
    backends = "SELECT pid FROM pg_stat_activity WHERE application_name = 'vestibule'"
    frozen = [backend for (backend,) in run(postgres_of_our_own.url, backends)]
    assert frozen
    postgres_of_our_own.signal(postgres_of_our_own.process.pid, signal.SIGSTOP)  # so that it takes no new connection either
    for backend in frozen:
        postgres_of_our_own.signal(backend, signal.SIGSTOP)
    try:
        for answer, seconds in at_once(server.port, [timed(call) for call in everything(tokens, "somebody3")]):
            refused(answer, seconds)
        with Line(server.port) as line:
            time.sleep(2.1)  # until the keys, which are in the database, are looked for again
            (answer, waited), (alive, held_up) = at_once(
                server.port,
                [timed(partial(Line.ask, method="GET", path=path)) for path in ("/.well-known/jwks.json", "/healthz")],
            )
            assert (answer.status, len(answer.json["keys"]), waited < 1) == (200, 1, True)
            assert (alive.status, held_up < 1) == (200, True)
    finally:
        for process in (postgres_of_our_own.process.pid, *frozen):
            postgres_of_our_own.signal(process, signal.SIGCONT)
    with Line(server.port) as line:
        assert line.ask("GET", "/readyz").status == 200
        assert line.account(tokens["token"]).status == 200


def test_lock_on_one_account_delays_no_other(
    server: Server, postgres_of_our_own: PostgresServer, tokens: dict[str, str]
) -> None:
    with Line(server.port) as line:
        other = line.tokens("somebody4")["token"]
        rename = partial(Line.ask, method="PATCH", path="/account/", body={"name": "Another Name"})
        with psycopg.connect(postgres_of_our_own.url) as holder:
            holder.execute("SELECT * FROM accounts WHERE canonical_username = 'somebody1' FOR UPDATE")
            held, free = at_once(
                server.port, [timed(partial(rename, token=tokens["token"])), timed(partial(rename, token=other))]
            )
            assert line.account(tokens["token"]).status == 200
        refused(*held)
        assert (free[0].status, free[1] < 1) == (200, True)
        assert rename(line, token=tokens["token"]).status == 200
