"""Valid and invalid access tokens over HTTP."""

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.http.conftest import ADA, BOB, URN, Site, call_asgi
from tests.support.world import OTHER_PASSWORD

from vestibule.adapters.keys import JwtTokens, KeySet
from vestibule.domain.events import EventType
from vestibule.entrypoints.http import create_app

CALLS = [("GET", "/account/", None), ("PUT", "/account/", ADA), ("PATCH", "/account/", {}), ("POST", "/upload-image/", None)]


def is_refused(site: Site, headers: dict[str, str], challenge: str) -> None:
    for method, path, body in CALLS:
        answer = site.call(method, path, body, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, challenge)


def test_challenge_without_token_has_no_error_code(site: Site) -> None:
    is_refused(site, {}, 'Bearer realm="vestibule"')
    is_refused(site, {"Authorization": "Basic YWRhOnNlY3JldA=="}, 'Bearer realm="vestibule"')


def part(fields: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "make",
    [
        lambda tokens: "",
        lambda tokens: " ",
        lambda tokens: "junk",
        lambda tokens: "a.b.c",
        lambda tokens: "é" * 10,
        lambda tokens: "x" * 5000,
        lambda tokens: tokens["token"][:-1],
        lambda tokens: tokens["token"][:-10] + "AAAAAAAAAA",
        lambda tokens: tokens["token"] + "A",
        lambda tokens: tokens["token"] + " more",
        lambda tokens: tokens["token"].rpartition(".")[0] + ".",
        lambda tokens: tokens["refresh_token"],
        lambda tokens: tokens["session"],
    ],
)
def test_malformed_token_is_invalid(make: Any, site: Site) -> None:
    site.registered()
    token = make(site.tokens())
    answer = site.client.get("/account/", headers=[(b"authorization", f"Bearer {token}".encode())])
    assert (answer.status_code, answer.json()["type"]) == (401, f"{URN}invalid-token")
    assert answer.headers["www-authenticate"] == 'Bearer realm="vestibule", error="invalid_token"'


def test_forged_token_is_invalid(site: Site) -> None:
    good = site.token()
    claims = jwt.decode(good, options={"verify_signature": False})
    header = jwt.get_unverified_header(good)
    url = site.world.settings.url
    unsigned = f"{part(header | {'alg': 'none'})}.{good.split('.')[1]}."
    public = site.call("GET", "/.well-known/jwks.json").json()["keys"][0]["x"]
    by_secret = jwt.encode(claims, public.encode(), algorithm="HS256", headers={"kid": header["kid"], "typ": "at+jwt"})
    by_another = jwt.encode(
        claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": header["kid"], "typ": "at+jwt"}
    )
    foreign = JwtTokens(KeySet.generate(), issuer=url, audience=url).issue_access(1, claims["sid"], site.world.clock())
    for token in (unsigned, by_secret, by_another, foreign):
        is_refused(site, {"Authorization": f"Bearer {token}"}, 'Bearer realm="vestibule", error="invalid_token"')
    assert site.call("GET", "/account/", token=good).status_code == 200


def test_token_is_invalid_after_expiry_revocation_or_deactivation(site: Site) -> None:
    account = site.world.now(site.world.create_account("ada", password=OTHER_PASSWORD))
    expired = site.tokens(password=OTHER_PASSWORD)["token"]
    site.world.clock.advance(299)
    assert site.call("GET", "/account/", token=expired).status_code == 200
    site.world.clock.advance(2)
    ended = site.tokens(password=OTHER_PASSWORD)
    site.world.database.begin()
    inactive = site.tokens(password=OTHER_PASSWORD)["token"]
    spent = site.post("/refresh-token/", {"refresh": ended["refresh_token"]}).json()
    site.post("/refresh-token/", {"refresh": spent["refresh_token"]})
    assert site.post("/refresh-token/", {"refresh": ended["refresh_token"]}).status_code == 401
    site.world.alter(account, is_active=False)
    for token in (expired, ended["token"], inactive):
        assert site.call("GET", "/account/", token=token).json()["type"] == f"{URN}invalid-token"


def test_scheme_is_case_insensitive(site: Site) -> None:
    token = site.token()
    for scheme in ("bearer", "BEARER", "Bearer "):
        assert site.call("GET", "/account/", headers={"Authorization": f"{scheme} {token}"}).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_missing_login_is_refused_before_the_body_is_read(method: str, site: Site) -> None:
    headers = [(b"content-type", b"application/json")]
    raw = call_asgi(create_app(site.world), method, "/account/", [b"{"], headers=headers)
    assert (raw.status, raw.taken) == (401, 0)


def test_two_authorization_headers_are_invalid(site: Site) -> None:
    header = (b"authorization", f"Bearer {site.token()}".encode())
    app = create_app(site.world)
    assert call_asgi(app, "GET", "/account/", headers=[header]).status == 200
    twice = call_asgi(app, "GET", "/account/", headers=[header, header])
    assert (twice.status, b"invalid-token" in twice.body) == (401, True)


def test_bad_header_is_ignored_by_calls_without_login(site: Site) -> None:
    bad = {"Authorization": "Bearer junk"}
    assert site.post("/register/", ADA, headers=bad).status_code == 201
    code = site.code(ADA["email"])
    assert site.post("/otp/", {"destination": ADA["email"], "verify_otp": code}, headers=bad).status_code == 201


def test_verification_with_own_token_keeps_the_password(site: Site) -> None:
    token = site.token()
    code = site.code(ADA["email"])
    assert site.post("/otp/", {"destination": ADA["email"], "verify_otp": code}, token=token).status_code == 201
    site.world.clock.advance(61)
    code = site.code(ADA["email"])
    assert site.post("/otp/", {"destination": ADA["email"], "verify_otp": code, "is_login": True}).status_code == 201
    assert site.world.can_log_in("ada")


def test_invalid_refresh_token_is_refused_with_a_challenge(site: Site) -> None:
    access = site.token()
    for text in ("junk", access):
        answer = site.post("/refresh-token/", {"refresh": text})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="vestibule"')


def test_token_set_has_the_documented_fields(site: Site) -> None:
    site.registered()
    tokens = site.tokens()
    assert list(tokens) == ["token", "refresh_token", "session", "token_type", "expires_in"]
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 300)


def test_audit_log_has_the_user_agent_and_request_id(site: Site) -> None:
    site.registered()
    answer = site.post("/login/", {"username": "ada", "password": ADA["password"]}, headers={"User-Agent": "Analytical Engine"})
    (event,) = site.world.events(EventType.LOGGED_IN)
    assert (event.caller.user_agent, event.caller.request_id) == ("Analytical Engine", answer.headers["x-request-id"])


def test_caller_reads_only_the_own_account(site: Site) -> None:
    ada = site.registered()
    bob = site.registered(**BOB)
    assert site.call("GET", "/account/", token=site.tokens("ada")["token"]).json() == ada
    assert site.call("GET", "/account/", token=site.tokens("bob")["token"]).json() == bob


def test_session_times_are_utc_and_newest_session_comes_first(site: Site) -> None:
    site.registered()
    site.tokens()
    site.world.clock.advance(60)
    token = site.tokens()["token"]
    sessions = site.call("GET", "/sessions/", token=token).json()["sessions"]
    assert [one["created_at"] for one in sessions] == ["2027-01-15T08:01:00Z", "2027-01-15T08:00:00Z"]
