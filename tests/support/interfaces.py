"""The two interfaces, HTTP and library, with the same methods and the same plain results."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from io import BytesIO
from types import TracebackType
from typing import Any, Protocol, Self
from zipfile import ZipFile

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
    """A refusal as a program sees it: the slug, the names of invalid fields, and the seconds of Retry-After.

    `proof` is that of an address that is not verified; `codes` are those of the errors of each invalid field.
    """

    slug: str
    fields: frozenset[str] = frozenset()
    retry_after: int | None = None
    proof: str | None = field(default=None, compare=False)
    codes: Mapping[str, list[str]] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Effects:
    """The effects of a reset on the account."""

    cleared: tuple[str, ...] = ()
    recovered: bool = False


@dataclass(frozen=True)
class Tokens:
    """A token set."""

    token: str
    refresh_token: str
    session: str
    token_type: str
    expires_in: int
    created: bool = False
    cleared: tuple[str, ...] = ()
    recovered: bool = False
    deletion_cancelled: bool = False


@dataclass(frozen=True)
class SessionView:
    """A session as its owner sees it."""

    id: str
    address: str | None
    agent: str | None
    current: bool


class Interface(Protocol):
    """Methods that return a plain value, or `Refused`. `address` and `agent` are the caller's.

    A field that is not passed is absent from the call; a value may have any type.
    """

    world: World
    address: str
    agent: str

    def register(self, **fields: Any) -> Any: ...
    def log_in(self, **fields: Any) -> Any: ...
    def account(self, token: str | None) -> Any: ...
    def replace(self, token: str | None, **fields: Any) -> Any: ...
    def change(self, token: str | None, **fields: Any) -> Any: ...
    def delete(self, token: str | None, **fields: Any) -> Any: ...
    def send(self, **fields: Any) -> Any: ...
    def verify(self, token: str | None = None, **fields: Any) -> Any: ...
    def log_in_by_code(self, token: str | None = None, **fields: Any) -> Any: ...
    def request_registration_code(self, **fields: Any) -> Any: ...
    def register_or_log_in(self, token: str | None = None, **fields: Any) -> Any: ...
    def reset(self, token: str | None = None, **fields: Any) -> Any: ...
    def is_unique(self, **fields: Any) -> Any: ...
    def export(self, token: str | None, **fields: Any) -> Any: ...
    def upload(self, token: str | None, data: bytes | None) -> Any: ...
    def remove_image(self, token: str | None) -> Any: ...
    def refresh(self, **fields: Any) -> Any: ...
    def sessions(self, token: str | None) -> Any: ...
    def end_session(self, token: str | None, session: str) -> Any: ...
    def end_others(self, token: str | None) -> Any: ...
    def log_out(self, token: str | None = None, **fields: Any) -> Any: ...


# --- the library ------------------------------------------------------------------------------------------------------


class LibraryInterface(AbstractContextManager["LibraryInterface"]):
    """Calls the use cases in this process."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.address, self.agent = "198.51.100.7", "a test"

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Releases nothing: this interface has no resources."""

    def register(self, **fields: Any) -> Any:
        return self._call(self.world.register, _with_missing(fields, "username", "name", "email", "password"), _account)

    def log_in(self, **fields: Any) -> Any:
        return self._call(self.world.log_in, _with_missing(fields, "username", "password"), _tokens)

    def account(self, token: str | None) -> Any:
        return self._as(token, lambda identity: identity.account, {}, _account)

    def replace(self, token: str | None, **fields: Any) -> Any:
        arguments = _with_missing(fields, "username", "name", "email", "mobile", "password")
        return self._as(token, self._own(self.world.replace_account), arguments, _account)

    def change(self, token: str | None, **fields: Any) -> Any:
        return self._as(token, self._own(self.world.change_account), fields, _account)

    def delete(self, token: str | None, **fields: Any) -> Any:
        return self._as(token, self._own(self.world.delete_account), fields, lambda deletion: int(deletion.deleted_at))

    def send(self, **fields: Any) -> Any:
        return self._call(self.world.request_code, _with_missing(fields, "destination"), _reference)

    def verify(self, token: str | None = None, **fields: Any) -> Any:
        arguments = _with_missing(fields, "destination") | self._identity(token)
        return self._call(self.world.verify_code, arguments, lambda verified: verified.proof)

    def log_in_by_code(self, token: str | None = None, **fields: Any) -> Any:
        return self._call(self.world.log_in_by_code, _with_missing(fields, "destination") | self._identity(token), _tokens)

    def request_registration_code(self, **fields: Any) -> Any:
        return self._call(self.world.request_registration_code, _with_missing(fields, "name", "email", "mobile"), _reference)

    def register_or_log_in(self, token: str | None = None, **fields: Any) -> Any:
        arguments = _with_missing(fields, "name", "email", "mobile") | self._identity(token)
        return self._call(self.world.register_or_log_in, arguments, _tokens)

    def reset(self, token: str | None = None, **fields: Any) -> Any:
        arguments = _with_missing(fields, "email", "otp", "password") | self._identity(token)
        return self._call(self.world.reset_password, arguments, lambda after: Effects(after.cleared, after.recovered))

    def is_unique(self, **fields: Any) -> Any:
        return self._call(self.world.check_unique, _with_missing(fields, "prop", "value"), bool)

    def export(self, token: str | None, **fields: Any) -> Any:
        return self._as(token, self._own(self.world.export_account), fields, lambda pieces: _files_of(b"".join(pieces)))

    def upload(self, token: str | None, data: bytes | None) -> Any:
        return self._as(token, self._own(self.world.upload_image), {"profile_image": data}, lambda after: bool(after.image))

    def remove_image(self, token: str | None) -> Any:
        return self._as(token, self._own(self.world.remove_image), {}, _nothing)

    def refresh(self, **fields: Any) -> Any:
        return self._call(self.world.refresh, _with_missing(fields, "refresh"), _tokens)

    def sessions(self, token: str | None) -> Any:
        def use_case(identity: Identity) -> Any:
            found = self.world.list_sessions(identity=identity)
            return [SessionView(one.id, one.ip_address, one.user_agent, one.id == identity.session_id) for one in found]

        return self._as(token, use_case, {}, list)

    def end_session(self, token: str | None, session: str) -> Any:
        return self._as(token, self._own(self.world.revoke_session), {"session_id": session}, _nothing)

    def end_others(self, token: str | None) -> Any:
        return self._as(token, self._own(self.world.revoke_other_sessions), {}, int)

    def log_out(self, token: str | None = None, **fields: Any) -> Any:
        if not fields:
            return self._as(token, self._own(self.world.log_out), {}, _nothing)
        return self._call(self.world.log_out, {**self._identity(token), **fields}, _nothing)

    def _identity(self, token: str | None) -> dict[str, Identity | None]:
        """The optional login of a call; a token that is not valid counts as none."""
        identity = None if token is None else _outcome(partial(self.world.authenticate, token))
        return {"identity": identity if isinstance(identity, Identity) else None}

    @property
    def _caller(self) -> Caller:
        return Caller(self.address, self.agent)

    def _own(self, use_case: Callable[..., Any]) -> Callable[..., Any]:
        return lambda identity, **fields: use_case(identity=identity, caller=self._caller, **fields)

    def _call(self, use_case: Callable[..., Any], fields: Fields, result_of: Callable[[Any], Any]) -> Any:
        return _outcome(lambda: result_of(use_case(**fields, caller=self._caller)))

    def _as(self, token: str | None, use_case: Callable[..., Any], fields: Fields, result_of: Callable[[Any], Any]) -> Any:
        return _outcome(lambda: result_of(use_case(self.world.authenticate(token), **fields)))


def _with_missing(fields: Fields, *required: str) -> dict[str, Any]:
    return dict.fromkeys(required, MISSING) | dict(fields)


def _outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Refusal as refusal:
        codes = (
            {name: list(map(str, found)) for name, found in refusal.codes.items()} if isinstance(refusal, InvalidInput) else {}
        )
        wait, proof = getattr(refusal, "retry_after", None), getattr(refusal, "proof", None)
        return Refused(refusal.slug, frozenset(codes), wait, proof, codes)


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
        "email_verified": account.email_verified,
        "mobile_verified": account.mobile_verified,
        "has_password": account.password_hash is not None,
    }


def _tokens(tokens: TokenSet) -> Tokens:
    return Tokens(
        token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        session=tokens.session,
        token_type=tokens.token_type,
        expires_in=tokens.expires_in,
        created=tokens.created,
        cleared=tokens.cleared,
        recovered=tokens.recovered,
        deletion_cancelled=tokens.deletion_cancelled,
    )


def _reference(sent: Any) -> str:
    return str(sent.reference)


def _files_of(archive: bytes) -> dict[str, Any]:
    """The files of a zip by their names; those of JSON as values."""
    with ZipFile(BytesIO(archive)) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    return {name: json.loads(data) if name.endswith(".json") else data for name, data in files.items()}


def _nothing(_: Any) -> None:
    """Replaces a result that has no content by None."""


# --- HTTP -------------------------------------------------------------------------------------------------------------


class HttpInterface(AbstractContextManager["HttpInterface"]):
    """Calls the HTTP app in this process."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.address, self.agent = "198.51.100.7", "a test"
        self._client = TestClient(with_client_address(create_app(world)))

    def __enter__(self) -> Self:
        self._client.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.__exit__(kind, error, trace)

    def register(self, **fields: Any) -> Any:
        return self._call("POST", "/register/", 201, _account_of, json=fields)

    def log_in(self, **fields: Any) -> Any:
        return self._call("POST", "/login/", 200, _tokens_of, json=fields)

    def account(self, token: str | None) -> Any:
        return self._call("GET", "/account/", 200, _account_of, token)

    def replace(self, token: str | None, **fields: Any) -> Any:
        return self._call("PUT", "/account/", 200, _account_of, token, json=fields)

    def change(self, token: str | None, **fields: Any) -> Any:
        return self._call("PATCH", "/account/", 200, _account_of, token, json=fields)

    def delete(self, token: str | None, **fields: Any) -> Any:
        return self._call("DELETE", "/account/", 202, _time_of, token, **({"json": fields} if fields else {}))

    def send(self, **fields: Any) -> Any:
        return self._call("POST", "/otp/", 201, _reference_of, json=fields)

    def verify(self, token: str | None = None, **fields: Any) -> Any:
        return self._call("POST", "/otp/", 201, lambda response: response["proof"], token, json=fields)

    def log_in_by_code(self, token: str | None = None, **fields: Any) -> Any:
        return self._call("POST", "/otp/", 201, _tokens_of, token, json=fields | {"is_login": True})

    def request_registration_code(self, **fields: Any) -> Any:
        return self._call("POST", "/otpreglogin/", 201, _reference_of, json=fields)

    def register_or_log_in(self, token: str | None = None, **fields: Any) -> Any:
        return self._call("POST", "/otpreglogin/", 201, _tokens_of, token, json=fields)

    def reset(self, token: str | None = None, **fields: Any) -> Any:
        return self._call("POST", "/password/reset/", 202, _effects_of, token, json=fields)

    def is_unique(self, **fields: Any) -> Any:
        return self._call("POST", "/isunique/", 200, lambda response: response["unique"], json=fields)

    def export(self, token: str | None, **fields: Any) -> Any:
        method, body = ("POST", {"json": fields}) if fields else ("GET", {})
        return self._call(method, "/account/export/", 200, _files_of, token, **body)

    def upload(self, token: str | None, data: bytes | None) -> Any:
        files = {"other": ("a.txt", b"text")} if data is None else {"profile_image": ("me.png", data, "image/png")}
        return self._call("POST", "/upload-image/", 201, lambda response: bool(response["profile_image"]), token, files=files)

    def remove_image(self, token: str | None) -> Any:
        return self._call("DELETE", "/upload-image/", 204, _nothing, token)

    def refresh(self, **fields: Any) -> Any:
        return self._call("POST", "/refresh-token/", 200, _tokens_of, json=fields)

    def sessions(self, token: str | None) -> Any:
        return self._call("GET", "/sessions/", 200, _sessions_of, token)

    def end_session(self, token: str | None, session: str) -> Any:
        return self._call("DELETE", f"/sessions/{session}/", 200, _nothing, token)

    def end_others(self, token: str | None) -> Any:
        return self._call("DELETE", "/sessions/", 200, _ended_of, token)

    def log_out(self, token: str | None = None, **fields: Any) -> Any:
        return self._call("POST", "/logout/", 204, _nothing, token, **({"json": fields} if fields else {}))

    def _call(
        self, method: str, path: str, success: int, result_of: Callable[[Any], Any], token: str | None = None, **body: Any
    ) -> Any:
        headers = {"X-From": self.address, "User-Agent": self.agent}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if "json" in body:  # in ASCII, so that a lone surrogate can be sent
            headers["Content-Type"] = "application/json"
            body = {"content": json.dumps(body["json"])}
        response = self._client.request(method, path, headers=headers, **body)
        content: Any = response.json() if "json" in response.headers.get("Content-Type", "") else response.content
        if response.status_code == success:
            return result_of(content)
        slug = content["type"].removeprefix(PROBLEM_URN)
        assert (response.status_code, content["status"]) == (_STATUSES[slug], _STATUSES[slug])
        wait = response.headers.get("Retry-After")
        codes = content.get("codes", {})
        assert {name: len(found) for name, found in content.get("errors", {}).items()} == {n: len(c) for n, c in codes.items()}
        return Refused(slug, frozenset(codes), wait and int(wait), content.get("proof"), codes)


