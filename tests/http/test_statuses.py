"""Every documented status of every path and method, one line each."""

from collections.abc import Callable
from typing import Any

import pytest
from litestar.handlers import HTTPRouteHandler
from tests.http.conftest import ADA, BOB, URN, Open, Site
from tests.support.world import OTHER_PASSWORD, PASSWORD, PNG, wrong

from vestibule.application import Conflict, RateLimited, Refusal, Unavailable
from vestibule.entrypoints.http.app import API
from vestibule.entrypoints.http.openapi import operation_of, path_of
from vestibule.entrypoints.http.problems import STATUS, Internal, problem_document, problem_response

WHOLE = ADA | {"name": "Ada King", "password": OTHER_PASSWORD}
FILE = {"profile_image": ("me.png", PNG, "image/png")}
PEOPLE = {name: ADA[name] for name in ("name", "email", "mobile")}
MAIL = ADA["email"]


def expired(site: Site) -> str:
    token = site.token()
    site.world.clock.advance(301)
    return token


def code_by_mail(site: Site) -> str:
    site.registered()
    return site.code(MAIL)


def code_to_register(site: Site) -> str:
    site.post("/otpreglogin/", PEOPLE)
    return site.world.code_for(MAIL)


def otp(**more: Any) -> Callable[[str], Any]:
    return lambda code: {"json": {"destination": MAIL, "verify_otp": code, **more}}


def with_token(**more: Any) -> Callable[[str], Any]:
    return lambda token: {"token": token, **more}


def body(fields: Any) -> Callable[[Any], Any]:
    return lambda _: {"json": fields}


def reset(code: str) -> Any:
    return {"json": {"email": MAIL, "otp": code, "password": OTHER_PASSWORD}}


def refresh_token(site: Site) -> Any:
    site.registered()
    return site.tokens()["refresh_token"]


def unprepared(_: Site) -> None:
    """Prepares nothing."""


def with_account(site: Site) -> None:
    site.registered()


Line = tuple[str, str, int, str, Callable[[Site], Any], Callable[[Any], Any]]

LINES: list[Line] = [
    ("POST", "/register/", 201, "", unprepared, body(ADA)),
    ("POST", "/register/", 400, "invalid-input", unprepared, body({})),
    ("POST", "/register/", 400, "already-taken", with_account, body(ADA)),
    ("POST", "/login/", 200, "", with_account, body({"username": "ada", "password": PASSWORD})),
    ("POST", "/login/", 400, "invalid-input", with_account, body({"username": "ada"})),
    ("POST", "/login/", 401, "invalid-credentials", with_account, body({"username": "ada", "password": OTHER_PASSWORD})),
    ("POST", "/login/", 401, "invalid-credentials", unprepared, body({"username": "ada", "password": PASSWORD})),
    ("GET", "/account/", 200, "", Site.token, with_token()),
    ("GET", "/account/", 401, "not-authenticated", unprepared, lambda _: {}),
    ("GET", "/account/", 401, "invalid-token", expired, with_token()),
    ("PUT", "/account/", 200, "", Site.token, with_token(json=WHOLE)),
    ("PUT", "/account/", 400, "invalid-input", Site.token, with_token(json={"name": "Ada"})),
    ("PUT", "/account/", 401, "not-authenticated", unprepared, body(WHOLE)),
    ("PUT", "/account/", 401, "invalid-token", expired, with_token(json=WHOLE)),
    ("PATCH", "/account/", 200, "", Site.token, with_token(json={"name": "Ada King"})),
    ("PATCH", "/account/", 200, "", Site.token, with_token(json={"password": OTHER_PASSWORD})),
    ("PATCH", "/account/", 200, "", Site.token, with_token(json={})),
    ("PATCH", "/account/", 400, "invalid-input", Site.token, with_token(json={"email": "nowhere"})),
    ("PATCH", "/account/", 401, "not-authenticated", unprepared, body({})),
    ("PATCH", "/account/", 401, "invalid-token", expired, with_token(json={})),
    ("POST", "/otp/", 201, "", unprepared, body({"destination": MAIL})),
    ("POST", "/otp/", 400, "invalid-input", unprepared, body({})),
    ("POST", "/otp/", 429, "rate-limited", code_by_mail, body({"destination": MAIL})),
    ("POST", "/otp/", 201, "", code_by_mail, otp()),
    ("POST", "/otp/", 201, "", code_by_mail, otp(is_login="True")),
    ("POST", "/otp/", 403, "invalid-code", code_by_mail, lambda code: otp()(wrong(code))),
    ("POST", "/otp/", 403, "invalid-code", unprepared, body({"destination": MAIL, "verify_otp": "123456"})),
    ("POST", "/otpreglogin/", 201, "", unprepared, body(PEOPLE)),
    ("POST", "/otpreglogin/", 400, "invalid-input", unprepared, body({"name": "Ada"})),
    ("POST", "/otpreglogin/", 429, "rate-limited", code_to_register, body(PEOPLE)),
    ("POST", "/otpreglogin/", 201, "", code_to_register, lambda code: {"json": PEOPLE | {"verify_otp": code}}),
    (
        "POST",
        "/otpreglogin/",
        403,
        "invalid-code",
        code_to_register,
        lambda code: {"json": PEOPLE | {"verify_otp": wrong(code)}},
    ),
    (
        "POST",
        "/password/reset/",
        202,
        "",
        code_by_mail,
        lambda c: {"json": {"email": MAIL, "otp": c, "password": OTHER_PASSWORD}},
    ),
    ("POST", "/password/reset/", 400, "invalid-input", unprepared, body({})),
    ("POST", "/password/reset/", 403, "invalid-code", code_by_mail, lambda code: reset(wrong(code))),
    ("POST", "/isunique/", 200, "", unprepared, body({"prop": "email", "value": MAIL})),
    ("POST", "/isunique/", 400, "invalid-input", unprepared, body({"prop": "shoe size", "value": "43"})),
    ("POST", "/upload-image/", 201, "", Site.token, with_token(files=FILE)),
    ("POST", "/upload-image/", 400, "invalid-input", Site.token, with_token(files={"other": FILE["profile_image"]})),
    ("POST", "/upload-image/", 401, "not-authenticated", unprepared, lambda _: {"files": FILE}),
    ("POST", "/upload-image/", 401, "invalid-token", expired, with_token(files=FILE)),
    ("POST", "/refresh-token/", 200, "", refresh_token, lambda token: {"json": {"refresh": token}}),
    ("POST", "/refresh-token/", 400, "invalid-input", unprepared, body({})),
    ("POST", "/refresh-token/", 401, "invalid-refresh-token", unprepared, body({"refresh": "junk"})),
    ("GET", "/sessions/", 200, "", Site.token, with_token()),
    ("GET", "/sessions/", 401, "not-authenticated", unprepared, lambda _: {}),
    ("DELETE", "/sessions/", 200, "", Site.token, with_token()),
    ("DELETE", "/sessions/", 401, "invalid-token", expired, with_token()),
    ("DELETE", "/sessions/unheard-of", 404, "no-such-session", Site.token, with_token()),
    ("DELETE", "/sessions/unheard-of", 401, "not-authenticated", unprepared, lambda _: {}),
    ("POST", "/logout/", 200, "", Site.token, with_token()),
    ("POST", "/logout/", 401, "invalid-token", expired, with_token()),
    ("GET", "/images/unheard-of.webp", 404, "not-found", unprepared, lambda _: {}),
    ("GET", "/healthz", 200, "", unprepared, lambda _: {}),
    ("GET", "/readyz", 200, "", unprepared, lambda _: {}),
    ("GET", "/.well-known/jwks.json", 200, "", unprepared, lambda _: {}),
    ("GET", "/openapi.json", 200, "", unprepared, lambda _: {}),
    ("GET", "/docs/", 200, "", unprepared, lambda _: {}),
    ("GET", "/nowhere/", 404, "not-found", unprepared, lambda _: {}),
    ("DELETE", "/account/", 405, "method-not-allowed", unprepared, lambda _: {}),
]


