"""A server that is killed repeatedly under load: acknowledged changes survive."""

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
from tests.support.processes import eventually
from tests.support.proxy import GONE, PASSWORD, Line, picture
from tests.support.server import Server

pytestmark = pytest.mark.faults

ROUNDS = 3
PEOPLE = 6


@dataclass
class Life:
    """What the server has acknowledged to one person, and what it may have done without its answer arriving."""

    name: str
    passwords: set[str] = field(default_factory=set)
    refresh: str = ""
    before: str = ""
    spent: list[str] = field(default_factory=list)
    images: set[str | None] = field(default_factory=lambda: {None})
    friends: list[str] = field(default_factory=list)
    used_codes: list[tuple[str, str]] = field(default_factory=list)
    awaited: list[tuple[str, str]] = field(default_factory=list)
    done: int = 0


def test_acknowledged_changes_survive_sigkill_at_any_moment(tmp_path: Path, kept_at: Callable[[Path], str]) -> None:
    url = kept_at(tmp_path / "data")
    chance = Random()  # noqa: S311 — it guards nothing
    lives = [Life(f"person{number}x") for number in range(PEOPLE)]
    for _ in range(ROUNDS):
        with Server(tmp_path / "data", rate_limits="off", database_url=url) as server:
            for life in lives:
                check(server, life)
            burst(server, lives, chance.randrange(15, 60))
        end_leases(url)
    age(tmp_path / "data")
    with Server(tmp_path / "data", rate_limits="off", database_url=url) as server:
        for life in lives:
            check(server, life)
            check_spent_secrets(server, life)
        with Line(server.port) as line:
            server.code("last@example.com", line.send_code("last@example.com").json["reference"])
        assert not list((tmp_path / "data").glob("*/.*")), "temporary files are removed in time"


def burst(server: Server, lives: list[Life], things: int) -> None:
    """Until so many things were acknowledged, and a moment longer, so that others are under way."""
    over = Event()
    before = done(lives)
    with ThreadPoolExecutor(len(lives)) as threads:
        running = [threads.submit(live, server, life, over) for life in lives]
        enough = eventually(lambda: done(lives) - before >= things, 30)
        time.sleep(Random().uniform(0, 0.05))  # noqa: S311 — it guards nothing
        server.kill()
        over.set()
        for one in running:
            one.result(20)
    assert enough, "the burst is no burst"


def done(lives: list[Life]) -> int:
    return sum(life.done for life in lives)


def live(server: Server, life: Life, over: Event) -> None:
    """One thing after the other, in no order, until the server is gone."""
    chance = Random()  # noqa: S311 — it guards nothing
    with Line(server.port) as line:
        try:
            if not life.passwords:
                assert line.register(life.name).status in {201, 400}  # 400: it was done, and the answer lost
                life.passwords = {PASSWORD}
            token = log_in(line, life)
            while not over.is_set():
                chance.choice([register, refresh, change_password, upload, send, verify])(server, line, life, token)
                life.done += 1
        except GONE:
            return


def log_in(line: Line, life: Life) -> str:
    for password in sorted(life.passwords):
        answer = line.log_in(life.name, password)
        if answer.status == 200:
            life.passwords = {password}
            life.refresh, life.before = answer.json["refresh_token"], ""
            return str(answer.json["token"])
    raise AssertionError(f"{life.name} cannot log in any more: {answer.content!r}")


def register(_: Server, line: Line, life: Life, token: str) -> None:
    name = f"friend{len(life.friends)}of{life.name}{os.urandom(4).hex()}"
    assert line.register(name).status == 201
    life.friends.append(name)


def refresh(_: Server, line: Line, life: Life, token: str) -> None:
    answer = line.refresh(life.refresh)
    assert answer.status == 200, answer.content
    life.spent += [life.before] if life.before else []
    life.before, life.refresh = life.refresh, answer.json["refresh_token"]


def change_password(_: Server, line: Line, life: Life, token: str) -> None:
    password = f"the engine weaves {os.urandom(6).hex()}"
    life.passwords.add(password)
    answer = line.change_password(token, password)
    assert answer.status == 200, answer.content
    life.passwords = {password}


def upload(_: Server, line: Line, life: Life, token: str) -> None:
    life.images.add("one whose answer did not arrive")
    answer = line.upload(token, picture())
    assert answer.status == 201, answer.content
    life.images = {name_in(answer.json["profile_image"])}


def name_in(url: str | None) -> str | None:
    return url and url.rpartition("/")[2]


def send(_: Server, line: Line, life: Life, token: str) -> None:
    destination = f"stranger{os.urandom(6).hex()}@example.com"
    answer = line.send_code(destination)
    assert answer.status == 201, answer.content
    life.awaited.append((destination, answer.json["reference"]))


def verify(server: Server, line: Line, life: Life, token: str) -> None:
    if not life.awaited:
        return
    destination, reference = life.awaited[-1]
    code = written(server, destination, reference)
    if code is None:
        return
    life.awaited.pop()
    answer = line.verify(destination, code)
    assert answer.status in {201, 403}, answer.content  # 403: it was used, and the answer lost
    life.used_codes.append((destination, code))


def written(server: Server, destination: str, reference: str) -> str | None:
    for file in (server.data_dir / "outbox").glob("*.eml"):
        text = file.read_text()
        if destination in text and reference in text:
            return str(re.findall(r"(?<![\w.-])\d{6}(?![\w.-])", text.partition("\n\n")[2])[0])
    return None


def check(server: Server, life: Life) -> None:
    """Everything that was acknowledged is there."""
    if not life.passwords:
        return
    with Line(server.port) as line:
        if life.refresh:
            answer = line.refresh(life.refresh)
            assert answer.status == 200, "the newest refresh token is good"
            assert line.account(answer.json["token"]).status == 200
        account = line.account(log_in(line, life)).json
        image = name_in(account["profile_image"])
        assert image in life.images or len(life.images) > 1, "the newest image is the account's"
        if image is not None:
            assert line.ask("GET", f"/images/{image}").status == 200
        life.images = {image}
        for name in life.friends[-20:]:
            assert line.ask("POST", "/isunique/", {"prop": "username", "value": name}).json == {"unique": False}, name
    for destination, reference in life.awaited:
        server.code(destination, reference)


def check_spent_secrets(server: Server, life: Life) -> None:
    with Line(server.port) as line:
        for destination, code in life.used_codes:
            assert line.verify(destination, code).status == 403, "a used code is never good again"
        for token in life.spent[-5:]:
            assert line.refresh(token).status == 401, "a spent refresh token is never good again"


def end_leases(url: str) -> None:
    """Expires all leases, as if a minute had passed, so that messages of a killed delivery worker are due again."""
    rows(url, "UPDATE outbox SET due_at = due_at - 60 WHERE due_at IS NOT NULL")


def age(data: Path) -> None:
    """As if two hours had passed since anything was left half-written."""
    then = datetime.now(UTC) - timedelta(hours=2)
    for file in (data / "images").glob(".*"):
        os.utime(file, (then.timestamp(),) * 2)
    for file in (data / "outbox").glob(".*"):
        file.rename(file.with_name(f".{then:%Y-%m-%dT%H-%M-%S.%f}{file.name[27:]}"))
