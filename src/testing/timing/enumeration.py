"""Times the same call for accounts that exist and for accounts that do not.

The service is complete and temporary: the HTTP app with all limits on, over SQLite on disk or over PostgreSQL, with Argon2id at
its production cost; or over the `World` of tests, in memory, with a fast hasher. Calls are made in this process, without a
network, which is the most precise view that an attacker could have.
"""

import json
from asyncio import sleep
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import pbkdf2_hmac
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from random import Random
from secrets import token_urlsafe
from tempfile import TemporaryDirectory
from time import perf_counter, time
from typing import Any

from ...adapters.database import migrate
from ...application import Account, AddressKind, Session, Suspension
from ...domain.ownership import with_addresses
from ...domain.rate_limits import DAY
from ...entrypoints.container import build
from ...entrypoints.facade import Vestibule
from ...entrypoints.http.app import create_app
from ...entrypoints.settings import Settings
from ..world import World

PASSWORD = "nine quiet orange boats"  # noqa: S105 — of accounts that exist for a minute
WRONG = "000000"
WARM_UP = 10
_SETTLE = 0.03
"""Seconds in which the messages of the previous pair are delivered."""

Subject = dict[str, str]
"""The identifiers of a possible account. Those of all subjects are equally long."""

Call = tuple[str, dict[str, Any]]
"""A path and a body. Texts in it name the identifiers of a subject in braces, as in `"{email}"`."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A comparison: the timed call, its status, the call before it, and the properties of the known accounts.

    `account` has values that differ from those of an active account with two verified addresses. With `is_network_known` both
    calls of a pair come from a network that the known account knows. With `is_for_closed` the call is alike only where
    registration is closed or by invitation. With `is_half_imported` every second account has the password hash of another
    system, which costs several times as much, and there are no other accounts.
    """

    name: str
    call: Call
    status: int
    before: Call | None = None
    account: Mapping[str, Any] = field(default_factory=dict)
    has_password: bool = True
    is_network_known: bool = False
    while_delivering: bool = False
    is_for_closed: bool = False
    is_half_imported: bool = False


def _login(username: str) -> Call:
    return "/login/", {"username": username, "password": "not the password"}


def _otp(destination: str, **more: Any) -> Call:
    return "/otp/", {"destination": destination, **more}


def _reglogin(**more: Any) -> Call:
    return "/otpreglogin/", {"name": "Full Name", "email": "{email}", "mobile": "{mobile}", **more}


_GUESS = {"verify_otp": WRONG}
_LOGIN_GUESS = {"verify_otp": WRONG, "is_login": True}
_RESET: Call = ("/password/reset/", {"email": "{email}", "otp": WRONG, "password": PASSWORD})
_UNRELATED_CHECK = _otp("{companion}", **_GUESS)  # does not concern the subject
_MAIL, _MAIL_LOGIN = _otp("{email}"), _otp("{email}", is_login=True)
_TEXT, _TEXT_LOGIN = _otp("{mobile}"), _otp("{mobile}", is_login=True)

_RECOVERY = {"is_replaced": True}
_UNVERIFIED = {"email_verified": False}
_RELEASED = {"email": None, "email_verified": False}
_TO_BE_DELETED = {"deletion_due_at": time() + DAY}
_SUSPENDED = {"is_active": False, "suspension": Suspension(since=time(), until=time() + DAY, reason="spam")}
_REGISTRATION = {"username": "{username}", "name": "Full Name", "email": "{email}", "mobile": "{mobile}", "password": PASSWORD}

