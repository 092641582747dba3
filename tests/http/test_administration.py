"""The calls of operators: who may make each of them, and what they answer."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from itertools import pairwise
from typing import Any
from zipfile import ZipFile

import pytest
from litestar.handlers import HTTPRouteHandler
from tests.http.conftest import URN, AppClient, OpenClient, call_asgi, vestibule_of
from tests.support.documents import DOCS
from tests.support.world import OTHER_PASSWORD, PASSWORD, PNG, BusyDatabase

from vestibule.application import PERMISSIONS, PROGRAM, Refusal, Unavailable
from vestibule.application.ports import Channel, Message
from vestibule.entrypoints.http import create_app
from vestibule.entrypoints.http.app import ADMINISTRATION
from vestibule.entrypoints.http.openapi import operation_of, path_of
from vestibule.entrypoints.http.problems import STATUS

DAY = 86_400
REASON = "Asked for by mail."
ROOT = "root"


@dataclass(frozen=True)
class Call:
    """A call, as the tests make it: the role that it wants, its status, and its body."""

    role: str
    status: int
    body: dict[str, Any] | None = None

    @property
    def changes(self) -> bool:
        return self.body is not None


ACTION = {"reason": REASON}
CALLS: dict[tuple[str, str], Call] = {
    ("GET", "/admin/accounts/"): Call("staff", 200),
    ("GET", "/admin/accounts/{account_id}/"): Call("staff", 200),
    ("PATCH", "/admin/accounts/{account_id}/"): Call("superuser", 200, ACTION | {"name": "Somebody Else"}),
    ("DELETE", "/admin/accounts/{account_id}/"): Call("superuser", 204, ACTION),
    ("POST", "/admin/accounts/{account_id}/suspend/"): Call("staff", 200, ACTION),
    ("POST", "/admin/accounts/{account_id}/reinstate/"): Call("staff", 200, ACTION),
    ("POST", "/admin/accounts/{account_id}/unlock/"): Call("staff", 200, ACTION),
    ("POST", "/admin/accounts/{account_id}/sign-out/"): Call("staff", 200, ACTION),
    ("POST", "/admin/accounts/{account_id}/reset/"): Call("superuser", 202, ACTION),
    ("PATCH", "/admin/accounts/{account_id}/roles/"): Call("superuser", 200, ACTION | {"roles": ["editor"]}),
    ("POST", "/admin/accounts/{account_id}/export/"): Call("superuser", 200, ACTION),
    ("POST", "/admin/addresses/release/"): Call("superuser", 200, ACTION | {"address": "loose@mail.example.com"}),
    ("GET", "/admin/audit/"): Call("staff", 200),
    ("GET", "/admin/outbox/"): Call("staff", 200),
    ("POST", "/admin/outbox/retry/"): Call("superuser", 200, ACTION),
    ("DELETE", "/admin/outbox/"): Call("superuser", 200, ACTION),
    ("POST", "/admin/outbox/{message_id}/retry/"): Call("superuser", 200, ACTION),
    ("DELETE", "/admin/outbox/{message_id}/"): Call("superuser", 204, ACTION),
    ("GET", "/admin/summary/"): Call("staff", 200),
}
EVERY_CALL = pytest.mark.parametrize(("route", "call"), CALLS.items(), ids=[f"{method} {path}" for method, path in CALLS])
CHANGES = {route: call for route, call in CALLS.items() if call.changes}
EVERY_CHANGE = pytest.mark.parametrize(("route", "call"), CHANGES.items(), ids=[f"{method} {path}" for method, path in CHANGES])

Route = tuple[str, str]


class Office:
    """A world with an account of each role, and a message in the outbox that failed once and one that failed for good."""

    def __init__(self, client: AppClient) -> None:
        self.client, self.world = client, client.world
        world = self.world
        world.create_superuser(username=ROOT, name="Root", email="root@mail.example.com", password=OTHER_PASSWORD)
        self.accounts = {
            "superuser": world.alter(world.create_account("sue"), is_superuser=True),
            "staff": world.alter(world.create_account("sam"), is_staff=True),
            "ordinary": world.create_account("ann"),
            "other superuser": world.alter(world.create_account("ulf"), is_superuser=True),
            "other staff": world.alter(world.create_account("tom"), is_staff=True),
            "loose": world.create_account("loose"),
        }
        now = world.clock()
        with world.database.begin() as tx:
            for name in ("waiting", "hopeless"):
                tx.outbox.add(
                    Message(
                        id=name,
                        channel=Channel.EMAIL,
                        recipient="ann@mail.example.com",
                        template="notice",
                        not_before=now,
                        expires_at=now + 30 * DAY,
                    )
                )
            tx.outbox.count_failure("waiting", now + 60)
            tx.outbox.mark_failed("hopeless", "The mail server refused it.")

    def token(self, name: str) -> str:
        return str(self.client.tokens(self.accounts[name].username.text, PASSWORD)["token"])

    def make(self, route: Route, call: Call, *, target: str = "ordinary", **more: Any) -> Any:
        method, path = route
        body = more.pop("body", call.body)
        path = path.format(account_id=self.accounts[target].id if target in self.accounts else target, message_id="waiting")
        return self.client.call(method, path, body, **more)

    def prepare(self, route: Route, target: str) -> None:
        """Suspends an account that is to be reinstated, unless it makes the call."""
        if route[1].endswith("/reinstate/") and target in {"ordinary", "other staff", "other superuser"}:
            self.world.suspend_account(operator=PROGRAM, account_id=self.accounts[target].id, reason=REASON)

    def stored(self) -> object:
        """Everything that a change would change."""
        accounts = {name: self.world.database.accounts.get(account.id) for name, account in self.accounts.items()}
        return accounts, list(self.world.list_messages()), self.world.database.audit_log.last_position()


@pytest.fixture
def office(open_client: OpenClient) -> Office:
    return Office(open_client(docs=False))


def slug(answer: Any) -> str:
    return str(answer.json()["type"]).removeprefix(URN)


def is_of_an_account(route: Route) -> bool:
    return "{account_id}" in route[1]


# --- who may make which call ------------------------------------------------------------------------------------------


def test_table_has_every_route() -> None:
    assert sorted(CALLS) == sorted((method, path_of(handler)) for handler in ADMINISTRATION for method in handler.http_methods)


def test_documentation_lists_every_route_with_its_role() -> None:
    section = (DOCS / "api.md").read_text().partition("## Administration\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([A-Z]+) (/\S+)`[^|]*\| (\w+) \| (\d+)", section, re.MULTILINE)
    listed = {(method, path): (role, int(status)) for method, path, role, status in rows}
    assert listed == {route: (call.role, call.status) for route, call in CALLS.items()}


def test_every_use_case_of_operators_has_a_route_or_is_part_of_one() -> None:
    declared = {operation_of(handler).summary for handler in ADMINISTRATION}
    assert len(declared) == len(CALLS)
    without_call = {"SetActive", "SetAddress", "IdentifyAccount", "CreateSuperuser", "ImportAccounts", "ImportImages"}
    roles = [permission.role.name.lower() for name, permission in PERMISSIONS.items() if name not in without_call]
    twice = ["superuser", "superuser"]  # messages are retried and dropped one by one, or all that failed
    assert sorted(roles + twice) == sorted(call.role for call in CALLS.values())


@EVERY_CALL
def test_call_does_not_exist_for_strangers(route: Route, call: Call, office: Office) -> None:
    office.world.suspend_account(operator=PROGRAM, account_id=office.accounts["other staff"].id, reason=REASON)
    expired = office.token("superuser")
    office.world.clock.advance(301)
    ended = office.token("superuser")
    office.client.post("/logout/", token=ended)
    tokens = {
        "without a token": None,
        "with junk": "junk",
        "with an expired token": expired,
        "with the token of an ended session": ended,
        "of an ordinary account": office.token("ordinary"),
    }
    before = office.stored()
    for who, token in tokens.items():
        for path in (route[1], route[1].rstrip("/")):
            for method in (route[0], "OPTIONS", "HEAD", "PUT", "FOO"):
                unknown = office.client.call(method, "/nowhere/", call.body, token=token)
                answer = office.make((method, path), call, token=token)
                assert (
                    (answer.status_code, answer.content) == (unknown.status_code, unknown.content) == (404, unknown.content)
                ), who
                assert without_id(answer.headers) == without_id(unknown.headers)
    assert office.stored() == before


def without_id(headers: Any) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name != "x-request-id"]


@EVERY_CALL
@pytest.mark.parametrize("caller", ["staff", "superuser"])
def test_role_and_target_decide(route: Route, call: Call, caller: str, office: Office) -> None:
    token = office.token(caller)
    targets = ("other superuser", "other staff", caller, "ordinary") if is_of_an_account(route) else ("ordinary",)
    for target in targets:
        office.prepare(route, target)
        before = office.stored()
        answer = office.make(route, call, target=target, token=token)
        is_above = caller == "superuser" or (call.role == "staff" and (target == "ordinary" or not call.changes))
        if is_above and not (target == caller and call.changes):
            assert answer.status_code == call.status, (target, answer.text)
            assert call.changes is (office.stored() != before)
        else:
            assert (answer.status_code, slug(answer)) == (403, "not-permitted"), target
            assert office.stored() == before
        assert answer.headers["cache-control"] == "no-store"


@EVERY_CHANGE
def test_change_wants_a_fresh_login_or_the_password(route: Route, call: Call, office: Office) -> None:
    refresh = office.client.tokens("sue")["refresh_token"]
    office.world.clock.advance(3601)
    token = office.client.post("/refresh-token/", {"refresh": refresh}).json()["token"]
    before = office.stored()
    refused = office.make(route, call, token=token)
    assert (refused.status_code, slug(refused)) == (401, "login-not-fresh")
    assert 'max_age="3600"' in refused.headers["www-authenticate"]
    assert office.stored() == before
    wrong = office.make(route, call, token=token, body={**(call.body or {}), "current_password": OTHER_PASSWORD})
    assert (wrong.status_code, slug(wrong)) == (401, "invalid-credentials")
    given = office.make(route, call, token=token, body={**(call.body or {}), "current_password": PASSWORD})
    assert given.status_code == call.status, given.text


@EVERY_CHANGE
def test_audit_log_names_actor_and_reason_of_each_change(route: Route, call: Call, office: Office) -> None:
    token = office.token("superuser")
    office.prepare(route, "ordinary")
    before = office.world.database.audit_log.last_position()
    assert office.make(route, call, token=token).status_code == call.status
    events = office.client.call("GET", "/admin/audit/", token=token).json()["events"]
    made = [event for event in events if event["id"] > before and event["actor"]]
    assert {event["actor"] for event in made} == {f"account {office.accounts['superuser'].id}"}
    assert made[0]["reason"] == REASON
    assert all(event["account_id"] or "outbox" in route[1] for event in made)


@EVERY_CALL
def test_reads_change_nothing_and_no_answer_has_a_secret(route: Route, call: Call, office: Office) -> None:
    client = office.client
    ann = client.tokens("ann")
    client.post("/upload-image/", token=ann["token"], files={"profile_image": ("me.png", PNG, "image/png")})
    codes = [client.code("ann@mail.example.com"), client.code("stranger@mail.example.com")]
    proof = client.post("/otp/", {"destination": "stranger@mail.example.com", "verify_otp": codes[1]}).json()["proof"]
    client.world.clock.advance(61)
    tokens = client.tokens("sue")
    secrets = [PASSWORD, OTHER_PASSWORD, proof, *codes]
    secrets += [one[name] for one in (ann, tokens) for name in ("token", "refresh_token")]
    secrets += [hashed for account in office.accounts.values() if (hashed := account.password_hash)]
    body = None if call.body is None else {**call.body, "current_password": PASSWORD}
    answer = office.make(route, call, token=tokens["token"], body=body)
    assert answer.status_code == call.status
    text = str(answer.headers) + (unzipped(answer.content) if "zip" in answer.headers.get("content-type", "") else answer.text)
    assert [secret for secret in secrets if secret in text] == []


def unzipped(content: bytes) -> str:
    with ZipFile(BytesIO(content)) as archive:
        return "".join(archive.read(name).decode("latin-1") for name in archive.namelist())


# --- refusals ---------------------------------------------------------------------------------------------------------

Provoke = Callable[[Office, Route, Call], Any]


def as_superuser(office: Office, route: Route, call: Call, **more: Any) -> Any:
    return office.make(route, call, token=office.token("superuser"), **more)


def with_bad_input(office: Office, route: Route, call: Call) -> Any:
    if call.changes:
        return as_superuser(office, route, call, body={**(call.body or {}), "reason": 7})
    return as_superuser(office, (route[0], f"{route[1]}?limit=0"), call)


def with_wrong_password(office: Office, route: Route, call: Call) -> Any:
    return as_superuser(office, route, call, body={**(call.body or {}), "current_password": OTHER_PASSWORD})


def with_old_login(office: Office, route: Route, call: Call) -> Any:
    refresh = office.client.tokens("sue")["refresh_token"]
    office.world.clock.advance(3601)
    token = office.client.post("/refresh-token/", {"refresh": refresh}).json()["token"]
    return office.make(route, call, token=token)


def by_staff_for_superuser(office: Office, route: Route, call: Call) -> Any:
    return office.make(route, call, target="superuser", token=office.token("staff"))


def with_unknown_account(office: Office, route: Route, call: Call) -> Any:
    body = call.body if is_of_an_account(route) else {"address": "stranger@mail.example.com"}
    return as_superuser(office, route, call, target="999", body=body)


def with_a_session_that_ends_meanwhile(office: Office, route: Route, call: Call) -> Any:
    tokens = office.client.tokens("sue")
    database = office.world.database
    assert isinstance(database, BusyDatabase)
    identity = office.world.authenticate(tokens["token"])
    database.meanwhile = [lambda: office.world.revoke_session(identity=identity, session_id=identity.session_id)]
    return office.make(route, call, token=tokens["token"])


def with_a_taken_email(office: Office, route: Route, call: Call) -> Any:
    return as_superuser(office, route, call, body={"email": "tom@mail.example.com"})


def by_the_last_superuser(office: Office, route: Route, call: Call) -> Any:
    token = office.token("superuser")
    for account in (office.accounts["other superuser"], office.world.find_accounts(operator=PROGRAM, query=ROOT).accounts[0]):
        office.world.set_roles(operator=PROGRAM, account_id=account.id, is_superuser=False)
    return office.make(route, call, target="superuser", token=token, body={**(call.body or {}), "is_superuser": False})


def with_unknown_message(office: Office, route: Route, call: Call) -> Any:
    return as_superuser(office, (route[0], route[1].replace("{message_id}", "unheard-of")), call)


def after_the_message_expired(office: Office, route: Route, call: Call) -> Any:
    office.world.clock.advance(31 * DAY)
    return as_superuser(office, route, call)


PROVOKED: dict[str, Provoke] = {
    "invalid-input": with_bad_input,
    "invalid-credentials": with_wrong_password,
    "login-not-fresh": with_old_login,
    "not-permitted": by_staff_for_superuser,
    "no-such-account": with_unknown_account,
    "invalid-token": with_a_session_that_ends_meanwhile,
    "already-taken": with_a_taken_email,
    "last-superuser": by_the_last_superuser,
    "no-such-message": with_unknown_message,
    "not-retryable": after_the_message_expired,
}
DECLARED = [(handler, refusal) for handler in ADMINISTRATION for refusal in operation_of(handler).refusals]


@pytest.mark.parametrize(("handler", "refusal"), DECLARED, ids=[f"{one.handler_name} {kind.slug}" for one, kind in DECLARED])
def test_declared_refusal_is_answered(handler: HTTPRouteHandler, refusal: type[Refusal], open_client: OpenClient) -> None:
    office = Office(open_client(database=BusyDatabase(), docs=False))
    (method,) = handler.http_methods
    route = (method, path_of(handler))
    answer = PROVOKED[refusal.slug](office, route, CALLS[route])
    assert (answer.status_code, slug(answer)) == (STATUS[refusal], refusal.slug), answer.text


@pytest.mark.parametrize("account_id", ["0", "-1", "+1", "01", "1.0", "1_0", "١", "x", "%00", "9223372036854775808", "9" * 400])
def test_text_that_is_no_id_is_the_id_of_no_account(account_id: str, office: Office) -> None:
    token = office.token("superuser")
    for route, call in CALLS.items():
        if is_of_an_account(route):
            answer = office.make(route, call, target=account_id, token=token)
            assert (answer.status_code, slug(answer)) == (404, "no-such-account")


BAD_QUERIES: dict[str, dict[str, str]] = {
    "/admin/accounts/": {
        "query": "x" * 255,
        "state": "asleep",
        "staff": "maybe",
        "verified": "2",
        "created_from": "yesterday",
        "created_until": "2026-13-01",
        "logged_in_from": "1",
        "logged_in_until": "-1",
        "cursor": "!",
        "limit": "101",
    },
    "/admin/audit/": {
        "account_id": "one",
        "type": "lunch",
        "ip_address": "%00",
        "since": "x",
        "until": "99999-01-01",
        "cursor": "9" * 30,
        "limit": "0",
    },
    "/admin/outbox/": {"failed": "perhaps", "cursor": "-1", "limit": "1.5"},
}


@pytest.mark.parametrize("path", BAD_QUERIES)
def test_every_bad_parameter_is_named_at_once(path: str, office: Office) -> None:
    bad = BAD_QUERIES[path]
    query = "&".join(f"{name}={value}" for name, value in bad.items())
    answer = office.client.call("GET", f"{path}?{query}", token=office.token("staff"))
    assert (answer.status_code, slug(answer)) == (400, "invalid-input")
    assert set(answer.json()["errors"]) == set(bad)


@pytest.mark.parametrize("path", BAD_QUERIES)
def test_every_parameter_is_documented_with_its_type(path: str, client: AppClient) -> None:
    document = client.call("GET", "/openapi.json").json()
    parameters = {one["name"]: one for one in document["paths"][path]["get"]["parameters"]}
    assert set(parameters) == set(BAD_QUERIES[path])
    for one in parameters.values():
        assert one["in"] == "query"
        assert one["description"]
        assert not one.get("required")
        assert one["schema"]["type"] in {"string", "boolean", "integer"}


def test_path_of_operators_answers_like_any_other(office: Office) -> None:
    token = office.token("staff")
    for path in {path for _, path in CALLS}:
        right = {method for method, other in CALLS if other == path}
        right |= {"OPTIONS"} | ({"HEAD"} if "GET" in right else set())
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} - right:
            answer = office.make((method, path), Call("staff", 405), token=token)
            assert answer.status_code == 405
            assert set(answer.headers["allow"].split(", ")) == right
        answer = office.make(("OPTIONS", path), Call("staff", 204), token=token)
        assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (204, right)
    read = office.client.call("GET", "/admin/summary/", token=token)
    head = office.client.call("HEAD", "/admin/summary/", token=token)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(read.content)))
    unknown = office.client.call("GET", "/admin/nowhere/", token=token)
    assert (unknown.status_code, slug(unknown)) == (404, "not-found")


def test_bodies_of_changes_are_read_like_any_other(office: Office) -> None:
    token, path = office.token("staff"), f"/admin/accounts/{office.accounts['ordinary'].id}/suspend/"
    for body, headers, status in (
        (b"{", {"content-type": "application/json"}, 400),
        (b"[]", {"content-type": "application/json"}, 400),
        (b"reason=x", {"content-type": "application/x-www-form-urlencoded"}, 415),
        (json.dumps({"reason": "x" * 20_000}).encode(), {"content-type": "application/json"}, 413),
    ):
        assert office.client.call("POST", path, token=token, content=body, headers=headers).status_code == status
    long = office.client.post(path, {"reason": "x" * 501, "until": 1e300, "notifies": "maybe"}, token=token)
    assert set(long.json()["errors"]) == {"reason", "until", "notifies"}


def test_calls_of_operators_count_like_any_other(office: Office) -> None:
    token = office.token("staff")
    statuses = [office.client.call("GET", "/admin/summary/", token=token).status_code for _ in range(300)]
    assert statuses.count(429) > 0
    assert statuses == sorted(statuses)


def test_outage_is_shown_to_callers_with_a_token_alone(office: Office) -> None:
    def unavailable(_: object) -> Any:
        raise Unavailable

    app = create_app(vestibule_of(office.world, authenticate_many=unavailable))
    header = (b"authorization", f"Bearer {office.token('staff')}".encode())
    assert call_asgi(app, "GET", "/admin/summary/", headers=[header]).status == 503
    assert call_asgi(app, "GET", "/admin/summary/").status == 404


def test_setting_takes_the_calls_away(open_client: OpenClient, office: Office) -> None:
    client = open_client(office.world, admin=False, docs=True)
    token = office.token("superuser")
    for method, path in CALLS:
        assert client.call(method, path.format(account_id=1, message_id="waiting"), token=token).status_code == 404
    document = client.call("GET", "/openapi.json").json()
    assert [path for path in document["paths"] if path.startswith("/admin")] == []
    assert "Administration" not in [tag["name"] for tag in document["tags"]]


def test_calls_lie_under_the_prefix(open_client: OpenClient, office: Office) -> None:
    client = open_client(office.world, api_prefix="/api/user")
    token = office.token("staff")
    assert client.call("GET", "/api/user/admin/summary/", token=token).status_code == 200
    assert client.call("GET", "/admin/summary/", token=token).status_code == 404


# --- pages ------------------------------------------------------------------------------------------------------------


def pages(client: AppClient, path: str, token: str, key: str) -> Iterator[list[Any]]:
    cursor = ""
    while True:
        body = client.call("GET", f"{path}limit=2{cursor}", token=token).json()
        yield body[key]
        if body["cursor"] is None:
            return
        assert isinstance(body["cursor"], str)
        cursor = f"&cursor={body['cursor']}"


def test_pages_follow_one_another(office: Office) -> None:
    token = office.token("staff")
    found = [one["username"] for page in pages(office.client, "/admin/accounts/?", token, "accounts") for one in page]
    assert sorted(found) == ["ann", "loose", ROOT, "sam", "sue", "tom", "ulf"]
    staff = [one["username"] for page in pages(office.client, "/admin/accounts/?staff=yes&", token, "accounts") for one in page]
    assert sorted(staff) == [ROOT, "sam", "sue", "tom", "ulf"]
    events = [one["id"] for page in pages(office.client, "/admin/audit/?", token, "events") for one in page]
    assert events == list(range(office.world.database.audit_log.last_position(), 0, -1))
    office.client.code("ann@mail.example.com")
    messages = [one["id"] for page in pages(office.client, "/admin/outbox/?", token, "messages") for one in page]
    assert messages[:2] == ["waiting", "hopeless"]
    assert len(messages) == len(set(messages)) == len(list(office.world.list_messages()))
    (failed,) = office.client.call("GET", "/admin/outbox/?failed=1", token=token).json()["messages"]
    assert (failed["id"], failed["state"], failed["failure_reason"]) == ("hopeless", "failed", "The mail server refused it.")


# --- an operator's day ------------------------------------------------------------------------------------------------


def test_day_of_an_operator(office: Office) -> None:
    """Finds a person, sees why they cannot log in, unlocks, puts an address back, suspends for a week, exports, removes."""
    client, world = office.client, office.world

    def call(method: str, path: str, body: Any = None) -> Any:
        answer = client.call(method, path, body, token=client.tokens("sue")["token"])
        assert answer.status_code < 300, answer.text
        return answer

    grace = world.create_account("grace", name="Grace Brewster Hopper", email="grace@mail.example.com")
    for _ in range(5):
        client.post("/login/", {"username": "grace", "password": OTHER_PASSWORD})
    assert client.post("/login/", {"username": "grace", "password": PASSWORD}).status_code == 429

    (found,) = call("GET", "/admin/accounts/?query=hopp").json()["accounts"]
    path = f"/admin/accounts/{found['id']}/"
    assert found["id"] == grace.id
    seen = call("GET", path).json()
    assert [(one["policy"], one["limit"]) for one in seen["limits"]] == [("failed-logins", "5/5min")]
    failures = call("GET", f"/admin/audit/?account_id={grace.id}&type=login_failed").json()["events"]
    assert len(failures) == 5
    call("POST", f"{path}unlock/", {"reason": "She called."})
    assert call("GET", path).json()["limits"] == []
    client.tokens("grace")

    call("PATCH", path, {"email": "thief@mail.example.com", "vouches": True, "reason": "a mistake"})
    mended = call(
        "PATCH", path, {"email": "grace@mail.example.com", "vouches": True, "reason": "Her address was stolen."}
    ).json()
    assert (mended["email"], mended["email_verified"]) == ("grace@mail.example.com", True)
    call("POST", f"{path}reset/", {"reason": "She asked for it."})
    code = world.code_for("grace@mail.example.com")
    reset = {"email": "grace@mail.example.com", "otp": code, "password": "seven calm violet rivers"}
    assert client.post("/password/reset/", reset).status_code == 202

    week = world.clock() + 7 * DAY
    until = datetime.fromtimestamp(week, UTC).isoformat()
    suspended = call("POST", f"{path}suspend/", {"reason": "Spam.", "until": until}).json()
    assert (suspended["state"], suspended["suspension_reason"]) == ("suspended", "Spam.")
    assert [one["id"] for one in call("GET", "/admin/accounts/?state=suspended").json()["accounts"]] == [grace.id]
    login = {"username": "grace", "password": "seven calm violet rivers"}
    assert client.post("/login/", login).status_code == 401
    world.clock.advance(7 * DAY)
    assert call("GET", path).json()["state"] == "active"
    assert client.post("/login/", login).status_code == 200

    with ZipFile(BytesIO(call("POST", f"{path}export/", {"reason": "She asked for it."}).content)) as archive:
        assert json.loads(archive.read("account.json"))["name"] == "Grace Brewster Hopper"
    assert call("DELETE", path, {"reason": "Asked for by its owner."}).content == b""
    assert client.call("GET", path, token=client.tokens("sue")["token"]).status_code == 404
    (last, *_) = call("GET", f"/admin/audit/?account_id={grace.id}").json()["events"]
    actor = f"account {office.accounts['superuser'].id}"
    assert (last["type"], last["actor"], last["reason"]) == ("account_deleted", actor, "Asked for by its owner.")


def test_documented_commands_are_calls_that_work(office: Office) -> None:
    section = (DOCS / "api.md").read_text().partition("## Administration\n")[2]
    commands = section.partition("```sh\n")[2].partition("```")[0].replace("\\\n", "").splitlines()
    assert len(commands) == 3
    for command in commands:
        words = shlex.split(command.replace("$TOKEN", office.token("superuser")))
        given = dict(pairwise(words))
        headers = dict(word.split(": ") for option, word in pairwise(words) if option == "-H")
        url = words[-1].removeprefix("http://127.0.0.1:8000").replace("/2/", f"/{office.accounts['ordinary'].id}/")
        answer = office.client.call(given.get("-X", "GET"), url, headers=headers, content=given.get("-d", ""))
        assert answer.status_code == 200, answer.text
