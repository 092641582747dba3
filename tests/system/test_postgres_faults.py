"""PostgreSQL that is stopped, restarted, hanging or busy while the server runs."""

import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from secrets import token_urlsafe

import psycopg
import pytest
from tests.support.http_client import Client, Response, concurrently
from tests.support.postgres_server import PostgresServer, run
from tests.support.server import Server

from vestibule.adapters.database import migrate

pytestmark = pytest.mark.faults

MAX_SECONDS = 4.0
"""The promise is three seconds; the machine of the tests may be busy."""

Call = Callable[[Client], Response]


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
        assert "worker-" not in server.output, "no worker died"


@pytest.fixture(scope="module")
def tokens(server: Server) -> dict[str, str]:
    with Client(server.port) as client:
        return client.tokens("user1x")


def timed(call: Call) -> Callable[[Client], tuple[Response, float]]:
    def call_timed(client: Client) -> tuple[Response, float]:
        begun = time.monotonic()
        return call(client), time.monotonic() - begun

    return call_timed


def all_calls(tokens: dict[str, str], name: str) -> list[Call]:
    return [
        lambda client: client.account(tokens["token"]),
        lambda client: client.call("GET", "/readyz"),
        lambda client: client.call("POST", "/isunique/", {"prop": "username", "value": name}),
        lambda client: client.call("GET", "/sessions/", token=tokens["token"]),
        lambda client: client.register(name),
        lambda client: client.log_in("user1x"),
        lambda client: client.refresh(tokens["refresh_token"]),
        lambda client: client.send_code(f"{name}@example.com"),
        lambda client: client.call("PATCH", "/account/", {"name": "Another"}, tokens["token"]),
    ]


def refused(response: Response, seconds: float) -> None:
    assert response.status == 503, response.content
    assert response.problem in {"unavailable", "overloaded"}
    assert int(response.headers["retry-after"]) <= 5
    assert seconds < MAX_SECONDS


def test_stopped_postgres_refuses_in_time_and_revokes_no_session(
    server: Server, own_postgres: PostgresServer, tokens: dict[str, str]
) -> None:
    own_postgres.stop()
    try:
        for response, seconds in concurrently(server.port, [timed(call) for call in all_calls(tokens, "user2x") * 5]):
            refused(response, seconds)
        with Client(server.port) as client:
            assert client.call("GET", "/healthz").status == 200
    finally:
        own_postgres.start()
    with Client(server.port) as client:
        assert client.call("GET", "/readyz").status == 200
        assert client.account(tokens["token"]).status == 200
        assert client.register("user2x").status == 201


def test_postgres_restart_between_two_calls_is_invisible(
    server: Server, own_postgres: PostgresServer, tokens: dict[str, str]
) -> None:
    concurrently(server.port, [partial(Client.account, token=tokens["token"]) for _ in range(20)])
    own_postgres.stop()
    own_postgres.start()
    calls: list[Call] = [
        partial(Client.account, token=tokens["token"]),
        lambda client: client.call("PATCH", "/account/", {"name": "Another"}, tokens["token"]),
    ]
    assert {response.status for response in concurrently(server.port, calls * 10)} == {200}


def test_hanging_postgres_refuses_in_time(server: Server, own_postgres: PostgresServer, tokens: dict[str, str]) -> None:
    backends = "SELECT pid FROM pg_stat_activity WHERE application_name = 'vestibule'"
    frozen = [backend for (backend,) in run(own_postgres.url, backends)]
    assert frozen
    own_postgres.signal(own_postgres.process.pid, signal.SIGSTOP)  # so that it accepts no new connection
    for backend in frozen:
        own_postgres.signal(backend, signal.SIGSTOP)
    try:
        for response, seconds in concurrently(server.port, [timed(call) for call in all_calls(tokens, "user3x")]):
            refused(response, seconds)
        with Client(server.port) as client:
            time.sleep(2.1)  # until the keys are reloaded from the database
            (keys, keys_seconds), (health, health_seconds) = concurrently(
                server.port,
                [timed(partial(Client.call, method="GET", path=path)) for path in ("/.well-known/jwks.json", "/healthz")],
            )
            assert (keys.status, len(keys.json["keys"]), keys_seconds < 1) == (200, 1, True)
            assert (health.status, health_seconds < 1) == (200, True)
    finally:
        for process in (own_postgres.process.pid, *frozen):
            own_postgres.signal(process, signal.SIGCONT)
    with Client(server.port) as client:
        assert client.call("GET", "/readyz").status == 200
        assert client.account(tokens["token"]).status == 200


def test_lock_on_one_account_delays_no_other(server: Server, own_postgres: PostgresServer, tokens: dict[str, str]) -> None:
    with Client(server.port) as client:
        other = client.tokens("user4x")["token"]
        rename = partial(Client.call, method="PATCH", path="/account/", body={"name": "Another Name"})
        with psycopg.connect(own_postgres.url) as holder:
            holder.execute("SELECT * FROM accounts WHERE canonical_username = 'user1x' FOR UPDATE")
            held, free = concurrently(
                server.port, [timed(partial(rename, token=tokens["token"])), timed(partial(rename, token=other))]
            )
            assert client.account(tokens["token"]).status == 200
        refused(*held)
        assert (free[0].status, free[1] < 1) == (200, True)
        assert rename(client, token=tokens["token"]).status == 200
