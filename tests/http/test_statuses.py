"""Every documented status of every path and method, one case each."""

from collections.abc import Callable
from typing import Any

import pytest
from litestar.handlers import HTTPRouteHandler
from tests.http.conftest import ADA, BOB, URN, AppClient, OpenClient
from tests.support.world import OTHER_PASSWORD, PASSWORD, PNG, wrong

from vestibule.application import Conflict, RateLimited, Refusal, Unavailable
from vestibule.domain.rate_limits import RateLimit
from vestibule.entrypoints.http.app import API
from vestibule.entrypoints.http.openapi import operation_of, path_of
from vestibule.entrypoints.http.problems import STATUS, Internal, problem_document, problem_headers, status_of

ALL_FIELDS = ADA | {"name": "Ada King", "password": OTHER_PASSWORD}
FILE = {"profile_image": ("me.png", PNG, "image/png")}
CODE_REGISTRATION = {name: ADA[name] for name in ("name", "email", "mobile")}
EMAIL = ADA["email"]


def expired(client: AppClient) -> str:
    token = client.token()
    client.world.clock.advance(301)
    return token


def stale(client: AppClient) -> str:
    """Logs in, and returns a token of the session when the login is not fresh any more."""
    client.registered()
    refresh = client.tokens()["refresh_token"]
    client.world.clock.advance(3601)
    return str(client.post("/refresh-token/", {"refresh": refresh}).json()["token"])


def unverified(client: AppClient) -> str:
    """Returns a code to the unverified email of an account whose mobile is verified."""
    proof = client.world.verify_address(ADA["mobile"])
    client.registered(proofs=[proof])
    return client.code(EMAIL)


def exported_five_times(client: AppClient) -> str:
    token = client.token()
    for _ in range(5):
        assert client.call("GET", "/account/export/", token=token).status_code == 200
    return token


def with_old_login(client: AppClient) -> str:
    """Returns the token of a session that is not fresh."""
    client.registered()
    refresh = client.tokens()["refresh_token"]
    client.world.clock.advance(3601)
    token: str = client.post("/refresh-token/", {"refresh": refresh}).json()["token"]
    return token


def only_superuser(client: AppClient) -> str:
    token = client.token()
    client.world.alter(client.world.authenticate(token).account, is_superuser=True)
    return token


def code_by_mail(client: AppClient) -> str:
    client.registered()
    return client.code(EMAIL)


def code_to_register(client: AppClient) -> str:
    client.post("/otpreglogin/", CODE_REGISTRATION)
    return client.world.code_for(EMAIL)


def otp(**more: Any) -> Callable[[str], Any]:
    return lambda code: {"json": {"destination": EMAIL, "verify_otp": code, **more}}


def with_token(**more: Any) -> Callable[[str], Any]:
    return lambda token: {"token": token, **more}


def body(fields: Any) -> Callable[[Any], Any]:
    return lambda _: {"json": fields}


def reset(code: str) -> Any:
    return {"json": {"email": EMAIL, "otp": code, "password": OTHER_PASSWORD}}


def refresh_token(client: AppClient) -> Any:
    client.registered()
    return client.tokens()["refresh_token"]


def no_preparation(_: AppClient) -> None:
    """Prepares nothing."""


def with_account(client: AppClient) -> None:
    client.registered()


Case = tuple[str, str, int, str, Callable[[AppClient], Any], Callable[[Any], Any]]