PROBES = (
    Probe("login-half-imported", _login("{email}"), 401, is_half_imported=True),
    Probe("login-username", _login("{username}"), 401),
    Probe("login-email", _login("{email}"), 401),
    Probe("login-mobile", _login("{mobile}"), 401),
    Probe("login-inactive", _login("{username}"), 401, account={"is_active": False}),
    Probe("login-suspended", _login("{username}"), 401, account=_SUSPENDED),
    Probe("login-without-password", _login("{username}"), 401, has_password=False),
    Probe("login-known-network", _login("{email}"), 401, is_network_known=True),
    Probe("login-to-be-deleted", _login("{email}"), 401, account=_TO_BE_DELETED),
    Probe("otp-send-email", _MAIL, 201),
    Probe("otp-send-email-login", _MAIL_LOGIN, 201),
    Probe("otp-send-mobile", _TEXT, 201),
    Probe("otp-send-mobile-companion", _otp("{mobile}", email="{companion}"), 201),
    Probe("otp-send-mobile-login", _TEXT_LOGIN, 201),
    Probe("otp-send-email-after-mobile", _MAIL, 201, before=_TEXT),
    Probe("otp-send-mobile-after-email", _TEXT, 201, before=_MAIL),
    Probe("otp-send-too-soon", _MAIL, 429, before=_MAIL),
    Probe("otp-send-known-network", _MAIL, 201, is_network_known=True),
    Probe("otp-send-mobile-known-network", _TEXT, 201, is_network_known=True),
    Probe("otp-send-recovery", _MAIL, 201, account=_RECOVERY),
    Probe("otp-send-unverified", _MAIL, 201, account=_UNVERIFIED),
    Probe("otp-send-released", _MAIL, 201, account=_RELEASED),
    Probe("otp-send-to-be-deleted", _MAIL, 201, account=_TO_BE_DELETED),
    Probe("otp-verify-email", _otp("{email}", **_GUESS), 403, before=_MAIL),
    Probe("otp-verify-mobile", _otp("{mobile}", **_GUESS), 403, before=_TEXT),
    Probe("otp-verify-email-after-mobile", _otp("{email}", **_GUESS), 403, before=_TEXT),
    Probe("otp-login-email", _otp("{email}", **_LOGIN_GUESS), 403, before=_MAIL_LOGIN),
    Probe("otp-login-mobile", _otp("{mobile}", **_LOGIN_GUESS), 403, before=_TEXT_LOGIN),
    Probe("otp-verify-known-network", _otp("{email}", **_GUESS), 403, before=_MAIL, is_network_known=True),
    Probe("otp-login-recovery", _otp("{email}", **_LOGIN_GUESS), 403, before=_MAIL, account=_RECOVERY),
    Probe("otp-login-unverified", _otp("{email}", **_LOGIN_GUESS), 403, before=_MAIL, account=_UNVERIFIED),
    Probe("otpreglogin-send", _reglogin(), 201),
    Probe("otpreglogin-send-known-network", _reglogin(), 201, is_network_known=True),
    Probe("otpreglogin-verify", _reglogin(**_GUESS), 403, before=_reglogin()),
    Probe("reset", _RESET, 403, before=_MAIL),
    Probe("reset-without-code", _RESET, 403),
    Probe("reset-known-network", _RESET, 403, before=_MAIL, is_network_known=True),
    Probe("reset-recovery", _RESET, 403, before=_MAIL, account=_RECOVERY),
    Probe("register", ("/register/", _REGISTRATION), 400, is_for_closed=True),
    Probe("next-call-after-email", _UNRELATED_CHECK, 403, before=_MAIL_LOGIN, while_delivering=True),
    Probe("next-call-after-mobile", _UNRELATED_CHECK, 403, before=_TEXT, while_delivering=True),
)


def probes_for(registration: str) -> Sequence[Probe]:
    """The probes of a service with that `VESTIBULE_REGISTRATION`."""
    return [probe for probe in PROBES if not probe.is_for_closed or registration != "open"]


class UnexpectedStatus(Exception):
    """A call returned another status than the probe needs, so that its time means nothing."""


def django_hash(password: str, iterations: int = 390_000) -> str:
    """Returns a hash as Django 4.1 stores it."""
    tag = pbkdf2_hmac("sha256", password.encode(), b"salt of a test", iterations)
    return f"pbkdf2_sha256${iterations}$salt of a test${b64encode(tag).decode()}"


_SECRET = token_urlsafe(32)
"""Encrypts the keys in a database of PostgreSQL."""

_numbers = count()  # of subjects, over all services: they may share a database


