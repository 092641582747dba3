"""Legacy directories: the contract, and the endpoint of an old system over real HTTP."""

import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from time import monotonic
from typing import Any

import pytest
from tests.support.legacy_system import SECRET, LegacySystem, legacy_system
from tests.support.processes import eventually
from tests.support.world import World, outcome

from vestibule.adapters.legacy_directory import BoundedLegacyDirectory, HttpLegacyDirectory, MemoryLegacyDirectory
from vestibule.application import InvalidCredentials, Overloaded, Unavailable
from vestibule.application.ports import ImportRecord, LegacyDirectory, LegacyRefusal
from vestibule.testing.contracts import LegacyDirectoryContract
from vestibule.testing.contracts.legacy_directory import LegacyHarness

PASSWORD = "seven green bicycles of old"


@pytest.fixture
def system() -> Iterator[LegacySystem]:
    with legacy_system() as server:
        yield server


class TestHttpLegacyDirectory(LegacyDirectoryContract):
    @pytest.fixture
    def harness(self, system: LegacySystem) -> LegacyHarness:
        return LegacyHarness(
            HttpLegacyDirectory(system.url, SECRET),
            system.add,
            partial(setattr, system, "answer", system.down),
            partial(setattr, system, "answer", system.checked),
        )


def in_memory(wrap: Callable[[LegacyDirectory], LegacyDirectory] = lambda directory: directory) -> LegacyHarness:
    directory = MemoryLegacyDirectory()

    def add(username: str, email: str, password: str) -> None:
        directory.add(ImportRecord(key=username, place="", username=username, email=email), password)

    return LegacyHarness(wrap(directory), add, lambda: directory.fail_next(Unavailable()))


class TestMemoryLegacyDirectory(LegacyDirectoryContract):
    @pytest.fixture
    def harness(self) -> LegacyHarness:
        return in_memory()


class TestBoundedLegacyDirectory(LegacyDirectoryContract):
    @pytest.fixture
    def harness(self) -> LegacyHarness:
        return in_memory(BoundedLegacyDirectory)


def test_question_names_identifier_password_and_secret(system: LegacySystem) -> None:
    account = system.add("ann", "ann@example.com", PASSWORD, mobile="+491701234567", email_verified=True, created_at=1e9)

    found = HttpLegacyDirectory(system.url, SECRET, name="drf-user:shop").check("ann@example.com", PASSWORD)

    assert system.calls == [{"path": "/check-password?of=vestibule", "identifier": "ann@example.com", "password": PASSWORD}]
    assert found == ImportRecord(
        key="1",
        place="account 1",
        id=account["id"],
        username="ann",
        name="Ann",
        email="ann@example.com",
        mobile="+491701234567",
        email_verified=True,
        created_at=1e9,
    )


def test_wrong_password_and_unknown_identifier_have_answers_of_their_own(system: LegacySystem) -> None:
    system.add("ann", "ann@example.com", PASSWORD)
    directory = HttpLegacyDirectory(system.url, SECRET)
    assert directory.check("ann", "another") is LegacyRefusal.WRONG
    assert directory.check("eve", PASSWORD) is LegacyRefusal.UNKNOWN


RIGHT = {"result": "right", "account": {"key": "17", "username": "ann"}}


def test_members_that_are_not_documented_are_passed_over(system: LegacySystem) -> None:
    system.answer = lambda _: (200, {**RIGHT, "more": 1, "account": {**RIGHT["account"], "is_superuser": True}})  # type: ignore[dict-item]
    found = HttpLegacyDirectory(system.url, SECRET).check("ann", PASSWORD)
    assert found == ImportRecord(key="17", place="account 17", username="ann")


BAD: dict[str, tuple[int, Any]] = {
    "redirect": (302, RIGHT),
    "no content": (204, b""),
    "denied": (401, {"result": "wrong"}),
    "fault": (500, b"<h1>Server Error (500)</h1>"),
    "page": (200, b"<html>"),
    "not UTF-8": (200, b'{"result": "\xff"}'),
    "list": (200, [RIGHT]),
    "no result": (200, {}),
    "another result": (200, {"result": "maybe"}),
    "no account": (200, {"result": "right"}),
    "no key": (200, {"result": "right", "account": {"username": "ann"}}),
    "empty key": (200, {"result": "right", "account": {"key": ""}}),
    "another type": (200, {"result": "right", "account": {"key": "17", "email": 5}}),
    "true as text": (200, {"result": "right", "account": {"key": "17", "is_active": "true"}}),
    "too long": (200, {**RIGHT, "more": "x" * 70_000}),
}