CASES: list[Case] = [
    ("POST", "/register/", 201, "", no_preparation, body(ADA)),
    ("POST", "/register/", 400, "invalid-input", no_preparation, body({})),
    ("POST", "/register/", 400, "already-taken", with_account, body(ADA)),
    ("POST", "/login/", 200, "", with_account, body({"username": "ada", "password": PASSWORD})),
    ("POST", "/login/", 400, "invalid-input", with_account, body({"username": "ada"})),
    ("POST", "/login/", 401, "invalid-credentials", with_account, body({"username": "ada", "password": OTHER_PASSWORD})),
    ("POST", "/login/", 401, "invalid-credentials", no_preparation, body({"username": "ada", "password": PASSWORD})),
    ("GET", "/account/", 200, "", AppClient.token, with_token()),
    ("GET", "/account/", 401, "not-authenticated", no_preparation, lambda _: {}),
    ("GET", "/account/", 401, "invalid-token", expired, with_token()),
    ("PUT", "/account/", 200, "", AppClient.token, with_token(json=ALL_FIELDS)),
    ("PUT", "/account/", 400, "invalid-input", AppClient.token, with_token(json={"name": "Ada"})),
    ("PUT", "/account/", 401, "not-authenticated", no_preparation, body(ALL_FIELDS)),
    ("PUT", "/account/", 401, "invalid-token", expired, with_token(json=ALL_FIELDS)),
    ("PATCH", "/account/", 200, "", AppClient.token, with_token(json={"name": "Ada King"})),
    ("PATCH", "/account/", 200, "", AppClient.token, with_token(json={"password": OTHER_PASSWORD})),
    ("PATCH", "/account/", 200, "", AppClient.token, with_token(json={})),
    ("PATCH", "/account/", 400, "invalid-input", AppClient.token, with_token(json={"email": "nowhere"})),
    ("PATCH", "/account/", 401, "not-authenticated", no_preparation, body({})),
    ("PATCH", "/account/", 401, "invalid-token", expired, with_token(json={})),
    ("PATCH", "/account/", 200, "", AppClient.token, with_token(json={"mobile": None})),
    ("PATCH", "/account/", 200, "", stale, with_token(json={"password": OTHER_PASSWORD, "current_password": PASSWORD})),
    ("PATCH", "/account/", 401, "login-not-fresh", stale, with_token(json={"password": OTHER_PASSWORD})),
    ("PATCH", "/account/", 401, "invalid-credentials", stale, with_token(json={"current_password": OTHER_PASSWORD})),
    ("PUT", "/account/", 401, "login-not-fresh", stale, with_token(json=ALL_FIELDS)),
    (
        "PUT",
        "/account/",
        401,
        "invalid-credentials",
        AppClient.token,
        with_token(json={**ALL_FIELDS, "current_password": OTHER_PASSWORD}),
    ),
    ("GET", "/account/export/", 401, "login-not-fresh", stale, with_token()),
    ("POST", "/account/export/", 401, "login-not-fresh", stale, with_token()),
    ("POST", "/account/export/", 200, "", stale, with_token(json={"current_password": PASSWORD})),
    (
        "POST",
        "/account/export/",
        401,
        "invalid-credentials",
        AppClient.token,
        with_token(json={"current_password": OTHER_PASSWORD}),
    ),
    ("GET", "/account/export/", 200, "", AppClient.token, with_token()),
    ("GET", "/account/export/", 401, "not-authenticated", no_preparation, lambda _: {}),
    ("GET", "/account/export/", 429, "rate-limited", exported_five_times, with_token()),
    ("POST", "/account/export/", 200, "", AppClient.token, with_token(json={"current_password": PASSWORD})),
    ("POST", "/account/export/", 200, "", AppClient.token, with_token()),
    ("POST", "/account/export/", 400, "invalid-input", AppClient.token, with_token(json={"current_password": 7})),
    ("POST", "/account/export/", 401, "invalid-token", expired, with_token()),
    ("DELETE", "/account/", 202, "", AppClient.token, with_token()),
    ("DELETE", "/account/", 202, "", AppClient.token, with_token(json={"current_password": PASSWORD})),
    ("DELETE", "/account/", 400, "invalid-input", AppClient.token, with_token(json={"current_password": "\0"})),
    ("DELETE", "/account/", 401, "invalid-credentials", AppClient.token, with_token(json={"current_password": OTHER_PASSWORD})),
    ("DELETE", "/account/", 401, "login-not-fresh", with_old_login, with_token()),
    ("DELETE", "/account/", 409, "last-superuser", only_superuser, with_token()),
    ("DELETE", "/account/", 401, "not-authenticated", no_preparation, lambda _: {}),
    ("DELETE", "/account/", 401, "invalid-token", expired, with_token()),
    ("POST", "/otp/", 201, "", no_preparation, body({"destination": EMAIL})),
    ("POST", "/otp/", 400, "invalid-input", no_preparation, body({})),
    ("POST", "/otp/", 429, "rate-limited", code_by_mail, body({"destination": EMAIL})),
    ("POST", "/otp/", 201, "", code_by_mail, otp()),
    ("POST", "/otp/", 201, "", code_by_mail, otp(is_login="True")),
    ("POST", "/otp/", 400, "address-not-verified", unverified, otp(is_login=True)),
    ("POST", "/otp/", 403, "invalid-code", code_by_mail, lambda code: otp()(wrong(code))),
    ("POST", "/otp/", 403, "invalid-code", no_preparation, body({"destination": EMAIL, "verify_otp": "123456"})),
    ("POST", "/otpreglogin/", 201, "", no_preparation, body(CODE_REGISTRATION)),
    ("POST", "/otpreglogin/", 400, "invalid-input", no_preparation, body({"name": "Ada"})),
    ("POST", "/otpreglogin/", 429, "rate-limited", code_to_register, body(CODE_REGISTRATION)),
    ("POST", "/otpreglogin/", 201, "", code_to_register, lambda code: {"json": CODE_REGISTRATION | {"verify_otp": code}}),
    (
        "POST",
        "/otpreglogin/",
        403,
        "invalid-code",
        code_to_register,
        lambda code: {"json": CODE_REGISTRATION | {"verify_otp": wrong(code)}},
    ),
    (
        "POST",
        "/password/reset/",
        202,
        "",
        code_by_mail,
        lambda c: {"json": {"email": EMAIL, "otp": c, "password": OTHER_PASSWORD}},
    ),
    ("POST", "/password/reset/", 400, "invalid-input", no_preparation, body({})),
    ("POST", "/password/reset/", 400, "address-not-verified", unverified, reset),
    ("POST", "/password/reset/", 403, "invalid-code", code_by_mail, lambda code: reset(wrong(code))),
    ("POST", "/isunique/", 200, "", no_preparation, body({"prop": "email", "value": EMAIL})),
    ("POST", "/isunique/", 400, "invalid-input", no_preparation, body({"prop": "shoe size", "value": "43"})),
    ("POST", "/upload-image/", 201, "", AppClient.token, with_token(files=FILE)),
    ("POST", "/upload-image/", 400, "invalid-input", AppClient.token, with_token(files={"other": FILE["profile_image"]})),
    ("POST", "/upload-image/", 401, "not-authenticated", no_preparation, lambda _: {"files": FILE}),
    ("POST", "/upload-image/", 401, "invalid-token", expired, with_token(files=FILE)),
    ("DELETE", "/upload-image/", 204, "", AppClient.token, with_token()),
    ("DELETE", "/upload-image/", 401, "not-authenticated", no_preparation, lambda _: {}),
    ("DELETE", "/upload-image/", 401, "invalid-token", expired, with_token()),
    ("POST", "/refresh-token/", 200, "", refresh_token, lambda token: {"json": {"refresh": token}}),
    ("POST", "/refresh-token/", 400, "invalid-input", no_preparation, body({})),
    ("POST", "/refresh-token/", 401, "invalid-refresh-token", no_preparation, body({"refresh": "junk"})),
    ("GET", "/sessions/", 200, "", AppClient.token, with_token()),
    ("GET", "/sessions/", 401, "not-authenticated", no_preparation, lambda _: {}),
    ("DELETE", "/sessions/", 200, "", AppClient.token, with_token()),
    ("DELETE", "/sessions/", 401, "invalid-token", expired, with_token()),
    ("DELETE", "/sessions/unheard-of", 404, "no-such-session", AppClient.token, with_token()),
    ("DELETE", "/sessions/unheard-of", 401, "not-authenticated", no_preparation, lambda _: {}),
    ("POST", "/logout/", 204, "", AppClient.token, with_token()),
    ("POST", "/logout/", 204, "", refresh_token, lambda token: {"json": {"refresh": token}}),
    ("POST", "/logout/", 204, "", no_preparation, body({"refresh": "junk"})),
    ("POST", "/logout/", 400, "invalid-input", no_preparation, body({"refresh": 7})),
    ("POST", "/logout/", 401, "not-authenticated", no_preparation, body({})),
    ("POST", "/logout/", 401, "invalid-token", expired, with_token()),
    ("GET", "/images/unheard-of.webp", 404, "not-found", no_preparation, lambda _: {}),
    ("GET", "/healthz", 200, "", no_preparation, lambda _: {}),
    ("GET", "/readyz", 200, "", no_preparation, lambda _: {}),
    ("GET", "/.well-known/jwks.json", 200, "", no_preparation, lambda _: {}),
    ("GET", "/.well-known/openid-configuration", 200, "", no_preparation, lambda _: {}),
    ("GET", "/openapi.json", 200, "", no_preparation, lambda _: {}),
    ("GET", "/docs/", 200, "", no_preparation, lambda _: {}),
    ("GET", "/nowhere/", 404, "not-found", no_preparation, lambda _: {}),
    ("POST", "/account/", 405, "method-not-allowed", no_preparation, lambda _: {}),
]


