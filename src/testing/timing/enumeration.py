"""The same call for somebody who has an account and for somebody who has none, over and over, with a stopwatch.

The service that is asked is a real one, made for this alone: SQLite on disk, Argon2id at its production cost, the HTTP app with
all limits on. It is asked in this process, without a network between, which is the sharpest view that anybody could have.
"""

import json
from asyncio import sleep
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter, time
from typing import Any

from ...application import Account
from ...entrypoints.container import build
from ...entrypoints.facade import Vestibule
from ...entrypoints.http.app import create_app
from ...entrypoints.settings import Settings

PASSWORD = "nine quiet orange boats"  # noqa: S105 — of accounts that are gone in a minute
WRONG = "000000"
WARM_UP = 10
_SETTLE = 0.03
"""Seconds in which the messages of the pair before are carried out."""

Body = dict[str, Any]
Call = tuple[str, Body]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may have an account; the addresses of all are equally long."""

    number: int

    @property
    def username(self) -> str:
        return f"person{self.number:08}"

    @property
    def email(self) -> str:
        return f"person{self.number:08}@mail.example.com"

    @property
    def beside(self) -> str:
        return f"beside{self.number:08}@mail.example.com"

    @property
    def mobile(self) -> str:
        return f"7{self.number:09}"


@dataclass(frozen=True, slots=True)
class Probe:
    """One comparison: the call that is timed, the calls before it, and what the accounts of those who are known are like."""

    name: str
    call: Callable[[Person], Call]
    status: int
    before: tuple[Callable[[Person], Call], ...] = ()
    is_active: bool = True
    has_password: bool = True
    while_delivering: bool = False


def _login(field: str) -> Callable[[Person], Call]:
    return lambda one: ("/login/", {"username": getattr(one, field), "password": "not the password"})


def _otp(field: str, beside: str | None = None, **more: Any) -> Callable[[Person], Call]:
    def call(one: Person) -> Call:
        return "/otp/", {"destination": getattr(one, field), **({"email": getattr(one, beside)} if beside else {}), **more}

    return call


def _reglogin(**more: Any) -> Callable[[Person], Call]:
    return lambda one: ("/otpreglogin/", {"name": "Somebody", "email": one.email, "mobile": one.mobile, **more})


def _reset(one: Person) -> Call:
    return "/password/reset/", {"email": one.email, "otp": WRONG, "password": PASSWORD}


def _elsewhere(one: Person) -> Call:
    """A call that has nothing to do with them."""
    return "/otp/", {"destination": one.beside, **_GUESS}


_GUESS: Body = {"verify_otp": WRONG}
_ENTER: Body = {"verify_otp": WRONG, "is_login": True}

PROBES = (
    Probe("login-username", _login("username"), 401),
    Probe("login-email", _login("email"), 401),
    Probe("login-mobile", _login("mobile"), 401),
    Probe("login-inactive", _login("username"), 401, is_active=False),
    Probe("login-without-password", _login("username"), 401, has_password=False),
    Probe("otp-send-email", _otp("email"), 201),
    Probe("otp-send-email-login", _otp("email", is_login=True), 201),
    Probe("otp-send-mobile", _otp("mobile"), 201),
    Probe("otp-send-mobile-beside", _otp("mobile", "beside"), 201),
    Probe("otp-send-mobile-login", _otp("mobile", is_login=True), 201),
    Probe("otp-send-email-after-mobile", _otp("email"), 201, before=(_otp("mobile"),)),
    Probe("otp-send-mobile-after-email", _otp("mobile"), 201, before=(_otp("email"),)),
    Probe("otp-send-too-soon", _otp("email"), 429, before=(_otp("email"),)),
    Probe("otp-verify-email", _otp("email", **_GUESS), 403, before=(_otp("email"),)),
    Probe("otp-verify-mobile", _otp("mobile", **_GUESS), 403, before=(_otp("mobile"),)),
    Probe("otp-verify-email-after-mobile", _otp("email", **_GUESS), 403, before=(_otp("mobile"),)),
    Probe("otp-login-email", _otp("email", **_ENTER), 403, before=(_otp("email", is_login=True),)),
    Probe("otp-login-mobile", _otp("mobile", **_ENTER), 403, before=(_otp("mobile", is_login=True),)),
    Probe("otpreglogin-send", _reglogin(), 201),
    Probe("otpreglogin-verify", _reglogin(**_GUESS), 403, before=(_reglogin(),)),
    Probe("reset", _reset, 403, before=(_otp("email"),)),
    Probe("reset-without-code", _reset, 403),
    Probe("next-call-after-email", _elsewhere, 403, before=(_otp("email", is_login=True),), while_delivering=True),
    Probe("next-call-after-mobile", _elsewhere, 403, before=(_otp("mobile"),), while_delivering=True),
)


class Unexpected(Exception):
    """A call was not answered as it has to be for its time to mean anything."""


class Stage:
    """A service with nobody in it yet. All is asked in one event loop."""

    def __init__(self, vestibule: Vestibule) -> None:
        self._rules = vestibule.register.rules
        self._database = vestibule.register.database
        self._app = create_app(vestibule)
        self._password_hash = vestibule.register.hasher.hash(PASSWORD)
        self._chance = Random(1)  # noqa: S311 — who goes first is no secret
        self._people = count()
        self._calls = count()

    async def pairs(self, probe: Probe, samples: int) -> AsyncIterator[tuple[float, float]]:
        """The seconds that the call took for somebody known and for somebody unknown, pair by pair.

        Every call is about somebody new and from an address of its own, so that no limit is met but the one that is probed;
        which of the two goes first is left to chance. The first pairs warm up, and are not answered.
        Raises `Unexpected` where a call was answered otherwise than it has to be for its time to mean anything.
        """
        for at, (known, unknown) in enumerate(self._couples(probe, samples + WARM_UP)):
            order = [known, unknown]
            self._chance.shuffle(order)
            took = {one: await self._timed(probe, one) for one in order}
            if at >= WARM_UP:
                yield took[known], took[unknown]

    def _couples(self, probe: Probe, many: int) -> list[list[Person]]:
        """New people, two by two; the first of each two has an account, and chance says which that is."""
        couples = [[Person(next(self._people)), Person(next(self._people))] for _ in range(many)]
        with self._database.begin() as tx:
            for couple in couples:
                self._chance.shuffle(couple)
                tx.accounts.add(self._account(probe, couple[0]))
        return couples

    def _account(self, probe: Probe, one: Person) -> Account:
        read = self._rules.identifiers
        return Account(
            username=read.username(one.username),
            name="Somebody",
            email=read.email(one.email),
            mobile=read.mobile(one.mobile),
            email_verified=True,
            mobile_verified=True,
            owner_verified=True,
            password_hash=self._password_hash if probe.has_password else None,
            is_active=probe.is_active,
            created_at=time(),
        )

    async def _timed(self, probe: Probe, one: Person) -> float:
        if probe.while_delivering:
            await sleep(_SETTLE)
        for before in probe.before:
            await self._ask(*before(one))
        status, seconds = await self._ask(*probe.call(one))
        if status != probe.status:
            raise Unexpected(f"{probe.name} was answered {status}, not {probe.status}")
        return seconds

    async def _ask(self, path: str, body: Body) -> tuple[int, float]:
        """The status, and the seconds until the whole answer was there."""
        content, statuses = json.dumps(body).encode(), []

        async def receive() -> Any:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope: Any = _scope(path, len(content), next(self._calls))
        begun = perf_counter()
        await self._app(scope, receive, send)
        return statuses[0], perf_counter() - begun


@contextmanager
def stage(*, deliver: bool) -> Iterator[Stage]:
    """On a data directory that is gone afterwards; messages become files in it, if they are delivered at all."""
    with (
        TemporaryDirectory(prefix="vestibule-") as directory,
        build(Settings(data_dir=Path(directory)), deliver=deliver) as vestibule,
    ):
        yield Stage(vestibule)


def _scope(path: str, length: int, caller: int) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"%d" % length)],
        "client": (str(ip_address("10.0.0.0") + caller), 4000),
        "server": ("localhost", 80),
    }
