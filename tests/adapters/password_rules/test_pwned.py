"""Breached passwords, by a server that speaks the range protocol."""

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest
from tests.support.world import World, outcome

from vestibule.adapters.password_rules import PwnedPasswords
from vestibule.application import ErrorCode, FieldError, InvalidInput

STOLEN, SAFE = "seven stolen green bicycles", "nine quiet orange boats"


def digest(password: str) -> str:
    return sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


class Ranges(ThreadingHTTPServer):
    """Knows one stolen password, and pads with one that has the count 0."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls: list[tuple[str, str | None]] = []
        self.answer: Callable[[str], tuple[int, bytes]] = self.found
        self.go_on = Event()

    def handle_error(self, *_: object) -> None:
        """Prints nothing: a client that has waited long enough hangs up."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/range"

    def found(self, prefix: str) -> tuple[int, bytes]:
        known = [(digest(STOLEN), 37), (digest(SAFE), 0)]
        lines = [f"{one[5:]}:{count}" for one, count in known if one.startswith(prefix)]
        return 200, "\r\n".join([*lines, f"{'0' * 35}:5"]).encode()


class Handler(BaseHTTPRequestHandler):
    server: Ranges

    def do_GET(self) -> None:
        self.server.calls.append((self.path, self.headers.get("Add-Padding")))
        status, body = self.server.answer(self.path.rpartition("/")[2])
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Prints nothing."""


@pytest.fixture
def ranges() -> Iterator[Ranges]:
    with Ranges() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.go_on.set()
        server.shutdown()
        thread.join()


def test_stolen_password_is_refused_by_five_digits_of_its_hash(ranges: Ranges) -> None:
    rules = PwnedPasswords(ranges.url)

    assert [error.code for error in rules(STOLEN)] == ["breached"]
    assert rules(SAFE) == (), "padding is no find"
    assert ranges.calls == [(f"/range/{digest(one)[:5]}", "true") for one in (STOLEN, SAFE)]


BROKEN: dict[str, Callable[[str], tuple[int, bytes]]] = {
    "503": lambda _: (503, b""),
    "no list": lambda _: (200, b"<html>"),
    "not ASCII": lambda _: (200, b"\xff:1"),
    "endless": lambda _: (200, b"0" * (1024 * 1024 + 2)),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_service_accepts_passwords_and_is_not_asked_for_half_a_minute(
    kind: str, ranges: Ranges, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    rules = PwnedPasswords(ranges.url, clock=lambda: now[0])
    ranges.answer = BROKEN[kind]

    assert (rules(STOLEN), rules(STOLEN), len(ranges.calls)) == ((), (), 1)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "new passwords are not compared" in record.getMessage()
    assert not any(text in caplog.text for text in (STOLEN, digest(STOLEN), digest(STOLEN)[:5]))

    now[0], ranges.answer = 30.0, ranges.found
    assert rules(STOLEN)
    assert caplog.records[-1].getMessage().endswith("is available again")


def test_slow_service_accepts_passwords(ranges: Ranges) -> None:
    def wait(prefix: str) -> tuple[int, bytes]:
        ranges.go_on.wait(20)
        return ranges.found(prefix)

    ranges.answer = wait
    assert PwnedPasswords(ranges.url, timeout=0.2)(STOLEN) == ()


def test_service_that_refuses_connections_accepts_passwords() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
    assert PwnedPasswords(f"http://127.0.0.1:{port}/range", timeout=1)(STOLEN) == ()


def test_setting_refuses_stolen_passwords_wherever_one_is_set(ranges: Ranges) -> None:
    world = World(pwned_passwords=ranges.url)
    fields: dict[str, Any] = {"username": "ann", "name": "Ann", "email": "ann@mail.example.com"}
    world.register(**fields, password=SAFE)
    identity = world.log_in_as("ann", SAFE)
    code = world.send("ann@mail.example.com")
    other = {**fields, "username": "eve", "email": "eve@mail.example.com"}
    calls: list[Callable[[], Any]] = [
        lambda: world.register(**other, password=STOLEN),
        lambda: world.create_superuser(**other, password=STOLEN),
        lambda: world.change_account(identity=identity, password=STOLEN),
        lambda: world.replace_account(identity=identity, **fields, mobile=None, password=STOLEN),
        lambda: world.reset_password(email="ann@mail.example.com", otp=code, password=STOLEN),
    ]

    refusals = [outcome(call) for call in calls]

    assert [one.codes for one in refusals if isinstance(one, InvalidInput)] == [{"password": ["breached"]}] * len(calls)
    asked = len(ranges.calls)
    world.log_in(username="ann", password=SAFE)
    assert len(ranges.calls) == asked, "a login does not ask"


def test_rules_of_the_host_application_are_asked() -> None:
    error = FieldError(ErrorCode.TOO_COMMON, "Not this one.")
    world = World(password_rules=lambda password: [error] if "boats" in password else [])
    refusal = outcome(lambda: world.register(username="ann", name="Ann", email="ann@mail.example.com", password=SAFE))
    assert isinstance(refusal, InvalidInput)
    assert refusal.errors == {"password": ["Not this one."]}
