"""Conventions of the HTTP contract that hold for every call."""

import asyncio
import gc
import logging
import re
import weakref
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
from litestar.routes import HTTPRoute
from tests.http.conftest import ADA, URN, AppClient, OpenClient, RawResponse, call_asgi
from tests.support.world import OTHER_PASSWORD, PASSWORD, PNG, World

from vestibule.adapters.database import MemoryDatabase
from vestibule.adapters.hasher import InsecureHasher
from vestibule.application import Unavailable
from vestibule.entrypoints.http import create_app
from vestibule.entrypoints.http.app import API, SERVICE
from vestibule.entrypoints.http.openapi import path_of

JSON = (b"content-type", b"application/json")
ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "cache-control": "no-store",
}
ANY_CALLS = [
    ("POST", "/register/"),
    ("POST", "/login/"),
    ("GET", "/account/"),
    ("PUT", "/account/"),
    ("OPTIONS", "/account/"),
    ("DELETE", "/account/"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/nowhere"),
    ("GET", "/images/none.webp"),
    ("GET", "/openapi.json"),
]


# --- headers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), ANY_CALLS)
def test_every_response_has_the_common_headers(method: str, path: str, client: AppClient) -> None:
    answer = client.call(method, path)
    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
    assert not {"server", "set-cookie", "strict-transport-security"} & set(answer.headers)


def test_request_id_is_generated_for_each_request(client: AppClient) -> None:
    ids = {client.call("GET", "/healthz", headers={"X-Request-ID": "mine"}).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert "mine" not in ids


def test_https_url_adds_hsts_header(open_client: OpenClient) -> None:
    client = open_client(public_url="https://accounts.example.org")
    assert client.call("GET", "/nowhere").headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"


def test_key_set_is_publicly_cacheable(open_client: OpenClient) -> None:
    client = open_client(api_prefix="/api/user")
    for path in ("/.well-known/jwks.json", "/api/user/.well-known/jwks.json"):
        answer = client.call("GET", path)
        assert answer.json() == client.world.jwks()
        assert answer.headers["cache-control"] == "public, max-age=3600"


def test_discovery_names_issuer_key_set_and_algorithms_and_is_publicly_cacheable(open_client: OpenClient) -> None:
    client = open_client(api_prefix="/api/user", public_url="https://accounts.example.org", token_algorithm="ES256")
    for path in ("/.well-known/openid-configuration", "/api/user/.well-known/openid-configuration"):
        answer = client.call("GET", path)
        assert answer.json() == {
            "issuer": "https://accounts.example.org",
            "jwks_uri": "https://accounts.example.org/api/user/.well-known/jwks.json",
            "id_token_signing_alg_values_supported": ["ES256"],
            "subject_types_supported": ["public"],
        }
        assert answer.headers["cache-control"] == "public, max-age=3600"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    client.world.create_account("ann")
    token = client.world.log_in(username="ann", password=PASSWORD).access_token
    assert jwt.get_unverified_header(token)["alg"] == "ES256"


class FaultyHasher(InsecureHasher):
    """A hasher with a bug."""

    def verify(self, password_hash: str | None, password: str) -> bool:
        raise RuntimeError("a bug")


def test_internal_error_reveals_only_the_request_id(open_client: OpenClient, caplog: pytest.LogCaptureFixture) -> None:
    client = open_client(hasher=FaultyHasher())
    with caplog.at_level(logging.ERROR, "vestibule.http"):
        answer = client.post("/login/", {"username": "ada", "password": "a secret of hers"})
    request_id = answer.headers["x-request-id"]
    assert answer.status_code == 500
    assert answer.json() == {
        "type": f"{URN}internal",
        "title": "An internal error occurred.",
        "status": 500,
        "detail": f"The error is logged under the request id {request_id}.",
    }
    assert answer.headers["cache-control"] == "no-store"
    (record,) = caplog.records
    assert vars(record)["fields"] == {"request_id": request_id, "route": "/login"}
    assert "a secret of hers" not in caplog.text


# --- paths and methods ------------------------------------------------------------------------------------------------


def test_paths_are_served_only_under_the_prefix(open_client: OpenClient) -> None:
    client = open_client(api_prefix="/api/user")
    assert client.post("/register/", ADA).status_code == 404
    assert client.post("/api/user/register/", ADA).status_code == 201
    assert {client.call("GET", path).status_code for path in ("/healthz", "/readyz", "/api/user/healthz")} == {200}


@pytest.mark.parametrize("handler", [*API, *SERVICE], ids=lambda handler: handler.handler_name)
def test_wrong_method_is_answered_with_the_allowed_ones(handler: Any, client: AppClient) -> None:
    path = path_of(handler).replace("{name}", "some.webp")
    right = {method for other in (*API, *SERVICE) if path_of(other) == path_of(handler) for method in other.http_methods}
    right |= {"HEAD"} if "GET" in right else set()
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} - right:
        answer = client.call(method, path)
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == {*right, "OPTIONS"}
        assert method == "HEAD" or answer.json()["type"] == f"{URN}method-not-allowed"
    answer = client.call("OPTIONS", path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert set(answer.headers["allow"].split(", ")) == {*right, "OPTIONS"}


READS = ("/account/", "/sessions/", "/images/", "/healthz", "/readyz", "/.well-known/jwks.json", "/openapi.json", "/docs/")


@pytest.mark.parametrize("path", [*READS, "/sessions", "/nowhere/"])
def test_head_has_the_status_and_headers_of_get_and_no_body(path: str, client: AppClient) -> None:
    token = client.token()
    if path == "/images/":
        files = {"profile_image": ("me.png", PNG, "image/png")}
        path = urlsplit(client.post("/upload-image/", token=token, files=files).json()["profile_image"]).path
    for given in (token, None):
        read, head = client.call("GET", path, token=given), client.call("HEAD", path, token=given)
        assert (head.status_code, head.content) == (read.status_code, b"")
        names = set(read.headers) - {"x-request-id"}
        assert {name: head.headers[name] for name in names} == {name: read.headers[name] for name in names}
        assert int(head.headers["content-length"]) == len(read.content) > 0


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json", "/account/", "/login/", "/nowhere/"])
def test_app_itself_sends_no_body_to_head(path: str, world: World) -> None:
    """A client or a server may drop it too; a host application need not."""
    raw = call_asgi(create_app(world), "HEAD", path)
    assert (raw.status, raw.body) == (call_asgi(create_app(world), "GET", path).status, b"")


@pytest.mark.parametrize("prefix", ["", "/api/user"])
def test_every_route_with_get_has_head(prefix: str, open_client: OpenClient) -> None:
    client = open_client(api_prefix=prefix, revocations_secret="0123456789abcdef" * 4)
    client.world.create_account("ada")
    token = client.world.log_in(username="ada", password=PASSWORD).access_token
    files = {"profile_image": ("me.png", PNG, "image/png")}
    image = client.post(f"{prefix}/upload-image/", token=token, files=files).json()["profile_image"].rpartition("/")[2]
    routes = [route for route in client.http.app.routes if isinstance(route, HTTPRoute) and "GET" in route.methods]
    served = 0
    for route in routes:
        path = route.path.replace("{name:str}", image)
        secret = "0123456789abcdef" * 4 if path.endswith("/revocations") else token
        read, head = (client.call(method, path, token=secret) for method in ("GET", "HEAD"))
        assert (head.status_code, head.content) == (read.status_code, b""), path
        assert dict(head.headers) | {"x-request-id": ""} == dict(read.headers) | {"x-request-id": ""}, path
        served += read.status_code == 200
        refused = client.call("TRACE", path)
        assert (refused.status_code, "HEAD" in refused.headers["allow"].split(", ")) == (405, True), path
    assert served == len(routes) > 10


@pytest.mark.parametrize("path", ["//login/", "/login//", "/login%2f", "/%6cogin/", "//login//"])
def test_no_spelling_of_a_path_evades_limits(path: str, client: AppClient) -> None:
    client.registered()
    wrong = {"username": "ada", "password": OTHER_PASSWORD}
    base = str(client.http.base_url)  # alone, //login/ would be the root of the host "login"
    statuses = [client.post(base + spelling, wrong).status_code for spelling in ("/login/", path) * 6]
    assert 401 in statuses
    assert [status for status in statuses if status != 404].count(401) == 5
    assert set(statuses[-2:]) <= {429, 404}


# --- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/json",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/problem+json",
        "application/json; charset=latin-1",
        "application/json; version=2",
        "application/json, text/plain",
    ],
)
def test_other_or_missing_content_type_is_415(content_type: str | None, world: World) -> None:
    app = create_app(world)
    headers = [] if content_type is None else [(b"content-type", content_type.encode())]
    raw = call_asgi(app, "POST", "/isunique/", [b'{"prop": "username", "value": "ada"}'], headers=headers)
    assert (raw.status, b"unsupported-media-type" in raw.body) == (415, True)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "application/json; charset=UTF-8", 'application/json;charset="utf-8"'],
)
def test_every_spelling_of_json_in_utf_8_is_accepted(content_type: str, client: AppClient) -> None:
    body = '{"prop": "username", "value": "ädä"}'.encode()
    answer = client.call("POST", "/isunique/", content=body, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()) == (200, {"unique": True})