def title(line: Line) -> str:
    return f"{line[0]} {line[1]} {line[2]} {line[3]}".strip()


@pytest.mark.parametrize("line", LINES, ids=title)
@pytest.mark.parametrize("prefix", ["", "/api/user"], ids=["at the root", "under a prefix"])
def test_call_returns_documented_status_in_both_spellings(line: Line, prefix: str, open_site: Open) -> None:
    method, path, status, slug, arrange, arguments = line
    for spelling in (path.rstrip("/"), f"{path.rstrip('/')}/"):
        root = open_site()
        site = root if not prefix else open_site(root.world, api_prefix=prefix)
        answer = site.call(method, prefix + spelling, **_arguments(arguments(arrange(root))))
        assert answer.status_code == status, answer.text
        assert answer.history == []
        assert not slug or (answer.json()["type"], answer.json()["status"]) == (URN + slug, status)


def _arguments(given: dict[str, Any]) -> dict[str, Any]:
    return {("body" if name == "json" else name): value for name, value in given.items()}


@pytest.mark.parametrize("handler", API, ids=lambda handler: handler.handler_name)
def test_every_declared_refusal_has_a_line(handler: HTTPRouteHandler) -> None:
    (method,) = handler.http_methods
    path = path_of(handler).replace("{name}", "unheard-of.webp").replace("{session_id}/", "unheard-of")
    listed = {slug for called, where, _, slug, *_ in LINES if (called, where) == (method, path)}
    elsewhere = {"account-mismatch", "image-too-large"} | ({"already-taken"} if path == "/account/" else set())
    assert {refusal.slug for refusal in operation_of(handler).refusals} <= listed | elsewhere


def refusals() -> list[type[Refusal]]:
    found, waiting = [], [Refusal]
    while waiting:
        children = waiting.pop().__subclasses__()
        found += children
        waiting += children
    return [one for one in found if one.__module__.startswith("vestibule.") and one is not Conflict]


@pytest.mark.parametrize("refusal", refusals(), ids=lambda refusal: refusal.slug)
def test_every_refusal_has_a_status_and_a_unique_slug(refusal: type[Refusal]) -> None:
    assert 400 <= STATUS[refusal] < 600
    assert [one for one in STATUS if one.slug == refusal.slug] == [refusal]


def test_conflict_is_answered_as_unavailable() -> None:
    answer = problem_response(Conflict())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "0")
    assert problem_document(Conflict()).type == problem_document(Unavailable()).type


def test_rate_limited_has_retry_after() -> None:
    assert problem_response(RateLimited(17)).headers["retry-after"] == "17"


def test_problem_without_bad_fields_has_no_errors() -> None:
    assert problem_document(Internal()).errors == {}


def test_account_mismatch_is_reported_only_after_right_code(site: Site) -> None:
    site.registered()
    site.registered(**BOB)
    mixed = {"name": "Ada", "email": ADA["email"], "mobile": BOB["mobile"]}
    assert site.post("/otpreglogin/", mixed).status_code == 201
    code = site.world.code_for(ADA["email"])
    assert site.post("/otpreglogin/", mixed | {"verify_otp": wrong(code)}).status_code == 403
    answer = site.post("/otpreglogin/", mixed | {"verify_otp": code})
    assert (answer.status_code, answer.json()["type"]) == (400, f"{URN}account-mismatch")
    assert not any(text in answer.text for text in (ADA["email"], BOB["mobile"], "ada", "bob"))
