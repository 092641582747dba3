"""Valid and invalid access tokens over HTTP."""

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.http.conftest import ADA, BOB, URN, AppClient, OpenClient, call_asgi
from tests.support.world import OTHER_PASSWORD

from vestibule.adapters.keys import JwtTokens, KeySet
from vestibule.domain.events import EventType
from vestibule.entrypoints.http import create_app
from vestibule.verify import StaticKeys, Verifier

CALLS = [("GET", "/account/", None), ("PUT", "/account/", ADA), ("PATCH", "/account/", {}), ("POST", "/upload-image/", None)]


def assert_refused(client: AppClient, headers: dict[str, str], challenge: str) -> None:
    for method, path, body in CALLS:
        answer = client.call(method, path, body, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, challenge)


def test_challenge_without_token_has_no_error_code(client: AppClient) -> None:
    assert_refused(client, {}, 'Bearer realm="vestibule"')
    assert_refused(client, {"Authorization": "Basic YWRhOnNlY3JldA=="}, 'Bearer realm="vestibule"')


def token_part(fields: dict[str, Any]) -> str:
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
def test_malformed_token_is_invalid(make: Any, client: AppClient) -> None:
    client.registered()
    token = make(client.tokens())
    answer = client.http.get("/account/", headers=[(b"authorization", f"Bearer {token}".encode())])
    assert (answer.status_code, answer.json()["type"]) == (401, f"{URN}invalid-token")
    assert answer.headers["www-authenticate"] == 'Bearer realm="vestibule", error="invalid_token"'


def test_forged_token_is_invalid(client: AppClient) -> None:
    good = client.token()
    claims = jwt.decode(good, options={"verify_signature": False})
    header = jwt.get_unverified_header(good)
    url = client.world.settings.url
    unsigned = f"{token_part(header | {'alg': 'none'})}.{good.split('.')[1]}."
    public = client.call("GET", "/.well-known/jwks.json").json()["keys"][0]["x"]
    by_secret = jwt.encode(claims, public.encode(), algorithm="HS256", headers={"kid": header["kid"], "typ": "at+jwt"})
    by_another = jwt.encode(
        claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": header["kid"], "typ": "at+jwt"}
    )
    foreign = JwtTokens(KeySet.generate(), issuer=url, audience=url).issue_access(1, claims["sid"], client.world.clock())
    for token in (unsigned, by_secret, by_another, foreign):
        assert_refused(client, {"Authorization": f"Bearer {token}"}, 'Bearer realm="vestibule", error="invalid_token"')
    assert client.call("GET", "/account/", token=good).status_code == 200


def test_token_is_invalid_after_expiry_revocation_or_deactivation(client: AppClient) -> None:
    account = client.world.now(client.world.create_account("ada", password=OTHER_PASSWORD))
    expired = client.tokens(password=OTHER_PASSWORD)["token"]
    client.world.clock.advance(299)
    assert client.call("GET", "/account/", token=expired).status_code == 200
    client.world.clock.advance(2)
    ended = client.tokens(password=OTHER_PASSWORD)
    client.world.database.begin()
    inactive = client.tokens(password=OTHER_PASSWORD)["token"]
    spent = client.post("/refresh-token/", {"refresh": ended["refresh_token"]}).json()
    client.post("/refresh-token/", {"refresh": spent["refresh_token"]})
    assert client.post("/refresh-token/", {"refresh": ended["refresh_token"]}).status_code == 401
    client.world.alter(account, is_active=False)
    for token in (expired, ended["token"], inactive):
        assert client.call("GET", "/account/", token=token).json()["type"] == f"{URN}invalid-token"


def test_scheme_is_case_insensitive(client: AppClient) -> None:
    token = client.token()
    for scheme in ("bearer", "BEARER", "Bearer "):
        assert client.call("GET", "/account/", headers={"Authorization": f"{scheme} {token}"}).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_request_without_token_is_refused_before_the_body_is_read(method: str, client: AppClient) -> None:
    headers = [(b"content-type", b"application/json")]
    raw = call_asgi(create_app(client.world), method, "/account/", [b"{"], headers=headers)
    assert (raw.status, raw.chunks_received) == (401, 0)


def test_two_authorization_headers_are_invalid(client: AppClient) -> None:
    header = (b"authorization", f"Bearer {client.token()}".encode())
    app = create_app(client.world)
    assert call_asgi(app, "GET", "/account/", headers=[header]).status == 200
    twice = call_asgi(app, "GET", "/account/", headers=[header, header])
    assert (twice.status, b"invalid-token" in twice.body) == (401, True)


def test_bad_header_is_ignored_by_calls_without_login(client: AppClient) -> None:
    bad = {"Authorization": "Bearer junk"}
    assert client.post("/register/", ADA, headers=bad).status_code == 201
    code = client.code(ADA["email"])
    assert client.post("/otp/", {"destination": ADA["email"], "verify_otp": code}, headers=bad).status_code == 201