@pytest.mark.parametrize("kind", BAD)
def test_any_other_answer_is_no_answer(kind: str, system: LegacySystem, caplog: pytest.LogCaptureFixture) -> None:
    directory = HttpLegacyDirectory(system.url, SECRET)
    system.answer = lambda _: BAD[kind]

    for _ in range(2):
        with pytest.raises(Unavailable) as failure:
            directory.check("ann", PASSWORD)
        assert failure.value.retry_after == 5
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("the legacy directory is unavailable")
    assert not any(secret in caplog.text for secret in (SECRET, PASSWORD, "ann@", "check-password"))

    system.answer = system.checked
    assert directory.check("ann", PASSWORD) is LegacyRefusal.UNKNOWN
    assert caplog.records[-1].getMessage() == "the legacy directory is available again"


def test_wrong_secret_is_no_answer(system: LegacySystem) -> None:
    with pytest.raises(Unavailable):
        HttpLegacyDirectory(system.url, SECRET[::-1]).check("ann", PASSWORD)


def test_slow_system_is_abandoned(system: LegacySystem) -> None:
    system.answer = system.waits
    began = monotonic()
    with pytest.raises(Unavailable):
        HttpLegacyDirectory(system.url, SECRET, timeout=0.3).check("ann", PASSWORD)
    assert monotonic() - began < 5


def test_system_that_refuses_connections_is_no_answer() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(Unavailable):
        HttpLegacyDirectory(f"http://127.0.0.1:{port}/", SECRET).check("ann", PASSWORD)


@pytest.mark.parametrize(
    "url",
    [
        "http://old.example.org/check",
        "ftp://old.example.org/check",
        "https://user:secret@old.example.org/",
        "https:///check",
        "https://old.example.org:0/",
        "https://old.example.org/#part",
        "https://old.example.org/a b",
        "https://old.example.org/ü",
    ],
)
def test_url_that_would_show_passwords_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="legacy directory") as refused:
        HttpLegacyDirectory(url, SECRET)
    assert "example.org" not in str(refused.value)


def test_certificate_is_verified(tls: ssl.SSLContext) -> None:
    with legacy_system(tls) as system, pytest.raises(Unavailable):
        HttpLegacyDirectory(system.url, SECRET).check("ann", PASSWORD)


@pytest.mark.usefixtures("trusted")
def test_trusted_certificate_is_accepted(tls: ssl.SSLContext) -> None:
    with legacy_system(tls) as system:
        system.add("ann", "ann@example.com", PASSWORD)
        directory = HttpLegacyDirectory(system.url, SECRET)
        assert isinstance(directory.check("ann", PASSWORD), ImportRecord)
        assert repr(directory) == "HttpLegacyDirectory(https://127.0.0.1/…)"


def test_probe_asks_without_identifier_and_password(system: LegacySystem) -> None:
    directory = HttpLegacyDirectory(system.url, SECRET)
    directory.probe()
    assert [(call["identifier"], call["password"]) for call in system.calls] == [("", "")]
    system.answer = lambda _: (200, RIGHT)
    with pytest.raises(ValueError, match="an empty password is right"):
        directory.probe()


def test_calls_beyond_the_bound_are_refused_at_once(system: LegacySystem) -> None:
    system.answer = system.waits
    directory = BoundedLegacyDirectory(HttpLegacyDirectory(system.url, SECRET), limit=2)
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(directory.check, "ann", PASSWORD) for _ in range(2)]
        assert eventually(lambda: len(system.calls) == 2)
        with pytest.raises(Overloaded):
            directory.check("ann", PASSWORD)
        system.go_on.set()
        assert [call.result() for call in waiting] == [LegacyRefusal.UNKNOWN] * 2
    assert directory.check("ann", PASSWORD) is LegacyRefusal.UNKNOWN


def test_settings_name_the_directory(system: LegacySystem) -> None:
    system.add("ann", "ann@mail.example.com", PASSWORD)
    world = World(legacy_directory_url=system.url, legacy_directory_secret=SECRET, legacy_directory_name="shop")

    tokens = world.log_in(username="ann", password=PASSWORD)

    assert world.identity(tokens).account.email is not None
    assert isinstance(outcome(lambda: world.log_in(username="eve", password=PASSWORD)), InvalidCredentials)
    asked = len(system.calls)
    world.log_in(username="ANN@mail.example.com", password=PASSWORD)
    assert len(system.calls) == asked, "the account is here"


def test_slow_system_leaves_threads_to_people_who_are_here(system: LegacySystem) -> None:
    system.answer = system.waits
    world = World(legacy_directory_url=system.url, legacy_directory_secret=SECRET)
    world.create_account("ann")

    def strange_login(number: int) -> Callable[[], Any]:
        return lambda: world.log_in(username=f"stranger{number}", password=PASSWORD)

    with ThreadPoolExecutor(20) as threads:
        logins = [threads.submit(outcome, strange_login(number)) for number in range(20)]
        assert eventually(lambda: sum(login.done() for login in logins) == 12)
        assert all(isinstance(login.result(), Overloaded) for login in logins if login.done())
        world.log_in_as("ann")
        system.go_on.set()
        assert sum(isinstance(login.result(), InvalidCredentials) for login in logins) == 8
