"""Concurrent calls over real connections: the outcome equals some order of the calls."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from tests.support.databases import rows
from tests.support.proxy import PASSWORD, Answer, Line, at_once, person, picture, wrong
from tests.support.server import Server

pytestmark = pytest.mark.faults

MANY = 20


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, kept_at: Callable[[Path], str]) -> Path:
    """A separate data directory for each kind of database."""
    return tmp_path_factory.mktemp("races") / "data"


@pytest.fixture(scope="module")
def server(data: Path, kept_at: Callable[[Path], str]) -> Iterator[Server]:
    with Server(data, rate_limits="off", workers="2", database_url=kept_at(data)) as server:
        yield server
        assert "Traceback" not in server.output


def statuses(answers: list[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


def repeated(server: Server, *calls: Callable[[Line], Answer]) -> list[Answer]:
    """Makes MANY concurrent calls, which repeat the given ones in turn."""
    return at_once(server.port, list(islice(cycle(calls), max(MANY, len(calls)))))


def code(server: Server, destination: str) -> str:
    with Line(server.port) as line:
        answer = line.send_code(destination)
        assert answer.status == 201
        return server.code(destination, answer.json["reference"])


def tokens(server: Server, name: str) -> dict[str, Any]:
    with Line(server.port) as line:
        return line.tokens(name)


def is_accepted(server: Server, token: str) -> bool:
    with Line(server.port) as line:
        return line.account(token).status == 200


def test_one_of_concurrent_registrations_gets_the_username(server: Server) -> None:
    calls = [
        partial(Line.ask, method="POST", path="/register/", body=person("Player1") | {"email": f"a{number}@example.com"})
        for number in range(MANY)
    ]
    answers = repeated(server, *calls)
    assert statuses(answers) == {201: 1, 400: MANY - 1}
    for answer in answers:
        if answer.status == 400:
            assert (answer.problem, list(answer.json["errors"])) == ("already-taken", ["username"])


def test_one_of_concurrent_registrations_gets_the_email(server: Server) -> None:
    calls = [
        partial(Line.ask, method="POST", path="/register/", body=person(f"other{number}x") | {"email": "one@example.com"})
        for number in range(MANY)
    ]
    assert statuses(repeated(server, *calls)) == {201: 1, 400: MANY - 1}


def test_one_of_concurrent_verifications_of_a_code_succeeds(server: Server) -> None:
    right = code(server, "player2@example.com")
    assert statuses(repeated(server, lambda line: line.verify("player2@example.com", right))) == {201: 1, 403: MANY - 1}


def test_one_of_concurrent_code_logins_succeeds(server: Server) -> None:
    tokens(server, "player3")
    right = code(server, "player3@example.com")
    body = {"destination": "player3@example.com", "verify_otp": right, "is_login": True}
    assert statuses(repeated(server, lambda line: line.ask("POST", "/otp/", body))) == {201: 1, 403: MANY - 1}


def test_one_of_concurrent_resets_sets_the_password(server: Server) -> None:
    tokens(server, "player4")
    right = code(server, "player4@example.com")
    passwords = [f"the engine weaves {number} flowers" for number in range(6)]
    calls = [
        partial(
            Line.ask,
            method="POST",
            path="/password/reset/",
            body={"email": "player4@example.com", "otp": right, "password": one},
        )
        for one in passwords
    ]
    answers = at_once(server.port, calls)
    assert statuses(answers) == {202: 1, 403: 5}
    with Line(server.port) as line:
        for answer, password in zip(answers, passwords, strict=True):
            assert line.log_in("player4", password).status == (200 if answer.status == 202 else 401)


def test_concurrent_wrong_codes_count_as_five_at_most(server: Server, data: Path, kept_at: Callable[[Path], str]) -> None:
    right = code(server, "player5@example.com")
    assert statuses(repeated(server, lambda line: line.verify("player5@example.com", wrong(right)))) == {403: MANY}
    with Line(server.port) as line:
        assert line.verify("player5@example.com", right).status == 403
    sql = "SELECT failed_attempts FROM challenges WHERE canonical_address = 'player5@example.com'"
    assert rows(kept_at(data), sql) == [(5,)]


def test_concurrent_refreshes_of_a_token_get_the_same_successor(server: Server) -> None:
    """A page that is open in twenty tabs, which refresh at the same time, does not log its user out."""
    before = tokens(server, "player6")
    answers = repeated(server, lambda line: line.refresh(before["refresh_token"]))
    assert statuses(answers) == {200: MANY}
    [successor] = {answer.json["refresh_token"] for answer in answers}
    with Line(server.port) as line:
        answer = line.refresh(successor)
        assert answer.status == 200
        assert line.account(answer.json["token"]).status == 200


def test_reused_token_among_concurrent_refreshes_revokes_the_session(server: Server) -> None:
    spent = tokens(server, "player7")["refresh_token"]
    with Line(server.port) as line:
        second = line.refresh(spent).json["refresh_token"]
        third = line.refresh(second).json
    repeated(server, lambda line: line.refresh(spent), lambda line: line.refresh(third["refresh_token"]))
    assert not is_accepted(server, third["token"])


def test_one_image_remains_after_concurrent_uploads(server: Server) -> None:
    token = tokens(server, "player8")["token"]
    answers = at_once(server.port, [partial(Line.upload, token=token, file=picture()) for _ in range(8)])
    assert statuses(answers).keys() <= {201, 503}
    with Line(server.port) as line:
        image = line.account(token).json["profile_image"]
    assert image in {answer.json["profile_image"] for answer in answers if answer.status == 201}
    assert [file.name for file in (server.data_dir / "images").iterdir()] == [image.rpartition("/")[2]]


@pytest.mark.parametrize("name", ["player9", "player10", "player11"])
def test_sessions_of_the_old_password_do_not_outlive_its_change(server: Server, name: str) -> None:
    own = tokens(server, name)["token"]
    change = partial(Line.change_password, token=own, password="another engine weaves")
    login = partial(Line.log_in, name=name, password=PASSWORD)
    answers = at_once(server.port, [login] * 6 + [change] + [login] * 6)
    assert answers[6].status == 200
    assert is_accepted(server, own)
    for answer in (*answers[:6], *answers[7:]):
        assert answer.status in {200, 401, 429}
        assert answer.status != 200 or not is_accepted(server, answer.json["token"])


def test_concurrent_changes_of_an_account_leave_one_of_them(server: Server) -> None:
    token = tokens(server, "player12")["token"]
    names = [f"Number {number}" for number in range(MANY)]
    answers = at_once(
        server.port, [partial(Line.ask, method="PATCH", path="/account/", body={"name": name}, token=token) for name in names]
    )
    assert statuses(answers) == {200: MANY}
    with Line(server.port) as line:
        assert line.account(token).json["name"] in names


def test_one_of_concurrent_changes_gets_the_username(server: Server) -> None:
    every = [tokens(server, f"player{number}x")["token"] for number in range(6)]
    calls = [partial(Line.ask, method="PATCH", path="/account/", body={"username": "champion"}, token=token) for token in every]
    assert statuses(at_once(server.port, calls)) == {200: 1, 400: 5}


def test_one_of_concurrent_sends_is_within_the_cool_down(server: Server) -> None:
    answers = repeated(server, lambda line: line.send_code("player13@example.com"))
    assert statuses(answers) == {201: 1, 429: MANY - 1}
    for answer in answers:
        if answer.status == 429:
            assert 55 <= int(answer.headers["retry-after"]) <= 60
