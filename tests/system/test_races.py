"""Concurrent calls over real connections: the outcome equals some order of the calls."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from tests.support.databases import rows
from tests.support.http_client import PASSWORD, Client, Response, concurrently, random_png, registration, wrong
from tests.support.server import Server

pytestmark = pytest.mark.faults

MANY = 20


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, database_url_for: Callable[[Path], str]) -> Path:
    """A separate data directory for each kind of database."""
    return tmp_path_factory.mktemp("races") / "data"


@pytest.fixture(scope="module")
def server(data: Path, database_url_for: Callable[[Path], str]) -> Iterator[Server]:
    with Server(data, rate_limits="off", workers="2", database_url=database_url_for(data)) as server:
        yield server
        assert "Traceback" not in server.output


def statuses(responses: list[Response]) -> Counter[int]:
    return Counter(response.status for response in responses)


def repeated(server: Server, *calls: Callable[[Client], Response]) -> list[Response]:
    """Makes MANY concurrent calls, which repeat the given ones in turn."""
    return concurrently(server.port, list(islice(cycle(calls), max(MANY, len(calls)))))


def code(server: Server, destination: str) -> str:
    with Client(server.port) as client:
        response = client.send_code(destination)
        assert response.status == 201
        return server.code(destination, response.json["reference"])


def tokens(server: Server, name: str) -> dict[str, Any]:
    with Client(server.port) as client:
        return client.tokens(name)


def is_accepted(server: Server, token: str) -> bool:
    with Client(server.port) as client:
        return client.account(token).status == 200


def test_one_of_concurrent_registrations_gets_the_username(server: Server) -> None:
    calls = [
        partial(
            Client.call, method="POST", path="/register/", body=registration("Player1") | {"email": f"a{number}@example.com"}
        )
        for number in range(MANY)
    ]
    responses = repeated(server, *calls)
    assert statuses(responses) == {201: 1, 400: MANY - 1}
    for response in responses:
        if response.status == 400:
            assert (response.problem, list(response.json["errors"])) == ("already-taken", ["username"])


def test_one_of_concurrent_registrations_gets_the_email(server: Server) -> None:
    calls = [
        partial(
            Client.call, method="POST", path="/register/", body=registration(f"other{number}x") | {"email": "one@example.com"}
        )
        for number in range(MANY)
    ]
    assert statuses(repeated(server, *calls)) == {201: 1, 400: MANY - 1}


def test_one_of_concurrent_verifications_of_a_code_succeeds(server: Server) -> None:
    right = code(server, "player2@example.com")
    assert statuses(repeated(server, lambda client: client.verify("player2@example.com", right))) == {201: 1, 403: MANY - 1}


def test_one_of_concurrent_code_logins_succeeds(server: Server) -> None:
    tokens(server, "player3")
    right = code(server, "player3@example.com")
    body = {"destination": "player3@example.com", "verify_otp": right, "is_login": True}
    assert statuses(repeated(server, lambda client: client.call("POST", "/otp/", body))) == {201: 1, 403: MANY - 1}


def test_one_of_concurrent_resets_sets_the_password(server: Server) -> None:
    tokens(server, "player4")
    right = code(server, "player4@example.com")
    passwords = [f"the engine weaves {number} flowers" for number in range(6)]
    calls = [
        partial(
            Client.call,
            method="POST",
            path="/password/reset/",
            body={"email": "player4@example.com", "otp": right, "password": one},
        )
        for one in passwords
    ]
    responses = concurrently(server.port, calls)
    assert statuses(responses) == {202: 1, 403: 5}
    with Client(server.port) as client:
        for response, password in zip(responses, passwords, strict=True):
            assert client.log_in("player4", password).status == (200 if response.status == 202 else 401)


def test_concurrent_wrong_codes_count_as_five_at_most(
    server: Server, data: Path, database_url_for: Callable[[Path], str]
) -> None:
    right = code(server, "player5@example.com")
    assert statuses(repeated(server, lambda client: client.verify("player5@example.com", wrong(right)))) == {403: MANY}
    with Client(server.port) as client:
        assert client.verify("player5@example.com", right).status == 403
    sql = "SELECT failed_attempts FROM challenges WHERE canonical_address = 'player5@example.com'"
    assert rows(database_url_for(data), sql) == [(5,)]


def test_concurrent_refreshes_of_a_token_get_successors_of_which_the_last_is_current(server: Server) -> None:
    """A page that is open in twenty tabs, which refresh at the same time, does not log its user out."""
    before = tokens(server, "player6")
    responses = repeated(server, lambda client: client.refresh(before["refresh_token"]))
    assert statuses(responses) == {200: MANY}
    successors = {response.json["refresh_token"] for response in responses}
    assert len(successors) == MANY
    with Client(server.port) as client:
        found = (client.refresh(successor) for successor in successors)
        current = next(response for response in found if response.status == 200)  # retired ones before it end nothing
        assert client.account(current.json["token"]).status == 200


def test_reused_token_among_concurrent_refreshes_revokes_the_session(server: Server) -> None:
    spent = tokens(server, "player7")["refresh_token"]
    with Client(server.port) as client:
        second = client.refresh(spent).json["refresh_token"]
        third = client.refresh(second).json
    repeated(server, lambda client: client.refresh(spent), lambda client: client.refresh(third["refresh_token"]))
    assert not is_accepted(server, third["token"])


def test_one_image_remains_after_concurrent_uploads(server: Server) -> None:
    token = tokens(server, "player8")["token"]
    responses = concurrently(server.port, [partial(Client.upload, token=token, file=random_png()) for _ in range(8)])
    assert statuses(responses).keys() <= {201, 503}
    with Client(server.port) as client:
        image = client.account(token).json["profile_image"]
    assert image in {response.json["profile_image"] for response in responses if response.status == 201}
    assert [file.name for file in (server.data_dir / "images").iterdir()] == [image.rpartition("/")[2]]


@pytest.mark.parametrize("name", ["player9", "player10", "player11"])
def test_sessions_of_the_old_password_do_not_outlive_its_change(server: Server, name: str) -> None:
    own = tokens(server, name)["token"]
    change = partial(Client.change_password, token=own, password="another engine weaves")
    login = partial(Client.log_in, name=name, password=PASSWORD)
    responses = concurrently(server.port, [login] * 6 + [change] + [login] * 6)
    assert responses[6].status == 200
    assert is_accepted(server, own)
    for response in (*responses[:6], *responses[7:]):
        assert response.status in {200, 401, 429}
        assert response.status != 200 or not is_accepted(server, response.json["token"])


def test_concurrent_changes_of_an_account_leave_one_of_them(server: Server) -> None:
    token = tokens(server, "player12")["token"]
    names = [f"Number {number}" for number in range(MANY)]
    responses = concurrently(
        server.port,
        [partial(Client.call, method="PATCH", path="/account/", body={"name": name}, token=token) for name in names],
    )
    assert statuses(responses) == {200: MANY}
    with Client(server.port) as client:
        assert client.account(token).json["name"] in names


def test_one_of_concurrent_changes_gets_the_username(server: Server) -> None:
    every = [tokens(server, f"player{number}x")["token"] for number in range(6)]
    calls = [
        partial(Client.call, method="PATCH", path="/account/", body={"username": "champion"}, token=token) for token in every
    ]
    assert statuses(concurrently(server.port, calls)) == {200: 1, 400: 5}


def test_one_of_concurrent_sends_is_within_the_cooldown(server: Server) -> None:
    responses = repeated(server, lambda client: client.send_code("player13@example.com"))
    assert statuses(responses) == {201: 1, 429: MANY - 1}
    for response in responses:
        if response.status == 429:
            assert 55 <= int(response.headers["retry-after"]) <= 60
