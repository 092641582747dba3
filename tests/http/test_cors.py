"""CORS: only origins that the settings name, by exact match."""

from typing import Any

import pytest
from tests.http.conftest import ADA, URN, AppClient, OpenClient

from vestibule.adapters.rate_limiter import MemoryRateLimiter
from vestibule.domain.rate_limits import RateLimit
from vestibule.entrypoints.http.app import API, SERVICE
from vestibule.entrypoints.http.openapi import path_of
from vestibule.entrypoints.settings import Settings, SettingsError

APP = "https://app.example.org"
EXPOSED = {
    *{"Retry-After", "RateLimit", "RateLimit-Policy", "X-Request-ID", "WWW-Authenticate"},
    *{"Content-Disposition", "Allow"},
}
ASKED = {
    *{"authorization", "content-type", "accept", "cache-control", "pragma", "x-requested-with"},
    *{"traceparent", "tracestate", "baggage", "sentry-trace", "x-request-id", "x-correlation-id"},
}
"""The headers that libraries of browsers ask for, in the spelling of browsers."""
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


@pytest.fixture
def cors_client(open_client: OpenClient) -> AppClient:
    return open_client(cors_origins=(APP, "http://localhost:3000"))


def cors_headers(answer: Any) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


@pytest.mark.parametrize("handler", [*API, *SERVICE], ids=lambda handler: handler.handler_name)
def test_named_origin_may_make_any_call(handler: Any, cors_client: AppClient) -> None:
    path = path_of(handler).replace("{name}", "some.webp").replace("{session_id}", "some")
    answer = cors_client.call("OPTIONS", path, headers={"Origin": APP, **PREFLIGHT})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == APP
    assert set(answer.headers["access-control-allow-methods"].split(", ")) >= handler.http_methods - {"HEAD"}
    assert {name.lower() for name in answer.headers["access-control-allow-headers"].split(", ")} >= ASKED
    assert int(answer.headers["access-control-max-age"]) > 0


def test_operator_names_further_headers(open_client: OpenClient) -> None:
    client = open_client(cors_origins=(APP,), cors_headers=("X-My-Header", "b3"))
    asked = PREFLIGHT | {"Access-Control-Request-Headers": "authorization,b3,x-my-header"}
    answer = client.call("OPTIONS", "/login/", headers={"Origin": APP, **asked})
    allowed = {name.lower() for name in answer.headers["access-control-allow-headers"].split(", ")}
    assert allowed == ASKED | {"accept-language", "x-my-header", "b3"}


@pytest.mark.parametrize("names", ["*", "X-A, *", "X A", "X-A:", "X-Ä", "X-A; X-B"])
def test_setting_refuses_malformed_names_of_headers(names: str) -> None:
    with pytest.raises(SettingsError, match="VESTIBULE_CORS_HEADERS"):
        Settings.from_environment({"VESTIBULE_CORS_HEADERS": names})
    read = Settings.from_environment({"VESTIBULE_CORS_HEADERS": "X-My-Header, b3,"}).cors_headers
    assert read == ("X-My-Header", "b3")


@pytest.mark.parametrize("origin", [APP, "http://localhost:3000"])
def test_named_origin_may_read_responses_and_errors(origin: str, cors_client: AppClient) -> None:
    answers = [
        cors_client.post("/register/", ADA, headers={"Origin": origin}),
        cors_client.post("/register/", ADA, headers={"Origin": origin}),
        cors_client.call("GET", "/account/", headers={"Origin": origin}),
        cors_client.call("GET", "/nowhere", headers={"Origin": origin}),
        cors_client.call("DELETE", "/login/", headers={"Origin": origin}),
    ]
    assert [answer.status_code for answer in answers] == [201, 400, 401, 404, 405]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == origin
        assert set(answer.headers["access-control-expose-headers"].split(", ")) == EXPOSED
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers


class RefusingRateLimiter(MemoryRateLimiter):
    """A rate limiter that refuses every call."""

    def hit(self, key: str, limits: tuple[RateLimit, ...], now: float) -> int:
        return 17


def test_named_origin_may_read_rate_limit_responses(open_client: OpenClient) -> None:
    answer = open_client(rate_limiter=RefusingRateLimiter(), cors_origins=(APP,)).post("/login/", {}, headers={"Origin": APP})
    assert (answer.status_code, answer.json()["type"]) == (429, f"{URN}rate-limited")
    assert (answer.headers["access-control-allow-origin"], answer.headers["retry-after"]) == (APP, "17")


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.org.evil.example",
        "https://evil.example",
        "https://app.example.or",
        "https://appxexample.org",
        "https://sub.app.example.org",
        "http://app.example.org",
        "https://app.example.org:8443",
        "https://app.example.org/",
        "https://APP.example.org",
        "http://localhost:30000",
        "null",
        "*",
        "",
        None,
    ],
)
def test_other_origin_may_read_nothing(origin: str | None, cors_client: AppClient) -> None:
    headers = {} if origin is None else {"Origin": origin}
    for answer in (
        cors_client.call("OPTIONS", "/login/", headers=headers | PREFLIGHT),
        cors_client.post("/register/", ADA, headers=headers),
        cors_client.call("GET", "/nowhere", headers=headers),
    ):
        assert cors_headers(answer) == {}
        assert answer.headers["vary"] == "Origin"


def test_no_cors_headers_without_setting(client: AppClient) -> None:
    for method in ("OPTIONS", "POST"):
        answer = client.call(method, "/register/", headers={"Origin": APP, **PREFLIGHT})
        assert cors_headers(answer) == {}
        assert "vary" not in answer.headers


def test_setting_reads_origins() -> None:
    text = "https://app.example.org, http://localhost:3000,https://xn--bcher-kva.example,http://[::1]:8080,"
    assert Settings.from_environment({"VESTIBULE_CORS_ORIGINS": text}).cors_origins == (
        "https://app.example.org",
        "http://localhost:3000",
        "https://xn--bcher-kva.example",
        "http://[::1]:8080",
    )


@pytest.mark.parametrize(
    "origins",
    [
        "*",
        "null",
        "app.example.org",
        "https://*.example.org",
        "https://.*",
        "https://app.example.org/",
        "https://app.example.org/path",
        "https://app.example.org?query",
        "https://user@app.example.org",
        "https://App.example.org",
        "https://bücher.example",
        "https://app.example.org:443",
        "http://app.example.org:80",
        "ftp://app.example.org",
        "https://",
        "https://app.example.org https://other.example.org",
        "https://app.example.org, *",
    ],
)
def test_setting_refuses_malformed_origins(origins: str) -> None:
    with pytest.raises(SettingsError, match="VESTIBULE_CORS_ORIGINS"):
        Settings.from_environment({"VESTIBULE_CORS_ORIGINS": origins})