def test_optional_body_may_be_empty_in_any_content_type_and_only_then(client: AppClient) -> None:
    client.registered()
    for headers in ({}, {"Content-Type": "application/json"}, {"Content-Type": "text/plain"}):
        assert client.post("/logout/", token=client.tokens()["token"], headers=headers).status_code == 204
    token = client.tokens()["token"]
    for headers, content, status in (
        ({"Content-Type": "text/plain"}, b"{}", 415),
        ({}, b"{}", 415),
        ({"Content-Encoding": "gzip"}, b"", 415),
        ({"Content-Type": "application/json"}, b"[]", 400),
        ({"Content-Type": "application/json"}, b'"' + b"x" * 20_000 + b'"', 413),
        ({"Content-Type": "application/json"}, b'{"_comment1": 1}', 204),
    ):
        assert client.post("/logout/", token=token, headers=headers, content=content).status_code == status, content[:20]


def test_no_content_has_neither_type_nor_length(client: AppClient) -> None:
    answer = client.post("/logout/", token=client.token())
    assert (answer.status_code, answer.content) == (204, b"")
    assert not {"content-type", "content-length"} & set(answer.headers)
    assert answer.headers["cache-control"] == "no-store"


def test_two_content_types_are_415(world: World) -> None:
    raw = call_asgi(create_app(world), "POST", "/isunique/", [b"{}"], headers=[JSON, JSON])
    assert raw.status == 415


