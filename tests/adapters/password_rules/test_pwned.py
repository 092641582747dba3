"""Breached passwords, by a server that speaks the range protocol."""

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from tests.support.breached_passwords import SAFE, STOLEN, Ranges, digest, ranges_server
from tests.support.world import World, outcome

from vestibule.adapters.password_rules import AcceptingWhenUnavailable, PwnedPasswords
from vestibule.application import ErrorCode, FieldError, InvalidInput, Unavailable


@pytest.fixture
def ranges() -> Iterator[Ranges]:
    with ranges_server() as server:
        yield server


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
def test_broken_service_is_reported_and_not_asked_for_half_a_minute(
    kind: str, ranges: Ranges, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    rules = PwnedPasswords(ranges.url, clock=lambda: now[0])
    ranges.answer = BROKEN[kind]

    for _ in range(2):
        with pytest.raises(Unavailable):
            rules(STOLEN)
    assert (AcceptingWhenUnavailable(rules)(STOLEN), len(ranges.calls)) == ((), 1)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "new passwords are not compared" in record.getMessage()
    assert not any(text in caplog.text for text in (STOLEN, digest(STOLEN), digest(STOLEN)[:5]))

    now[0], ranges.answer = 30.0, ranges.found
    assert rules(STOLEN)
    assert caplog.records[-1].getMessage().endswith("is available again")


def test_slow_service_is_reported(ranges: Ranges) -> None:
    def wait(prefix: str) -> tuple[int, bytes]:
        ranges.go_on.wait(20)
        return ranges.found(prefix)

    ranges.answer = wait
    with pytest.raises(Unavailable):
        PwnedPasswords(ranges.url, timeout=0.2)(STOLEN)


def test_service_that_refuses_connections_is_reported() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(Unavailable):
        PwnedPasswords(f"http://127.0.0.1:{port}/range", timeout=1)(STOLEN)


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


def test_setting_accepts_passwords_while_the_service_is_down(ranges: Ranges) -> None:
    world = World(pwned_passwords=ranges.url)
    ranges.answer = lambda _: (503, b"")
    account = world.register(username="ann", name="Ann", email="ann@mail.example.com", password=STOLEN)
    assert world.log_in_as("ann", STOLEN).account.id == account.id


def test_rules_of_the_host_application_are_asked() -> None:
    error = FieldError(ErrorCode.TOO_COMMON, "Not this one.")
    world = World(password_rules=lambda password: [error] if "boats" in password else [])
    refusal = outcome(lambda: world.register(username="ann", name="Ann", email="ann@mail.example.com", password=SAFE))
    assert isinstance(refusal, InvalidInput)
    assert refusal.errors == {"password": ["Not this one."]}
