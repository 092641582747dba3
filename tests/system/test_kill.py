"""Acknowledged changes survive repeated kills of the server under load."""

import os
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from threading import Event

import pytest
from tests.support.databases import rows
from tests.support.http_client import CONNECTION_ERRORS, PASSWORD, Client, random_png
from tests.support.processes import eventually
from tests.support.server import Server

pytestmark = pytest.mark.faults

ROUNDS = 3
USERS = 6


@dataclass
class User:
    """The state of one user that the server acknowledged, or may have stored although its response was lost."""

    name: str
    passwords: set[str] = field(default_factory=set)
    refresh: str = ""
    previous_refresh: str = ""
    spent: list[str] = field(default_factory=list)
    images: set[str | None] = field(default_factory=lambda: {None})
    friends: list[str] = field(default_factory=list)
    used_codes: list[tuple[str, str]] = field(default_factory=list)
    pending_codes: list[tuple[str, str]] = field(default_factory=list)
    actions: int = 0


def test_acknowledged_changes_survive_sigkill_at_any_moment(tmp_path: Path, database_url_for: Callable[[Path], str]) -> None:
    url = database_url_for(tmp_path / "data")
    random = Random()  # noqa: S311 — not for secrets
    users = [User(f"user{number}x") for number in range(USERS)]
    for _ in range(ROUNDS):
        with Server(tmp_path / "data", rate_limits="off", database_url=url) as server:
            for user in users:
                check(server, user)
            act_and_kill(server, users, random.randrange(15, 60))
        end_leases(url)
    age_temporary_files(tmp_path / "data")
    with Server(tmp_path / "data", rate_limits="off", database_url=url) as server:
        for user in users:
            check(server, user)
            check_spent_secrets(server, user)
        with Client(server.port) as client:
            server.code("last@example.com", client.send_code("last@example.com").json["reference"])
        assert not list((tmp_path / "data").glob("*/.*")), "old temporary files are deleted"


def act_and_kill(server: Server, users: list[User], actions: int) -> None:
    """Kills the server shortly after so many actions are acknowledged, while others are in progress."""
    stopping = Event()
    before = total_actions(users)
    with ThreadPoolExecutor(len(users)) as threads:
        running = [threads.submit(act, server, user, stopping) for user in users]
        enough = eventually(lambda: total_actions(users) - before >= actions, 30)
        time.sleep(Random().uniform(0, 0.05))  # noqa: S311 — not for secrets
        server.kill()
        stopping.set()
        for one in running:
            one.result(20)
    assert enough, "too few actions were acknowledged in 30 s"


def total_actions(users: list[User]) -> int:
    return sum(user.actions for user in users)


def act(server: Server, user: User, stopping: Event) -> None:
    """Repeats random actions until the server is killed."""
    random = Random()  # noqa: S311 — not for secrets
    with Client(server.port) as client:
        try:
            if not user.passwords:
                # 400: an earlier registration succeeded, but its response was lost
                assert client.register(user.name).status in {201, 400}
                user.passwords = {PASSWORD}
            token = log_in(client, user)
            while not stopping.is_set():
                random.choice([register, refresh, change_password, upload, send, verify])(server, client, user, token)
                user.actions += 1
        except CONNECTION_ERRORS:
            return


def log_in(client: Client, user: User) -> str:
    for password in sorted(user.passwords):
        response = client.log_in(user.name, password)
        if response.status == 200:
            user.passwords = {password}
            user.refresh, user.previous_refresh = response.json["refresh_token"], ""
            return str(response.json["token"])
    raise AssertionError(f"{user.name} can no longer log in: {response.content!r}")


def register(_: Server, client: Client, user: User, token: str) -> None:
    name = f"friend{len(user.friends)}of{user.name}{os.urandom(4).hex()}"
    assert client.register(name).status == 201
    user.friends.append(name)


def refresh(_: Server, client: Client, user: User, token: str) -> None:
    response = client.refresh(user.refresh)
    assert response.status == 200, response.content
    user.spent += [user.previous_refresh] if user.previous_refresh else []
    user.previous_refresh, user.refresh = user.refresh, response.json["refresh_token"]


def change_password(_: Server, client: Client, user: User, token: str) -> None:
    password = f"the engine weaves {os.urandom(6).hex()}"
    user.passwords.add(password)
    response = client.change_password(token, password)
    assert response.status == 200, response.content
    user.passwords = {password}


def upload(_: Server, client: Client, user: User, token: str) -> None:
    user.images.add("an upload without a response")
    response = client.upload(token, random_png())
    assert response.status == 201, response.content
    user.images = {name_in(response.json["profile_image"])}


def name_in(url: str | None) -> str | None:
    return url and url.rpartition("/")[2]


def send(_: Server, client: Client, user: User, token: str) -> None:
    destination = f"unknown{os.urandom(6).hex()}@example.com"
    response = client.send_code(destination)
    assert response.status == 201, response.content
    user.pending_codes.append((destination, response.json["reference"]))


def verify(server: Server, client: Client, user: User, token: str) -> None:
    if not user.pending_codes:
        return
    destination, reference = user.pending_codes[-1]
    code = code_in_outbox(server, destination, reference)
    if code is None:
        return
    user.pending_codes.pop()
    response = client.verify(destination, code)
    assert response.status in {201, 403}, response.content  # 403: an earlier attempt used the code, but its response was lost
    user.used_codes.append((destination, code))


def code_in_outbox(server: Server, destination: str, reference: str) -> str | None:
    for file in (server.data_dir / "outbox").glob("*.eml"):
        text = file.read_text()
        if destination in text and reference in text:
            return str(re.findall(r"(?<![\w.-])\d{6}(?![\w.-])", text.partition("\n\n")[2])[0])
    return None


def check(server: Server, user: User) -> None:
    """Checks that all acknowledged changes are stored."""
    if not user.passwords:
        return
    with Client(server.port) as client:
        if user.refresh:
            response = client.refresh(user.refresh)
            assert response.status == 200, "the newest refresh token is accepted"
            assert client.account(response.json["token"]).status == 200
        account = client.account(log_in(client, user)).json
        image = name_in(account["profile_image"])
        assert image in user.images or len(user.images) > 1, "the account has the newest image"
        if image is not None:
            assert client.call("GET", f"/images/{image}").status == 200
        user.images = {image}
        for name in user.friends[-20:]:
            assert client.call("POST", "/isunique/", {"prop": "username", "value": name}).json == {"unique": False}, name
    for destination, reference in user.pending_codes:
        server.code(destination, reference)


def check_spent_secrets(server: Server, user: User) -> None:
    with Client(server.port) as client:
        for destination, code in user.used_codes:
            assert client.verify(destination, code).status == 403, "a used code is refused"
        for token in user.spent[-5:]:
            assert client.refresh(token).status == 401, "a used refresh token is refused"


def end_leases(url: str) -> None:
    """Expires all leases, as if a minute had passed, so that messages of a killed delivery worker are due again."""
    rows(url, "UPDATE outbox SET due_at = due_at - 60 WHERE due_at IS NOT NULL")


def age_temporary_files(data: Path) -> None:
    """Makes temporary files two hours older."""
    then = datetime.now(UTC) - timedelta(hours=2)
    for file in (data / "images").glob(".*"):
        os.utime(file, (then.timestamp(),) * 2)
    for file in (data / "outbox").glob(".*"):
        file.rename(file.with_name(f".{then:%Y-%m-%dT%H-%M-%S.%f}{file.name[27:]}"))