class Service:
    """A service without accounts at first. All calls are made in one event loop."""

    def __init__(self, vestibule: Vestibule) -> None:
        self._rules = vestibule.register.rules
        self._database = vestibule.register.database
        self._app = create_app(vestibule)
        self._clock = vestibule.clock
        self._password_hash = vestibule.register.hasher.hash(PASSWORD)
        self._imported_hash = django_hash(PASSWORD)
        self._random = Random(1)  # noqa: S311 — the order of calls is not a secret
        self._networks = map(_network, count())

    async def pairs(self, probe: Probe, samples: int) -> AsyncIterator[tuple[float, float]]:
        """Yields the seconds of the call for a known and for an unknown subject, pair by pair.

        Every call concerns a new subject and comes from an address of its own, so that no limit applies but the probed one. The
        order within a pair is random. The first pairs warm up and are not yielded. Raises `UnexpectedStatus`.
        """
        pairs = self._new_pairs(probe, samples + WARM_UP)
        for at, (known, unknown) in enumerate(pairs):
            order = [known, unknown]
            self._random.shuffle(order)
            network = next(self._networks) if probe.is_network_known else None
            if network is not None:
                self._begin_session(known, network)
            seconds = {one["username"]: await self._timed(probe, one, network) for one in order}
            if at >= WARM_UP:
                yield seconds[known["username"]], seconds[unknown["username"]]
        if probe.is_half_imported:  # for the probes that follow in the same database
            self._rehash(known for known, _ in pairs)

    def _new_pairs(self, probe: Probe, number: int) -> list[list[Subject]]:
        """Returns pairs of new subjects. The first of each pair, chosen at random, has an account."""
        pairs = [[_subject(next(_numbers)), _subject(next(_numbers))] for _ in range(number)]
        with self._database.begin() as tx:
            for at, pair in enumerate(pairs):
                self._random.shuffle(pair)
                is_imported = probe.is_half_imported and at % 2 == 1
                tx.accounts.add(self._account(probe, pair[0], self._imported_hash if is_imported else self._password_hash))
        return pairs

    def _rehash(self, subjects: Iterable[Subject]) -> None:
        """Gives the accounts hashes of the service's own, as logins would."""
        with self._database.begin() as tx:
            for one in subjects:
                found = tx.accounts.by_login(self._rules.identifiers.login(one["username"]))
                account = found and tx.accounts.lock(found.id)
                if account:
                    tx.accounts.save(replace(account, password_hash=self._password_hash))

    def _account(self, probe: Probe, one: Subject, password_hash: str) -> Account:
        identifiers, now, special = self._rules.identifiers, self._clock(), dict(probe.account)
        is_replaced = special.pop("is_replaced", False)
        account = Account(
            username=identifiers.username(one["username"]),
            name="Full Name",
            email=identifiers.email(one["email"]),
            mobile=identifiers.mobile(one["mobile"]),
            email_verified=True,
            mobile_verified=True,
            ever_verified=True,
            password_hash=password_hash if probe.has_password else None,
            created_at=now,
        )
        if is_replaced:
            return with_addresses(account, {AddressKind.EMAIL: identifiers.email(f"new.{one['email']}")}, now, DAY)
        return replace(account, **special)

    def _begin_session(self, known: Subject, network: str) -> None:
        """Makes the network known to the account."""
        now = self._clock()
        account = self._database.accounts.by_login(self._rules.identifiers.login(known["username"]))
        assert account is not None  # noqa: S101 — it was added before
        session = Session(
            id=known["username"],
            account_id=account.id,
            created_at=now,
            refreshed_at=now,
            expires_at=now + 86_400.0,
            network=network,
        )
        with self._database.begin() as tx:
            tx.sessions.add(session, keep=1)

    async def _timed(self, probe: Probe, one: Subject, network: str | None) -> float:
        if probe.while_delivering:
            await sleep(_SETTLE)
        if probe.before:
            await self._call(probe.before, one, network)
        status, seconds = await self._call(probe.call, one, network)
        if status != probe.status:
            raise UnexpectedStatus(f"{probe.name} returned status {status}, not {probe.status}")
        return seconds

    async def _call(self, call: Call, one: Subject, network: str | None) -> tuple[int, float]:
        """Returns the status, and the seconds until the response is complete. Without `network` the call has one of its own."""
        path, fields = call
        body = {name: value.format_map(one) if isinstance(value, str) else value for name, value in fields.items()}
        content, statuses = json.dumps(body).encode(), []

        async def receive() -> Any:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope: Any = _scope(path, len(content), network or next(self._networks))
        started = perf_counter()
        await self._app(scope, receive, send)
        return statuses[0], perf_counter() - started


@contextmanager
def temporary_service(
    *, run_workers: bool, database_url: str | None = None, in_memory: bool = False, registration: str = "open"
) -> Iterator[Service]:
    """Yields a service on a temporary data directory. Messages become files in it, if they are delivered at all.

    The accounts stay in the PostgreSQL database of `database_url`, if one is given, and so do the keys: later services of this
    process on it need them. `in_memory` is for the `World` of tests, which delivers no messages by itself.
    """
    if in_memory:
        yield Service(World(registration=registration))
        return
    settings = Settings(database_url=database_url, registration=registration)
    if database_url is not None:
        migrate(database_url)
        settings = replace(settings, secret=(_SECRET,))
    with (
        TemporaryDirectory(prefix="vestibule-") as directory,
        build(replace(settings, data_dir=Path(directory)), run_workers=run_workers) as vestibule,
    ):
        yield Service(vestibule)


def _network(number: int) -> str:
    return str(ip_address("10.0.0.0") + number)


def _subject(number: int) -> Subject:
    name, companion, domain = f"person{number:08}", f"friend{number:08}", "mail.example.com"
    return {"username": name, "email": f"{name}@{domain}", "companion": f"{companion}@{domain}", "mobile": f"7{number:09}"}


def _scope(path: str, length: int, network: str) -> dict[str, Any]:
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
        "client": (network, 4000),
        "server": ("localhost", 80),
    }
