"""The two doors, each asked the questions of the contract, and each answering in the same plain values."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self

from litestar.enums import ScopeType
from litestar.testing import TestClient
from litestar.types import ASGIApp, Receive, Scope, Send
from tests.support.world import World

from vestibule.application import MISSING, TRUSTED_CALLER, Account, Caller, Identity, InvalidInput, Refusal, TokenSet
from vestibule.entrypoints.http import create_app
from vestibule.entrypoints.http.problems import STATUS
from vestibule.verify.refusals import PROBLEM_URN

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Refused:
    """What a refusal says to machines: which it is, the fields at fault, and how long to wait."""

    slug: str
    fields: frozenset[str] = frozenset()
    retry_after: int | None = None


@dataclass(frozen=True)
class Tokens:
    """What a login gives."""

    token: str
    refresh_token: str
    session: str
    token_type: str
    expires_in: int


@dataclass(frozen=True)
class Shown:
    """A session as its holder sees it."""

    id: str
    address: str | None
    agent: str | None
    current: bool


class Door(Protocol):
    """Each question answers a plain value, or `Refused`. `address` and `agent` are those of the caller.

    A field that is not given is absent; one that is given may be anything.
    """

    world: World
    address: str
    agent: str

    def register(self, **fields: Any) -> Any: ...
    def log_in(self, **fields: Any) -> Any: ...
    def account(self, token: str | None) -> Any: ...
    def replace(self, token: str | None, **fields: Any) -> Any: ...
    def change(self, token: str | None, **fields: Any) -> Any: ...
    def send(self, **fields: Any) -> Any: ...
    def verify(self, token: str | None = None, **fields: Any) -> Any: ...
    def enter(self, **fields: Any) -> Any: ...
    def send_to_register(self, **fields: Any) -> Any: ...
    def register_or_log_in(self, **fields: Any) -> Any: ...
    def reset(self, **fields: Any) -> Any: ...
    def is_unique(self, **fields: Any) -> Any: ...
    def upload(self, token: str | None, data: bytes | None) -> Any: ...
    def refresh(self, **fields: Any) -> Any: ...
    def sessions(self, token: str | None) -> Any: ...
    def end_session(self, token: str | None, session: str) -> Any: ...
    def end_others(self, token: str | None) -> Any: ...
    def log_out(self, token: str | None) -> Any: ...


# --- by import --------------------------------------------------------------------------------------------------------


class ImportDoor(AbstractContextManager["ImportDoor"]):
    """Calls the use cases."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.address, self.agent = "198.51.100.7", "a test"

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing has to be closed."""

    def register(self, **fields: Any) -> Any:
        return self._ask(self.world.register, _whole(fields, "username", "name", "email", "password"), _account)

    def log_in(self, **fields: Any) -> Any:
        return self._ask(self.world.log_in, _whole(fields, "username", "password"), _tokens)

    def account(self, token: str | None) -> Any:
        return self._as(token, lambda identity: identity.account, {}, _account)

    def replace(self, token: str | None, **fields: Any) -> Any:
        whole = _whole(fields, "username", "name", "email", "mobile", "password")
        return self._as(token, self._own(self.world.replace_account), whole, _account)

    def change(self, token: str | None, **fields: Any) -> Any:
        return self._as(token, self._own(self.world.change_account), fields, _account)

    def send(self, **fields: Any) -> Any:
        return self._ask(self.world.request_code, _whole(fields, "destination"), _reference)

    def verify(self, token: str | None = None, **fields: Any) -> Any:
        identity = None if token is None else _outcome(partial(self.world.authenticate, token))
        known = identity if isinstance(identity, Identity) else None
        whole = _whole(fields, "destination") | {"identity": known}
        return self._ask(self.world.verify_code, whole, lambda proven: proven.proof)

    def enter(self, **fields: Any) -> Any:
        return self._ask(self.world.log_in_by_code, _whole(fields, "destination"), _tokens)

    def send_to_register(self, **fields: Any) -> Any:
        return self._ask(self.world.request_registration_code, _whole(fields, "name", "email", "mobile"), _reference)

    def register_or_log_in(self, **fields: Any) -> Any:
        return self._ask(self.world.register_or_log_in, _whole(fields, "name", "email", "mobile"), _tokens)

    def reset(self, **fields: Any) -> Any:
        return self._ask(self.world.reset_password, _whole(fields, "email", "otp", "password"), _nothing)

    def is_unique(self, **fields: Any) -> Any:
        return self._ask(self.world.check_unique, _whole(fields, "prop", "value"), bool)

    def upload(self, token: str | None, data: bytes | None) -> Any:
        return self._as(token, self._own(self.world.upload_image), {"profile_image": data}, lambda after: bool(after.image))

    def refresh(self, **fields: Any) -> Any:
        return self._ask(self.world.refresh, _whole(fields, "refresh"), _tokens)

    def sessions(self, token: str | None) -> Any:
        def ask(identity: Identity) -> Any:
            found = self.world.list_sessions(identity=identity)
            return [Shown(one.id, one.address, one.user_agent, one.id == identity.session_id) for one in found]

        return self._as(token, ask, {}, list)

    def end_session(self, token: str | None, session: str) -> Any:
        return self._as(token, self._own(self.world.end_session), {"session_id": session}, _nothing)

    def end_others(self, token: str | None) -> Any:
        return self._as(token, self._own(self.world.end_other_sessions), {}, int)

    def log_out(self, token: str | None) -> Any:
        def ask(identity: Identity) -> None:
            self.world.end_session(identity=identity, session_id=identity.session_id, caller=self._caller)

        return self._as(token, ask, {}, _nothing)

    @property
    def _caller(self) -> Caller:
        return Caller(self.address, self.agent)

    def _own(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        return lambda identity, **fields: ask(identity=identity, caller=self._caller, **fields)

    def _ask(self, ask: Callable[..., Any], fields: Fields, shown: Callable[[Any], Any]) -> Any:
        return _outcome(lambda: shown(ask(**fields, caller=self._caller)))

    def _as(self, token: str | None, ask: Callable[..., Any], fields: Fields, shown: Callable[[Any], Any]) -> Any:
        return _outcome(lambda: shown(ask(self.world.authenticate(token), **fields)))


def _whole(fields: Fields, *required: str) -> dict[str, Any]:
    return dict.fromkeys(required, MISSING) | dict(fields)


def _outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Refusal as refusal:
        fields = frozenset(refusal.errors) if isinstance(refusal, InvalidInput) else frozenset[str]()
        return Refused(refusal.slug, fields, getattr(refusal, "retry_after", None))


def _account(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "username": account.username.text,
        "name": account.name,
        "email": account.email.text if account.email else None,
        "mobile": account.mobile.text if account.mobile else None,
        "is_superuser": account.is_superuser,
        "is_staff": account.is_staff,
        "profile_image": account.image is not None,
    }


def _tokens(tokens: TokenSet) -> Tokens:
    return Tokens(tokens.token, tokens.refresh_token, tokens.session, tokens.token_type, tokens.expires_in)


def _reference(sent: Any) -> str:
    return str(sent.reference)


def _nothing(_: Any) -> None:
    """The answer is that it was done."""


# --- over HTTP --------------------------------------------------------------------------------------------------------


class HttpDoor(AbstractContextManager["HttpDoor"]):
    """Makes the calls."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.address, self.agent = "198.51.100.7", "a test"
        self._client = TestClient(_from_where_it_says(create_app(world)))

    def __enter__(self) -> Self:
        self._client.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.__exit__(kind, error, trace)

    def register(self, **fields: Any) -> Any:
        return self._ask("POST", "/register/", 201, _account_of, json=fields)

    def log_in(self, **fields: Any) -> Any:
        return self._ask("POST", "/login/", 200, _tokens_of, json=fields)

    def account(self, token: str | None) -> Any:
        return self._ask("GET", "/account/", 200, _account_of, token)

    def replace(self, token: str | None, **fields: Any) -> Any:
        return self._ask("PUT", "/account/", 200, _account_of, token, json=fields)

    def change(self, token: str | None, **fields: Any) -> Any:
        return self._ask("PATCH", "/account/", 200, _account_of, token, json=fields)

    def send(self, **fields: Any) -> Any:
        return self._ask("POST", "/otp/", 201, _reference_of, json=fields)

    def verify(self, token: str | None = None, **fields: Any) -> Any:
        return self._ask("POST", "/otp/", 201, lambda answer: answer["proof"], token, json=fields)

    def enter(self, **fields: Any) -> Any:
        return self._ask("POST", "/otp/", 201, _tokens_of, json=fields | {"is_login": True})

    def send_to_register(self, **fields: Any) -> Any:
        return self._ask("POST", "/otpreglogin/", 201, _reference_of, json=fields)

    def register_or_log_in(self, **fields: Any) -> Any:
        return self._ask("POST", "/otpreglogin/", 201, _tokens_of, json=fields)

    def reset(self, **fields: Any) -> Any:
        return self._ask("POST", "/password/reset/", 202, _nothing, json=fields)

    def is_unique(self, **fields: Any) -> Any:
        return self._ask("POST", "/isunique/", 200, lambda answer: answer["unique"], json=fields)

    def upload(self, token: str | None, data: bytes | None) -> Any:
        files = {"other": ("a.txt", b"text")} if data is None else {"profile_image": ("me.png", data, "image/png")}
        return self._ask("POST", "/upload-image/", 201, lambda answer: bool(answer["profile_image"]), token, files=files)

    def refresh(self, **fields: Any) -> Any:
        return self._ask("POST", "/refresh-token/", 200, _tokens_of, json=fields)

    def sessions(self, token: str | None) -> Any:
        return self._ask("GET", "/sessions/", 200, _sessions_of, token)

    def end_session(self, token: str | None, session: str) -> Any:
        return self._ask("DELETE", f"/sessions/{session}/", 200, _nothing, token)

    def end_others(self, token: str | None) -> Any:
        return self._ask("DELETE", "/sessions/", 200, _ended_of, token)

    def log_out(self, token: str | None) -> Any:
        return self._ask("POST", "/logout/", 200, _nothing, token)

    def _ask(
        self, method: str, path: str, success: int, shown: Callable[[Any], Any], token: str | None = None, **body: Any
    ) -> Any:
        headers = {"X-From": self.address, "User-Agent": self.agent}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if "json" in body:  # in ASCII, so that anything at all can be said
            headers["Content-Type"] = "application/json"
            body = {"content": json.dumps(body["json"])}
        answer = self._client.request(method, path, headers=headers, **body)
        told = answer.json()
        if answer.status_code == success:
            return shown(told)
        slug = told["type"].removeprefix(PROBLEM_URN)
        assert (answer.status_code, told["status"]) == (_STATUSES[slug], _STATUSES[slug])
        wait = answer.headers.get("Retry-After")
        return Refused(slug, frozenset(told.get("errors", ())), wait and int(wait))


_STATUSES = {refusal.slug: status for refusal, status in STATUS.items()}


def _from_where_it_says(app: ASGIApp) -> ASGIApp:
    """The app, whose caller's address is what the header `X-From` says: there is no network between."""

    async def moved(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            address = next((value.decode() for name, value in scope["headers"] if name == b"x-from"), TRUSTED_CALLER.address)
            scope["client"] = (address or "", 1)
        await app(scope, receive, send)

    return moved


def _account_of(told: Any) -> dict[str, Any]:
    return {**told, "profile_image": told["profile_image"] is not None}


def _tokens_of(told: Any) -> Tokens:
    return Tokens(**told)


def _reference_of(told: Any) -> str:
    return str(told["reference"])


def _ended_of(told: Any) -> int:
    return int(told["detail"].removeprefix("Ended: ").removesuffix("."))


def _sessions_of(told: Any) -> list[Shown]:
    return [Shown(one["id"], one["address"], one["agent"], one["current"]) for one in told["sessions"]]
