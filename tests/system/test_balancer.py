"""The shipped HAProxy configuration in front of two real nodes. Requires `haproxy` on the path."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from threading import Event, Thread

import pytest
from tests.support.http_client import CONNECTION_ERRORS, Client, Response, random_png
from tests.support.nodes import Nodes, nodes
from tests.support.postgres_server import PostgresServer
from tests.support.processes import eventually
from tests.support.reverse_proxies import reverse_proxy, status
from tests.support.server import Server

from vestibule.adapters.database import migrate

_callers = count(1)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        migrate(server.url)
        yield server


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Nodes]:
    with nodes(tmp_path_factory.mktemp("nodes"), postgres.url) as two:
        yield two


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, two: Nodes) -> Iterator[int]:
    with reverse_proxy("haproxy", tmp_path_factory.mktemp("haproxy"), two.ports) as port:
        yield port


@contextmanager
def calling(port: int, call: Callable[[Client], Response]) -> Iterator[list[int]]:
    """Twenty clients repeat the call while the block runs; yields the list of statuses, 0 for a lost connection."""
    statuses: list[int] = []
    stopping = Event()

    def repeat(source: str) -> None:
        with Client(port, source=source) as client:
            while not stopping.wait(0.25):
                try:
                    statuses.append(call(client).status)
                except CONNECTION_ERRORS:
                    statuses.append(0)

    threads = [Thread(target=repeat, args=[f"127.0.3.{next(_callers)}"]) for _ in range(20)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        stopping.set()
        for thread in threads:
            thread.join(30)


def serves(server: Server) -> bool:
    return status(server.port, "/readyz") == 200


def test_balancer_forwards_every_call_to_either_node(port: int) -> None:
    with Client(port, caller="192.0.2.1") as client:
        tokens = client.tokens("ada1")
        response = client.upload(tokens["token"], random_png(400))
        assert response.status == 201
        assert response.headers["strict-transport-security"] == "max-age=63072000"
        assert client.call("GET", response.json["profile_image"].removeprefix("http://accounts.example.com")).status == 200


def test_client_cannot_forge_its_address_for_rate_limits(port: int) -> None:
    check = {"prop": "username", "value": "unknown"}
    responses = []
    for number in range(32):
        with Client(port, caller=f"192.0.2.{number}", source="127.0.4.3") as client:
            responses.append(client.call("POST", "/isunique/", check).status)
    assert responses == [200] * 30 + [429] * 2


def test_network_has_a_hundred_connections(tmp_path: Path, two: Nodes) -> None:
    with reverse_proxy("haproxy", tmp_path, two.ports) as port:  # of its own, without connections of other tests
        with ExitStack() as stack:
            for _ in range(100):  # each is known to be counted before the next: the balancer's threads accept in any order
                client = stack.enter_context(Client(port, source="127.0.4.4"))
                assert client.call("GET", "/healthz").status == 200
            assert not is_accepted(port, "127.0.4.4")
            assert status(port, "/healthz") == 200
        assert eventually(lambda: is_accepted(port, "127.0.4.4"))


def is_accepted(port: int, source: str) -> bool:
    try:
        with Client(port, source=source) as client:
            return client.call("GET", "/healthz").status == 200
    except CONNECTION_ERRORS:
        return False


@pytest.mark.parametrize("end", [Server.stop, Server.kill])
def test_reads_do_not_fail_while_one_node_stops_and_returns(port: int, two: Nodes, end: Callable[[Server], object]) -> None:
    with Client(two.ports[0], caller="192.0.2.3") as client:
        token = client.tokens("bob1")["token"]
    with calling(port, lambda client: client.account(token)) as statuses:
        time.sleep(0.5)
        end(two.servers[1])
        time.sleep(3)
        two.servers[1].start()
        two.servers[1].wait()
        time.sleep(3)
    assert len(statuses) > 100
    assert set(statuses) == {200}


def test_nodes_answer_503_while_the_database_is_down(port: int, postgres: PostgresServer) -> None:
    postgres.stop()
    try:
        assert eventually(lambda: status(port, "/readyz") == 503)
        time.sleep(6)  # until the health checks of the balancer have failed
        with Client(port, source="127.0.4.1") as client:
            response = client.call("POST", "/otp/", {"destination": "dora@example.com"})
        assert (response.status, response.problem) == (503, "unavailable")
        assert int(response.headers["retry-after"]) >= 1
        assert "x-request-id" in response.headers, "the response comes from a node"
    finally:
        postgres.start()
    assert eventually(lambda: status(port, "/readyz") == 200)


def test_balancer_answers_503_with_retry_after_without_nodes(port: int, two: Nodes) -> None:
    for server in two.servers:
        server.stop()
    try:
        with Client(port, source="127.0.4.2") as client:
            assert eventually(lambda: status(port, "/healthz") == 503)
            response = client.call("GET", "/account/")
        assert (response.status, response.problem, response.headers["retry-after"]) == (503, "unavailable", "2")
    finally:
        for server in two.servers:
            server.start()
            server.wait()