def case_id(case: Case) -> str:
    return f"{case[0]} {case[1]} {case[2]} {case[3]}".strip()


@pytest.mark.parametrize("case", CASES, ids=case_id)
@pytest.mark.parametrize("prefix", ["", "/api/user"], ids=["at the root", "under a prefix"])
def test_call_returns_documented_status_in_both_spellings(case: Case, prefix: str, open_client: OpenClient) -> None:
    method, path, status, slug, arrange, arguments = case
    for spelling in (path.rstrip("/"), f"{path.rstrip('/')}/"):
        root = open_client()
        client = root if not prefix else open_client(root.world, api_prefix=prefix)
        answer = client.call(method, prefix + spelling, **_arguments(arguments(arrange(root))))
        assert answer.status_code == status, answer.text
        assert answer.history == []
        assert not slug or (answer.json()["type"], answer.json()["status"]) == (URN + slug, status)


def _arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    return {("body" if name == "json" else name): value for name, value in arguments.items()}


@pytest.mark.parametrize("handler", API, ids=lambda handler: handler.handler_name)
def test_every_declared_refusal_has_a_case(handler: HTTPRouteHandler) -> None:
    (method,) = handler.http_methods
    path = path_of(handler).replace("{name}", "unheard-of.webp").replace("{session_id}/", "unheard-of")
    listed = {slug for called, where, _, slug, *_ in CASES if (called, where) == (method, path)}
    elsewhere = {"account-mismatch", "image-too-large", "registration-closed", "invitation-required"} | (
        {"already-taken"} if path == "/account/" else set()
    )
    assert {refusal.slug for refusal in operation_of(handler).refusals} <= listed | elsewhere


