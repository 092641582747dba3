"""Responses do not reveal accounts: the same calls in a world with an account and in one without it.

Compared are status, every header, body, and the rows that were written, table by table; then again for random calls.
"""

import json
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar.testing import TestClient
from tests.http.conftest import ADA, BOB, AppClient
from tests.support.world import PASSWORD, World

from vestibule.adapters.database import SqlDatabase, migrate, url_of_file
from vestibule.entrypoints.http import create_app

pytestmark = pytest.mark.slow

EMAIL, MOBILE, USERNAME = ADA["email"], ADA["mobile"], ADA["username"]
SECOND_EMAIL, UNKNOWN_MOBILE = "second@mail.example.com", "7777777777"
WRONG = "000000"

Observed = tuple[Any, ...]
Step = Callable[["WatchedClient"], Observed]

ACCOUNTS: dict[str, dict[str, Any]] = {
    "just registered": {},
    "owner verified": {"email_verified": True, "mobile_verified": True, "ever_verified": True},
    "with one verified address": {"mobile_verified": True, "ever_verified": True},
    "inactive": {"is_active": False},
    "without a password": {"password_hash": None},
    "without an email": {"email": None},
    "without a mobile": {"mobile": None},
}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file whose triggers record each change of a row."""
    file = tmp_path_factory.mktemp("empty") / "vestibule.db"
    migrate(f"sqlite:///{file}")
    with closing(sqlite3.connect(file)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        database.execute("CREATE TABLE changes (change TEXT)")
        for table in set(tables) - {"sqlite_sequence", "alembic_version"}:
            for change, noted in (("INSERT", "stored"), ("UPDATE", "stored"), ("DELETE", "deleted")):
                database.execute(
                    f"CREATE TRIGGER note_{change}_{table} AFTER {change} ON {table} "  # noqa: S608 — our own names
                    f"BEGIN INSERT INTO changes VALUES ('{noted} {table}'); END"
                )
        database.commit()
    return file


class WatchedClient:
    """A client of an app, with the changes of its database."""

    def __init__(self, client: AppClient, file: Path) -> None:
        self.client = client
        self._database = sqlite3.connect(file)
        self._seen = 0
        self.written()

    def post(self, path: str, body: dict[str, Any]) -> Observed:
        return (path, *answered(self.client, path, body), self.written())

    def written(self) -> Counter[str]:
        """Returns the number of rows stored and deleted since the last call, by table."""
        rows = self._database.execute("SELECT rowid, change FROM changes WHERE rowid > ?", (self._seen,)).fetchall()
        self._seen = max([self._seen, *(number for number, _ in rows)])
        return Counter(change for _, change in rows)

    def close(self) -> None:
        self._database.close()


def answered(client: AppClient, path: str, body: dict[str, Any]) -> Observed:
    """Returns everything that a caller sees, without the random parts of every response."""
    answer = client.post(path, body)
    headers = sorted((name, value) for name, value in answer.headers.multi_items() if name != "x-request-id")
    return answer.status_code, headers, re.sub(r'(?<="reference":")[0-9A-Z]{4}(?=")', "????", answer.text)


def populated(world: World, fields: dict[str, Any] | None) -> AppClient:
    """Creates Bob, and Ada with `fields` unless they are None."""
    client = AppClient(TestClient(create_app(world)), world)
    world.create_account(**BOB)
    if fields is not None:
        world.alter(world.create_account(**ADA), **fields)
    return client


@contextmanager
def watched(empty: Path, directory: Path, fields: dict[str, Any] | None) -> Iterator[WatchedClient]:
    directory.mkdir()
    file = Path(shutil.copy(empty, directory))
    with (
        SqlDatabase(url_of_file(file)) as database,
        closing(WatchedClient(populated(World(database=database), fields), file)) as client,
    ):
        yield client


def post(path: str, **body: Any) -> Step:
    return lambda watched: watched.post(path, body)


def otp(destination: str, **more: Any) -> Step:
    return post("/otp/", destination=destination, **more)


def reglogin(email: str, mobile: str, **more: Any) -> Step:
    return post("/otpreglogin/", name="New Person", email=email, mobile=mobile, **more)


def wait(seconds: float) -> Step:
    def step(watched: WatchedClient) -> Observed:
        watched.client.world.clock.advance(seconds)
        return ()

    return step


def deliver(watched: WatchedClient) -> Observed:
    """Delivers: decoys change as many rows as messages."""
    return watched.client.world.deliver_messages(), watched.written()


def login(username: str) -> list[Step]:
    """Reaches the limit per identity and network, exceeds it, waits for its end, and reaches the limit per network."""
    again = post("/login/", username=username, password="not the password")
    return [*[again, wait(7)] * 7, wait(260), again, again, wait(1), *[again] * 7]


def send_up_to_the_limit(send: Step) -> list[Step]:
    """Sends as many codes as a destination may get in a day, with refusals in between and after."""
    return [
        send,
        send,
        deliver,
        wait(59),
        send,
        wait(1),
        *[send, wait(60)] * 5,
        wait(3300),
        *[send, wait(60)] * 6,
        wait(80_000),
        send,
    ]


def guesses(destination: str) -> list[Step]:
    code = {"verify_otp": WRONG}
    tries = [otp(destination, **code), otp(destination, is_login=True, **code)]
    if "@" in destination:
        tries.append(post("/password/reset/", email=destination, otp=WRONG, password=PASSWORD))
    return [*tries * 3, wait(300), *tries]


SCENARIOS: dict[str, list[Step]] = {
    "login by username": login(USERNAME),
    "login by email": login(EMAIL),
    "login by mobile": login(MOBILE),
    "codes to an email": send_up_to_the_limit(otp(EMAIL)),
    "login codes to an email": send_up_to_the_limit(otp(EMAIL, is_login=True)),
    "codes to a mobile": send_up_to_the_limit(otp(MOBILE)),
    "login codes to a mobile": send_up_to_the_limit(otp(MOBILE, is_login=True)),
    "codes to a mobile with an email": send_up_to_the_limit(otp(MOBILE, email=SECOND_EMAIL)),
    "codes to a mobile with the email of its owner": send_up_to_the_limit(otp(MOBILE, email=EMAIL)),
    "login codes to a mobile with an email": send_up_to_the_limit(otp(MOBILE, email=SECOND_EMAIL, is_login=True)),
    "codes to register or log in": send_up_to_the_limit(reglogin(EMAIL, MOBILE)),
    "codes to register or log in, of another mobile": send_up_to_the_limit(reglogin(EMAIL, UNKNOWN_MOBILE)),
    "codes to register or log in, of another account's mobile": send_up_to_the_limit(reglogin(EMAIL, BOB["mobile"])),
    "guesses without a code": [*guesses(EMAIL), *guesses(MOBILE), reglogin(EMAIL, MOBILE, verify_otp=WRONG)],
    "guesses at codes to an email": [otp(EMAIL), *guesses(EMAIL)],
    "more guesses than a caller has": [otp(EMAIL), *[otp(EMAIL, verify_otp=WRONG)] * 31, *guesses(EMAIL)],
    "guesses at login codes to an email": [otp(EMAIL, is_login=True), *guesses(EMAIL)],
    "guesses at codes to a mobile": [otp(MOBILE), *guesses(MOBILE)],
    "guesses at login codes to a mobile": [otp(MOBILE, is_login=True), *guesses(MOBILE)],
    "guesses at codes to a mobile with an email": [otp(MOBILE, email=SECOND_EMAIL), *guesses(MOBILE), *guesses(SECOND_EMAIL)],
    "guesses to register or log in": [reglogin(EMAIL, MOBILE), *[reglogin(EMAIL, MOBILE, verify_otp=WRONG)] * 7],
    "guesses to register or log in, of two people": [
        reglogin(EMAIL, BOB["mobile"]),
        *[reglogin(EMAIL, BOB["mobile"], verify_otp=WRONG)] * 7,
    ],
    "guesses for another purpose": [otp(EMAIL), reglogin(EMAIL, MOBILE, verify_otp=WRONG), wait(60), *guesses(MOBILE)],
    "resets without a code": [post("/password/reset/", email=EMAIL, otp=WRONG, password=PASSWORD)] * 7,
    "resets to a bad password": [post("/password/reset/", email=EMAIL, otp=WRONG, password=bad) for bad in ("ada", "x" * 300)],
    "resets to a password of the own data of the account": [
        otp(EMAIL),
        post("/password/reset/", email=EMAIL, otp=WRONG, password="Ada Lovelace 1"),
    ],
    "a mobile after its owner's email": [otp(EMAIL), wait(1), otp(MOBILE), deliver, wait(59), otp(EMAIL), otp(MOBILE)],
    "an email after its owner's mobile": [otp(MOBILE), wait(1), otp(EMAIL), deliver, otp(EMAIL), wait(59), otp(MOBILE)],
    "a mobile whose owner's email has reached its limit": [
        *[otp(EMAIL), wait(60)] * 6,
        *[otp(MOBILE), otp(MOBILE), deliver] * 2,
    ],
    "an email that has reached its limit by its owner's mobile": [
        *[otp(MOBILE), wait(60)] * 6,
        otp(EMAIL),
        otp(EMAIL),
        deliver,
    ],
    "guesses at an email after its owner's mobile": [otp(MOBILE), *[step for step in guesses(EMAIL) for _ in range(2)]],
    "an email to register or log in after its owner's mobile": [otp(MOBILE), wait(1), reglogin(EMAIL, UNKNOWN_MOBILE), deliver],
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_responses_and_writes_are_the_same_whether_an_account_exists(scenario: str, empty: Path, tmp_path: Path) -> None:
    with watched(empty, tmp_path / "without_account", None) as without_account:
        expected = [step(without_account) for step in SCENARIOS[scenario]]
    for name in ACCOUNTS if scenario.startswith("login by") else ("owner verified", "inactive", "without an email"):
        with watched(empty, tmp_path / name, ACCOUNTS[name]) as with_account:
            for at, step in enumerate(SCENARIOS[scenario]):
                assert step(with_account) == expected[at], f"step {at}, an account {name}"


def test_scenarios_cover_every_outcome(empty: Path, tmp_path: Path) -> None:
    """Guards against scenarios that compare only refusals: calls are accepted, refused and limited, and write rows."""
    statuses, changes = set(), Counter[str]()
    for number, steps in enumerate(SCENARIOS.values()):
        with watched(empty, tmp_path / str(number), {}) as with_account:
            observed = [step(with_account) for step in steps]
        calls = [response for response in observed if len(response) > 2]
        statuses |= {(path, status) for path, status, *_ in calls}
        changes += sum((written for *_, written in calls), Counter[str]())

    assert statuses == {
        *(("/login/", status) for status in (401, 429)),
        *(("/otp/", status) for status in (201, 403, 429)),
        *(("/otpreglogin/", status) for status in (201, 403, 429)),
        *(("/password/reset/", status) for status in (400, 403, 429)),
    }
    assert {change.split()[1] for change in changes} == {"rate_limits", "challenges", "outbox", "audit_log"}


EMAILS = (EMAIL, SECOND_EMAIL, BOB["email"])
MOBILES = (MOBILE, UNKNOWN_MOBILE, BOB["mobile"])
calls = st.one_of(
    st.fixed_dictionaries({"username": st.sampled_from((USERNAME, EMAIL, MOBILE)), "password": st.just("not the password")}),
    st.fixed_dictionaries(
        {"destination": st.sampled_from(EMAILS + MOBILES)},
        optional={"email": st.sampled_from(EMAILS), "is_login": st.booleans(), "verify_otp": st.just(WRONG)},
    ),
    st.fixed_dictionaries(
        {"name": st.just("New Person"), "email": st.sampled_from(EMAILS), "mobile": st.sampled_from(MOBILES)},
        optional={"verify_otp": st.just(WRONG)},
    ),
    st.fixed_dictionaries({"email": st.sampled_from(EMAILS), "otp": st.just(WRONG), "password": st.just(PASSWORD)}),
)
pauses = st.sampled_from((0.0, 1.0, 59.0, 60.0, 299.0, 3600.0, 40_000.0))


def path_of(body: dict[str, Any]) -> str:
    fields = {"username": "/login/", "destination": "/otp/", "name": "/otpreglogin/", "otp": "/password/reset/"}
    return next(path for field, path in fields.items() if field in body)


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(account=st.sampled_from(sorted(ACCOUNTS)), asked=st.lists(st.tuples(pauses, calls), min_size=5, max_size=40))
def test_random_calls_do_not_reveal_accounts(account: str, asked: list[tuple[float, dict[str, Any]]]) -> None:
    clients = populated(World(), ACCOUNTS[account]), populated(World(), None)
    for pause, body in asked:
        for client in clients:
            client.world.clock.advance(pause)
        with_account, without_account = (answered(client, path_of(body), body) for client in clients)
        assert with_account == without_account, json.dumps(body)


def test_right_password_of_inactive_account_is_refused_like_a_wrong_one(empty: Path, tmp_path: Path) -> None:
    observed = []
    for number, fields in enumerate((ACCOUNTS["inactive"], None)):
        with watched(empty, tmp_path / str(number), fields) as client:
            observed.append([client.post("/login/", {"username": USERNAME, "password": PASSWORD}) for _ in range(7)])
    assert observed[0] == observed[1]