@pytest.mark.parametrize(("encoding", "status"), [("gzip", 415), ("br", 415), ("deflate, gzip", 415), ("identity", 200)])
def test_content_encoding_is_415(encoding: str, status: int, client: AppClient) -> None:
    body = {"prop": "username", "value": "ada"}
    assert client.post("/isunique/", body, headers={"Content-Encoding": encoding}).status_code == status


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"{",
        b'{"username": "ada",}',
        b"{'username': 'ada'}",
        b"null",
        b"[]",
        b'"text"',
        b"17",
        b"\xef\xbb\xbf{}",
        b'{"prop": NaN}',
        b'{"prop": 1e999}',
        b'{"ignored": ' + b"9" * 5000 + b"}",
        b'{"prop": "\xff"}',
        b'{"ignored": "\xc3\x28"}',
        b'{"\xff": 1}',
        b'{"prop": "\\ud800"}',
        b'{"ignored": "\\udc00"}',
        b"[" * 2000,
        b'{"ignored": ' + b"[" * 2000 + b"]" * 2000 + b"}",
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        b'{"ignored": ' + b"[" * 64 + b"]" * 64 + b"}",
        '{"prop": "username", "value": "ada"}'.encode("utf-16"),
        b'{"prop": "username", "value": "ada"} {}',
    ],
    ids=lambda content: repr(content[:20]),
)
def test_body_that_is_not_a_json_object_is_400(content: bytes, client: AppClient) -> None:
    answer = client.call("POST", "/isunique/", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (400, f"{URN}malformed-body")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "ignored",
    [b"[" * 63 + b"]" * 63, b"[" + b"[], " * 100 + b"{}]", b'"' + b"[" * 100 + b'"', b'["\\\\", "\\"[' + b"{" * 100 + b'"]'],
    ids=["deep enough", "side by side", "in a text", "in a text after a quote"],
)
def test_unknown_field_within_the_depth_limit_is_ignored(ignored: bytes, client: AppClient) -> None:
    content = b'{"prop": "username", "value": "ada", "ignored": ' + ignored + b"}"
    answer = client.call("POST", "/isunique/", content=content, headers={"Content-Type": "application/json"})
    assert answer.json() == {"unique": True}