def test_verification_with_own_token_keeps_the_password(client: AppClient) -> None:
    token = client.token()
    code = client.code(ADA["email"])
    assert client.post("/otp/", {"destination": ADA["email"], "verify_otp": code}, token=token).status_code == 201
    client.world.clock.advance(61)
    code = client.code(ADA["email"])
    assert client.post("/otp/", {"destination": ADA["email"], "verify_otp": code, "is_login": True}).status_code == 201
    assert client.world.can_log_in("ada")


def test_refused_refresh_token_has_www_authenticate_header(client: AppClient) -> None:
    access = client.token()
    for text in ("junk", access):
        answer = client.post("/refresh-token/", {"refresh": text})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="vestibule"')


def test_token_set_has_the_documented_fields(client: AppClient) -> None:
    client.registered()
    tokens = client.tokens()
    assert list(tokens) == ["token", "refresh_token", "session", "token_type", "expires_in"]
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 300)


REGISTERED = {"iss", "aud", "sub", "iat", "nbf", "exp", "jti", "sid"}


def claims_of(client: AppClient, tokens: Any) -> dict[str, Any]:
    """The claims of an access token besides the registered ones, by PyJWT and by `vestibule.verify`."""
    url, jwks = client.world.settings.url, client.call("GET", "/.well-known/jwks.json")
    (key,) = jwt.PyJWKSet.from_dict(jwks.json()).keys
    without_time = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}  # the clock of the world is another one
    claims = jwt.decode(tokens["token"], key, algorithms=["EdDSA"], issuer=url, audience=url, options=without_time)  # type: ignore[arg-type]  # a part of the options
    identity = Verifier(issuer=url, keys=StaticKeys(jwks.content), clock=client.world.clock)(tokens["token"])
    assert dict(identity.claims) == claims
    return {name: value for name, value in claims.items() if name not in REGISTERED}


def test_access_token_has_no_claims_of_the_account_by_default(client: AppClient) -> None:
    client.registered()
    assert claims_of(client, client.tokens()) == {}


def test_access_token_has_the_claims_of_the_setting_as_of_its_signing(open_client: OpenClient) -> None:
    names = ("username", "name", "email", "email_verified", "mobile", "is_staff", "is_superuser")
    client = open_client(token_claims=names)
    account = client.registered(mobile="+442079460958")
    tokens = client.tokens()
    assert claims_of(client, tokens) == {name: account[name] for name in names}

    changed = client.call("PATCH", "/account/", {"name": "Ada 🦄 King", "mobile": None}, token=tokens["token"]).json()
    expected = {name: changed[name] for name in names if name != "mobile"}
    tokens = client.post("/refresh-token/", {"refresh": tokens["refresh_token"]}).json()
    assert claims_of(client, tokens) == expected, "a null one is left out"

    code = client.code(ADA["email"], is_login=True)
    tokens = client.post("/otp/", {"destination": ADA["email"], "verify_otp": code, "is_login": True}).json()
    assert claims_of(client, tokens) == expected | {"email_verified": True}, "also what the login itself has changed"


def test_registration_by_a_code_says_that_it_created_the_account(open_client: OpenClient) -> None:
    client = open_client(token_claims=("mobile", "email_verified"))
    body = {"name": "Bob", "email": "bob@example.org", "mobile": "+442079460959"}
    for created in (True, None):
        assert client.post("/otpreglogin/", body).status_code == 201
        tokens = client.post("/otpreglogin/", {**body, "verify_otp": client.world.code_for("+442079460959")}).json()
        assert (tokens.get("created"), claims_of(client, tokens)["mobile"]) == (created, "+442079460959")
        client.world.clock.advance(61)


def test_audit_log_has_the_user_agent_and_request_id(client: AppClient) -> None:
    client.registered()
    answer = client.post(
        "/login/", {"username": "ada", "password": ADA["password"]}, headers={"User-Agent": "Analytical Engine"}
    )
    (event,) = client.world.events(EventType.LOGGED_IN)
    assert (event.caller.user_agent, event.caller.request_id) == ("Analytical Engine", answer.headers["x-request-id"])


def test_caller_reads_only_the_own_account(client: AppClient) -> None:
    ada = client.registered()
    bob = client.registered(**BOB)
    assert client.call("GET", "/account/", token=client.tokens("ada")["token"]).json() == ada
    assert client.call("GET", "/account/", token=client.tokens("bob")["token"]).json() == bob


def test_session_times_are_utc_and_newest_session_comes_first(client: AppClient) -> None:
    client.registered()
    client.tokens()
    client.world.clock.advance(60)
    token = client.tokens()["token"]
    sessions = client.call("GET", "/sessions/", token=token).json()["sessions"]
    assert [session["created_at"] for session in sessions] == ["2027-01-15T08:01:00Z", "2027-01-15T08:00:00Z"]
