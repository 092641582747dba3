"""Two nodes on one PostgreSQL, Redis and S3, with concurrent calls: each node sees the changes of the other."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain, count, cycle, islice

import pytest
from tests.support.databases import rows
from tests.support.http_client import PASSWORD, Client, Response, concurrently, random_png, wrong
from tests.support.nodes import Nodes, nodes
from tests.support.postgres_server import new_database

from vestibule.adapters.database import migrate

MANY = 12
_callers = count(1)


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[str]:
    with new_database(postgres_server) as url:
        migrate(url)
        yield url


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[Nodes]:
    with nodes(tmp_path_factory.mktemp("nodes"), database) as two:
        yield two
        for server in two.servers:
            assert "Traceback" not in server.output
            assert server.stop() == 0


@pytest.fixture
def caller() -> str:
    """A client address that no other test uses."""
    return f"10.0.0.{next(_callers)}"


@pytest.fixture
def clients(two: Nodes, caller: str) -> Iterator[tuple[Client, Client]]:
    """A connection to each node."""
    one, other = two.ports
    with Client(one, caller=caller) as first, Client(other, caller=caller) as second:
        yield first, second


def statuses(responses: list[Response]) -> Counter[int]:
    return Counter(response.status for response in responses)


def code(two: Nodes, client: Client, destination: str) -> str:
    response = client.send_code(destination)
    assert response.status == 201
    return two.mail.code(destination, response.json["reference"])


def test_code_is_accepted_once_across_nodes(two: Nodes, clients: tuple[Client, Client], caller: str) -> None:
    right = code(two, clients[0], "ada@example.com")
    responses = concurrently(two.ports, [lambda client: client.verify("ada@example.com", right)] * MANY, caller=caller)
    assert statuses(responses) == {201: 1, 403: MANY - 1}


def test_wrong_codes_are_counted_across_nodes(two: Nodes, clients: tuple[Client, Client], caller: str, database: str) -> None:
    right = code(two, clients[1], "bob@example.com")
    guesses = [lambda client: client.verify("bob@example.com", wrong(right))] * MANY
    assert statuses(concurrently(two.ports, guesses, caller=caller)) == {403: MANY}
    assert [client.verify("bob@example.com", right).status for client in clients] == [403, 403]
    assert rows(database, "SELECT failed_attempts FROM challenges WHERE canonical_address = 'bob@example.com'") == [(5,)]


def test_cooldown_holds_across_nodes(two: Nodes, caller: str) -> None:
    responses = concurrently(two.ports, [lambda client: client.send_code("carl@example.com")] * MANY, caller=caller)
    assert statuses(responses) == {201: 1, 429: MANY - 1}


def test_refresh_token_has_one_current_successor_across_nodes(two: Nodes, clients: tuple[Client, Client], caller: str) -> None:
    spent = clients[0].tokens("dora1")["refresh_token"]
    responses = concurrently(two.ports, [lambda client: client.refresh(spent)] * MANY, caller=caller)
    assert statuses(responses) == {200: MANY}
    successors = {response.json["refresh_token"] for response in responses}
    assert len(successors) == MANY
    found = (clients[1].refresh(successor) for successor in successors)
    third = next(response for response in found if response.status == 200).json  # retired ones before it end nothing
    assert [client.account(third["token"]).status for client in clients] == [200, 200]
    assert clients[0].refresh(spent).status == 401
    assert [client.account(third["token"]).status for client in clients] == [401, 401], "reuse revokes the session"
    assert [client.refresh(third["refresh_token"]).status for client in clients] == [401, 401]


def test_address_limits_are_counted_across_nodes(clients: tuple[Client, Client]) -> None:
    check = {"prop": "username", "value": "unknown"}
    responses = [client.call("POST", "/isunique/", check) for client in islice(cycle(clients), 34)]
    assert [response.status for response in responses] == [200] * 30 + [429] * 4


def test_failed_logins_are_counted_across_nodes(two: Nodes, clients: tuple[Client, Client], caller: str) -> None:
    clients[0].register("emil1")
    responses = concurrently(two.ports, [lambda client: client.log_in("emil1", "not the password")] * MANY, caller=caller)
    assert statuses(responses) == {401: 5, 429: MANY - 5}
    assert [client.log_in("emil1").status for client in clients] == [429, 429]


def test_each_message_is_delivered_once_by_two_delivery_workers(two: Nodes) -> None:
    destinations = [f"reader{number}@example.com" for number in range(40)]
    sends = [partial(Client.send_code, destination=destination) for destination in destinations]
    halves = ((sends[:20], "10.1.0.1"), (sends[20:], "10.1.0.2"))  # a network gets 30 codes an hour
    responses = chain.from_iterable(concurrently(two.ports, half, caller=caller) for half, caller in halves)
    references = [response.json["reference"] for response in responses]
    for destination, reference in zip(destinations, references, strict=True):
        two.mail.code(destination, reference)
    assert [len(two.mail.to(destination)) for destination in destinations] == [1] * 40
    assert max(Counter(two.mail.ids).values()) == 1


def test_session_revoked_at_one_node_is_rejected_at_the_other(clients: tuple[Client, Client]) -> None:
    for here, there in (clients, clients[::-1]):
        tokens = here.tokens("frida1")
        assert there.account(tokens["token"]).status == 200, "the other node has verified the token"
        assert here.call("POST", "/logout/", token=tokens["token"]).status == 204
        assert there.account(tokens["token"]).status == 401
        assert there.refresh(tokens["refresh_token"]).status == 401


def test_password_changed_at_one_node_holds_at_the_other(clients: tuple[Client, Client]) -> None:
    here, there = clients
    own, other = here.tokens("gustav1")["token"], there.tokens("gustav1")["token"]
    assert here.change_password(own, "another engine weaves").status == 200
    assert there.account(other).status == 401, "other sessions are revoked"
    assert there.account(own).status == 200
    assert there.log_in("gustav1", PASSWORD).status == 401
    assert there.log_in("gustav1", "another engine weaves").status == 200


def test_image_uploaded_at_one_node_is_served_by_the_other(clients: tuple[Client, Client]) -> None:
    here, there = clients
    token = here.tokens("hanna1")["token"]
    before, after = (here.upload(token, random_png()).json["profile_image"] for _ in range(2))
    assert before.startswith("http://accounts.example.com/images/")
    paths = [url.removeprefix("http://accounts.example.com") for url in (before, after)]
    assert [there.call("GET", path).status for path in paths] == [404, 200]
    assert there.account(token).json["profile_image"] == after


def test_one_of_concurrent_registrations_across_nodes_gets_the_username(two: Nodes, caller: str) -> None:
    responses = concurrently(two.ports, [lambda client: client.register("ida1")] * MANY, caller=caller)
    assert statuses(responses) == {201: 1, 400: MANY - 1}


def test_nodes_publish_the_same_keys(clients: tuple[Client, Client]) -> None:
    one, other = (client.call("GET", "/.well-known/jwks.json").json for client in clients)
    assert one == other
    assert len(one["keys"]) == 1