def test_last_of_duplicate_fields_counts(client: AppClient) -> None:
    content = b'{"prop": "shoe size", "prop": "username", "value": "ada"}'
    answer = client.call("POST", "/isunique/", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


TEN_MEGABYTES = [b'{"ignored": "' + b"a" * 65_536] + [b"a" * 65_536] * 159


def test_body_announced_too_large_is_not_read(world: World) -> None:
    app = create_app(world)
    headers = [JSON, (b"content-length", b"10000000")]
    raw = call_asgi(app, "POST", "/register/", TEN_MEGABYTES, headers=headers)
    assert (raw.status, raw.chunks_received) == (413, 0)
    assert (b"connection", b"close") in raw.headers


@pytest.mark.parametrize("headers", [[JSON], [JSON, (b"content-length", b"20")]], ids=["without a length", "with a wrong one"])
def test_body_is_read_only_up_to_the_limit(headers: list[Any], world: World) -> None:
    raw = call_asgi(create_app(world), "POST", "/register/", TEN_MEGABYTES, headers=headers)
    assert (raw.status, raw.chunks_received) == (413, 1)
    assert (b"connection", b"close") in raw.headers


def test_body_of_16_kib_is_the_largest_accepted(client: AppClient) -> None:
    room = 16 * 1024 - len(b'{"prop": "username", "value": "ada", "ignored": ""}')
    for extra, status in ((0, 200), (1, 413)):
        content = b'{"prop": "username", "value": "ada", "ignored": "' + b"a" * (room + extra) + b'"}'
        answer = client.call("POST", "/isunique/", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == status


def test_slow_body_is_408_after_15_seconds(world: World) -> None:
    app = create_app(world)
    content = [bytes([byte]) for byte in b'{"prop": "username", "value": "ada"}']
    quick = call_asgi(app, "POST", "/isunique/", content, headers=[JSON], seconds_between=0.3)
    slow = call_asgi(app, "POST", "/isunique/", content, headers=[JSON], seconds_between=2)
    assert quick.status == 200
    assert (slow.status, b"body-too-slow" in slow.body) == (408, True)
    assert slow.chunks_received < len(content)


def test_interrupted_body_is_400(world: World) -> None:
    app = create_app(world)
    raw = call_asgi(app, "POST", "/register/", [b'{"username": "ada"'], headers=[JSON], disconnects=True)
    assert raw.status == 400


# --- fields -----------------------------------------------------------------------------------------------------------


def test_unknown_fields_are_ignored(client: AppClient) -> None:
    forged = {"id": 99, "is_superuser": True, "is_staff": True, "is_active": False, "profile_image": "x", "_comment1": "hi"}
    account = client.registered(**forged)
    assert (account["id"], account["is_superuser"], account["is_staff"], account["profile_image"]) == (1, False, False, None)
    token = client.tokens()["token"]
    for method, body in (("PATCH", forged), ("PUT", ADA | {"password": OTHER_PASSWORD} | forged)):
        assert client.call(method, "/account/", body, token=token).json() == account


def test_mobiles_and_codes_may_be_numbers(client: AppClient) -> None:
    assert client.registered(mobile=9999999999)["mobile"] == "9999999999"
    assert client.post("/isunique/", {"prop": "mobile", "value": 9999999999}).json() == {"unique": False}
    assert client.post("/login/", {"username": 9999999999, "password": PASSWORD}).status_code == 200
    assert client.post("/otp/", {"destination": 9999999999}).status_code == 201
    code = client.world.code_for("9999999999")
    answer = client.post("/otp/", {"destination": 9999999999, "verify_otp": int(code), "is_login": True})
    assert answer.status_code == 201, answer.text


def test_code_sent_as_number_regains_its_zeros(client: AppClient) -> None:
    for _ in range(400):
        client.world.clock.advance(90_000)
        code = client.code("someone@mail.example.com")
        if code.startswith("0"):
            break
    assert code.startswith("0")
    answer = client.post("/otp/", {"destination": "someone@mail.example.com", "verify_otp": int(code)})
    assert answer.status_code == 201


@pytest.mark.parametrize("value", [True, "True", "true", "TRUE", "1", 1, "yes", "on", " true "])
def test_is_login_accepts_booleans_and_text(value: Any, client: AppClient) -> None:
    client.registered()
    code = client.code(ADA["email"], is_login=value)
    answer = client.post("/otp/", {"destination": ADA["email"], "verify_otp": code, "is_login": value})
    assert "refresh_token" in answer.json()


@pytest.mark.parametrize("value", [False, "False", "false", "0", 0, "no", "off", None, ""])
def test_is_login_accepts_every_false_value(value: Any, client: AppClient) -> None:
    code = client.code(ADA["email"], is_login=value)
    answer = client.post("/otp/", {"destination": ADA["email"], "verify_otp": code, "is_login": value})
    assert "proof" in answer.json()


@pytest.mark.parametrize("value", ["maybe", 2, -1, 1.0, [], {}, [True]])
def test_bad_is_login_is_named_along_with_other_bad_fields(value: Any, client: AppClient) -> None:
    answer = client.post("/otp/", {"destination": "", "email": "nowhere", "is_login": value, "verify_otp": "123456"})
    assert answer.status_code == 400
    assert set(answer.json()["errors"]) == {"destination", "email", "is_login"}


def test_null_and_empty_optional_fields_count_as_absent(client: AppClient) -> None:
    assert client.registered(mobile=None, proofs=None)["mobile"] is None
    token = client.tokens()["token"]
    empty = {"username": "", "name": None, "email": "  ", "mobile": "", "password": "", "proofs": None}
    assert client.call("PATCH", "/account/", empty, token=token).json()["username"] == "ada"
    for blank in (None, "", "  "):
        client.world.clock.advance(61)
        body = {
            "destination": "new@mail.example.com",
            "email": blank,
            "verify_otp": blank,
            "is_login": blank if blank != "  " else None,
        }
        assert "reference" in client.post("/otp/", body).json()


def test_put_requires_mobile_even_if_null(client: AppClient) -> None:
    token = client.token()
    whole = ADA | {"password": OTHER_PASSWORD}
    answer = client.call("PUT", "/account/", {name: whole[name] for name in whole if name != "mobile"}, token=token)
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {"mobile"})
    assert client.call("PUT", "/account/", whole | {"mobile": None}, token=token).json()["mobile"] is None


def test_text_is_trimmed_but_not_a_password(client: AppClient) -> None:
    account = client.registered(username=" ada ", name=" Ada ", email=f" {ADA['email']} ", password=f" {PASSWORD} ")
    assert (account["username"], account["name"], account["email"]) == ("ada", "Ada", ADA["email"])
    assert client.post("/login/", {"username": " ada ", "password": f" {PASSWORD} "}).status_code == 200
    assert client.post("/login/", {"username": "ada", "password": PASSWORD}).status_code == 401


# --- errors -----------------------------------------------------------------------------------------------------------


def test_error_names_every_bad_field_and_repeats_no_secret(client: AppClient) -> None:
    answer = client.post("/register/", {"username": "1", "email": "nowhere", "mobile": "x", "password": "s3cr3t!", "proofs": 1})
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(problem) == {"type", "title", "status", "detail", "errors", "codes"}
    assert set(problem["errors"]) == {"username", "name", "email", "mobile", "password", "proofs"}
    assert all(isinstance(message, str) for messages in problem["errors"].values() for message in messages)
    assert "s3cr3t!" not in answer.text


class UnavailableDatabase(MemoryDatabase):
    """A database that is unavailable."""

    def begin(self) -> Any:
        raise Unavailable

    def check(self) -> None:
        raise Unavailable


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("POST", "/register/", ADA), ("POST", "/otp/", {"destination": ADA["email"]}), ("GET", "/readyz", None)],
)
def test_unavailable_dependency_is_503_with_retry_after(method: str, path: str, body: Any, open_client: OpenClient) -> None:
    client = open_client(database=UnavailableDatabase())
    answer = client.call(method, path, body)
    assert (answer.status_code, answer.json()["type"]) == (503, f"{URN}unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert client.call("GET", "/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("path", "body", "header", "status"),
    [
        ("/login/", b"[", None, 400),
        ("/refresh-token/", b'{"refresh": "vst_rt_none"}', None, 401),
        ("/otp/", b'{"destination": "ada@example.com", "verify_otp": "123456"}', None, 403),
        ("/upload-image/", b"--part", (b"authorization", b"Bearer none"), 401),
    ],
)
def test_refused_request_leaves_no_reference_cycle(
    path: str, body: bytes, header: tuple[bytes, bytes] | None, status: int, client: AppClient
) -> None:
    """A reference to a body that has not ended would keep the server from sending the response."""

    class RequestBody:
        async def __call__(self) -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

    async def refused() -> "weakref.ref[RequestBody]":
        raw, receive = RawResponse(), RequestBody()
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"localhost"), (b"content-type", b"application/json"), *([header] if header else [])],
            "client": ("192.0.2.1", 4000),
            "scheme": "http",
            "server": ("localhost", 80),
        }
        await client.http.app(scope | {"asgi": {"version": "3.0"}, "http_version": "1.1"}, receive, raw.send)
        assert raw.status == status
        reference = weakref.ref(receive)
        del receive
        waiting = 0
        while reference() is not None and waiting < 1_000:
            waiting += 1
            await asyncio.sleep(0.001)  # the worker thread releases its reference later
        return reference

    gc.collect()
    gc.disable()
    try:
        assert asyncio.run(refused())() is None
    finally:
        gc.enable()