_STATUSES = {refusal.slug: status for refusal, status in STATUS.items()}


def with_client_address(app: ASGIApp) -> ASGIApp:
    """Takes the caller's address from the header `X-From`, because there is no network connection."""

    async def app_with_address(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            address = next((value.decode() for name, value in scope["headers"] if name == b"x-from"), TRUSTED_CALLER.ip_address)
            scope["client"] = (address or "", 1)
        await app(scope, receive, send)

    return app_with_address


def _account_of(body: Any) -> dict[str, Any]:
    return {**body, "profile_image": body["profile_image"] is not None}


def _tokens_of(body: Any) -> Tokens:
    return Tokens(**body | {"cleared": tuple(body.get("cleared", ()))})


def _effects_of(body: Any) -> Effects:
    return Effects(tuple(body.get("cleared", ())), body.get("recovered", False))


def _reference_of(body: Any) -> str:
    return str(body["reference"])


def _time_of(body: Any) -> int:
    return int(datetime.fromisoformat(body["deleted_at"]).timestamp())


def _ended_of(body: Any) -> int:
    return int(body["detail"].removeprefix("Revoked: ").removesuffix("."))


def _sessions_of(body: Any) -> list[SessionView]:
    return [SessionView(one["id"], one["address"], one["agent"], one["current"]) for one in body["sessions"]]