def test_login_that_is_not_fresh_has_the_challenge_of_rfc_9470(client: AppClient) -> None:
    answer = client.call("PATCH", "/account/", {"password": OTHER_PASSWORD}, token=stale(client))
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert 'error="insufficient_user_authentication"' in challenge
    assert 'max_age="3600"' in challenge


def test_refusal_of_an_unverified_address_has_a_proof_of_it(client: AppClient) -> None:
    code = unverified(client)
    answer = client.post("/otp/", {"destination": EMAIL, "verify_otp": code, "is_login": True})
    assert answer.headers["cache-control"] == "no-store"
    changed = client.call(
        "PATCH", "/account/", {"email": EMAIL, "proofs": [answer.json()["proof"]]}, token=client.tokens()["token"]
    )
    assert changed.json()["email_verified"] is True


def test_effects_are_in_the_token_set_only_where_there_are_some(client: AppClient) -> None:
    client.registered()
    plain = {"token", "refresh_token", "session", "token_type", "expires_in"}
    assert set(client.tokens()) == plain
    body = {"destination": EMAIL, "verify_otp": client.code(EMAIL), "is_login": True}
    claimed = client.post("/otp/", body).json()
    assert set(claimed) == plain | {"cleared"}
    assert claimed["cleared"] == ["password", "sessions", "mobile"]
    client.world.clock.advance(60)
    assert set(client.post("/otp/", body | {"verify_otp": client.code(EMAIL)}).json()) == plain
    new = {"name": "Bob", "email": BOB["email"], "mobile": BOB["mobile"]}
    client.post("/otpreglogin/", new)
    created = client.post("/otpreglogin/", new | {"verify_otp": client.world.code_for(BOB["email"])}).json()
    assert (set(created), created["created"]) == (plain | {"created"}, True)


def test_reset_says_what_it_cleared(client: AppClient) -> None:
    client.registered()
    body = {"email": EMAIL, "otp": client.code(EMAIL), "password": OTHER_PASSWORD}
    assert client.post("/password/reset/", body).json()["cleared"] == ["password", "mobile"]
    client.world.clock.advance(60)
    again = client.post("/password/reset/", body | {"otp": client.code(EMAIL), "password": PASSWORD})
    assert set(again.json()) == {"detail"}


