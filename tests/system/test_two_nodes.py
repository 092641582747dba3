"""Two nodes on one PostgreSQL, Redis and S3, with concurrent calls: each node sees the changes of the other."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import count, cycle, islice

import pytest
from tests.support.databases import rows
from tests.support.nodes import Nodes, nodes
from tests.support.postgres_server import new_database
from tests.support.proxy import PASSWORD, Answer, Line, at_once, picture, wrong

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
def lines(two: Nodes, caller: str) -> Iterator[tuple[Line, Line]]:
    """A connection to each node."""
    one, other = two.ports
    with Line(one, caller=caller) as first, Line(other, caller=caller) as second:
        yield first, second


def statuses(answers: list[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


def code(two: Nodes, line: Line, destination: str) -> str:
    answer = line.send_code(destination)
    assert answer.status == 201
    return two.mail.code(destination, answer.json["reference"])


def test_code_is_accepted_once_across_nodes(two: Nodes, lines: tuple[Line, Line], caller: str) -> None:
    right = code(two, lines[0], "ada@example.com")
    answers = at_once(two.ports, [lambda line: line.verify("ada@example.com", right)] * MANY, caller=caller)
    assert statuses(answers) == {201: 1, 403: MANY - 1}


def test_wrong_codes_are_counted_across_nodes(two: Nodes, lines: tuple[Line, Line], caller: str, database: str) -> None:
    right = code(two, lines[1], "bob@example.com")
    guesses = [lambda line: line.verify("bob@example.com", wrong(right))] * MANY
    assert statuses(at_once(two.ports, guesses, caller=caller)) == {403: MANY}
    assert [line.verify("bob@example.com", right).status for line in lines] == [403, 403]
    assert rows(database, "SELECT failed_attempts FROM challenges WHERE canonical_address = 'bob@example.com'") == [(5,)]


def test_cool_down_holds_across_nodes(two: Nodes, caller: str) -> None:
    answers = at_once(two.ports, [lambda line: line.send_code("carl@example.com")] * MANY, caller=caller)
    assert statuses(answers) == {201: 1, 429: MANY - 1}


def test_refresh_token_has_one_successor_across_nodes(two: Nodes, lines: tuple[Line, Line], caller: str) -> None:
    spent = lines[0].tokens("dora1")["refresh_token"]
    answers = at_once(two.ports, [lambda line: line.refresh(spent)] * MANY, caller=caller)
    assert statuses(answers) == {200: MANY}
    [second] = {answer.json["refresh_token"] for answer in answers}
    third = lines[1].refresh(second).json
    assert [line.account(third["token"]).status for line in lines] == [200, 200]
    assert lines[0].refresh(spent).status == 401
    assert [line.account(third["token"]).status for line in lines] == [401, 401], "reuse revokes the session"
    assert [line.refresh(third["refresh_token"]).status for line in lines] == [401, 401]


def test_address_limits_are_counted_across_nodes(lines: tuple[Line, Line]) -> None:
    check = {"prop": "username", "value": "unknown"}
    answers = [line.ask("POST", "/isunique/", check) for line in islice(cycle(lines), 34)]
    assert [answer.status for answer in answers] == [200] * 30 + [429] * 4


def test_failed_logins_are_counted_across_nodes(two: Nodes, lines: tuple[Line, Line], caller: str) -> None:
    lines[0].register("emil1")
    answers = at_once(two.ports, [lambda line: line.log_in("emil1", "not the password")] * MANY, caller=caller)
    assert statuses(answers) == {401: 5, 429: MANY - 5}
    assert [line.log_in("emil1").status for line in lines] == [429, 429]


def test_each_message_is_delivered_once_by_two_delivery_workers(two: Nodes) -> None:
    destinations = [f"reader{number}@example.com" for number in range(40)]
    sends = [partial(Line.send_code, destination=destination) for destination in destinations]
    references = [answer.json["reference"] for answer in at_once(two.ports, sends, caller="10.1.0.1")]
    for destination, reference in zip(destinations, references, strict=True):
        two.mail.code(destination, reference)
    assert [len(two.mail.to(destination)) for destination in destinations] == [1] * 40
    assert max(Counter(two.mail.ids).values()) == 1


def test_session_revoked_at_one_node_is_rejected_at_the_other(lines: tuple[Line, Line]) -> None:
    for here, there in (lines, lines[::-1]):
        tokens = here.tokens("frida1")
        assert there.account(tokens["token"]).status == 200, "the other node has verified the token"
        assert here.ask("POST", "/logout/", token=tokens["token"]).status == 200
        assert there.account(tokens["token"]).status == 401
        assert there.refresh(tokens["refresh_token"]).status == 401


def test_password_changed_at_one_node_holds_at_the_other(lines: tuple[Line, Line]) -> None:
    here, there = lines
    own, other = here.tokens("gustav1")["token"], there.tokens("gustav1")["token"]
    assert here.change_password(own, "another engine weaves").status == 200
    assert there.account(other).status == 401, "other sessions are revoked"
    assert there.account(own).status == 200
    assert there.log_in("gustav1", PASSWORD).status == 401
    assert there.log_in("gustav1", "another engine weaves").status == 200


def test_image_uploaded_at_one_node_is_served_by_the_other(lines: tuple[Line, Line]) -> None:
    here, there = lines
    token = here.tokens("hanna1")["token"]
    before, after = (here.upload(token, picture()).json["profile_image"] for _ in range(2))
    assert before.startswith("http://accounts.example.com/images/")
    paths = [url.removeprefix("http://accounts.example.com") for url in (before, after)]
    assert [there.ask("GET", path).status for path in paths] == [404, 200]
    assert there.account(token).json["profile_image"] == after


def test_one_of_concurrent_registrations_across_nodes_gets_the_username(two: Nodes, caller: str) -> None:
    answers = at_once(two.ports, [lambda line: line.register("ida1")] * MANY, caller=caller)
    assert statuses(answers) == {201: 1, 400: MANY - 1}


def test_nodes_publish_the_same_keys(lines: tuple[Line, Line]) -> None:
    one, other = (line.ask("GET", "/.well-known/jwks.json").json for line in lines)
    assert one == other
    assert len(one["keys"]) == 1