def refusals() -> list[type[Refusal]]:
    declared, waiting = [], [Refusal]
    while waiting:
        children = waiting.pop().__subclasses__()
        declared += children
        waiting += children
    return [refusal for refusal in declared if refusal.__module__.startswith("vestibule.") and refusal is not Conflict]


@pytest.mark.parametrize("refusal", refusals(), ids=lambda refusal: refusal.slug)
def test_every_refusal_has_a_status_and_a_unique_slug(refusal: type[Refusal]) -> None:
    assert 400 <= STATUS[refusal] < 600
    assert [other for other in STATUS if other.slug == refusal.slug] == [refusal]


def test_conflict_is_answered_as_unavailable() -> None:
    assert (status_of(Conflict()), problem_headers(Conflict())["retry-after"]) == (503, "0")
    assert problem_document(Conflict()).type == problem_document(Unavailable()).type


def test_rate_limited_has_retry_after() -> None:
    headers = problem_headers(RateLimited(17))
    assert headers["retry-after"] == "17"
    assert not {"ratelimit", "ratelimit-policy"} & headers.keys()


def test_rate_limited_says_which_limit_refused() -> None:
    headers = problem_headers(RateLimited(17, policy="failed-logins", limit=RateLimit(100, 3600.0)))
    assert headers["retry-after"] == "17"
    assert headers["ratelimit-policy"] == '"failed-logins";q=100;w=3600'
    assert headers["ratelimit"] == '"failed-logins";r=0;t=17'


def test_problem_without_bad_fields_has_no_errors() -> None:
    assert problem_document(Internal()).errors == problem_document(Internal()).codes == {}


def test_code_of_the_verified_address_logs_in_after_a_mismatch(client: AppClient) -> None:
    """As the refusal of the other address's code says."""
    both = {"name": "Ada", "email": ADA["email"], "mobile": BOB["mobile"]}
    client.post("/otpreglogin/", both)
    code = client.world.code_for(ADA["email"])
    assert client.post("/otpreglogin/", both | {"verify_otp": code}).json()["created"]
    client.world.clock.advance(60)
    client.post("/otpreglogin/", both)
    answer = client.post("/otpreglogin/", both | {"verify_otp": client.world.code_for(BOB["mobile"])})
    assert (answer.status_code, answer.json()["type"]) == (400, f"{URN}account-mismatch")
    code = client.world.code_for(ADA["email"])
    assert client.post("/otpreglogin/", both | {"verify_otp": code}).json()["token_type"] == "Bearer"


def test_verification_without_a_login_says_that_no_account_changed(client: AppClient) -> None:
    token, texts = client.token(), []
    for given in (None, token):
        client.world.clock.advance(60)
        client.post("/otp/", {"destination": ADA["email"]})
        answer = client.post(
            "/otp/", {"destination": ADA["email"], "verify_otp": client.world.code_for(ADA["email"])}, token=given
        )
        texts.append(answer.json()["detail"])
        verified = client.call("GET", "/account/", token=token).json()["email_verified"]
        assert verified is ("on no account" not in texts[-1])
    assert "on no account" in texts[0]


def test_account_mismatch_is_reported_only_after_right_code(client: AppClient) -> None:
    client.registered(proofs=[client.world.verify_address(ADA["email"])])
    client.registered(**BOB, proofs=[client.world.verify_address(BOB["mobile"])])
    client.world.clock.advance(60)
    mixed = {"name": "Ada", "email": ADA["email"], "mobile": BOB["mobile"]}
    assert client.post("/otpreglogin/", mixed).status_code == 201
    code = client.world.code_for(ADA["email"])
    assert client.post("/otpreglogin/", mixed | {"verify_otp": wrong(code)}).status_code == 403
    answer = client.post("/otpreglogin/", mixed | {"verify_otp": code})
    assert (answer.status_code, answer.json()["type"]) == (400, f"{URN}account-mismatch")
    assert "that came to the other one" in answer.json()["detail"]
    assert not any(text in answer.text for text in (ADA["email"], BOB["mobile"], "ada", "bob"))
