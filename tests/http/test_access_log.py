"""The access log: one line per call, with the route and without the path."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from tests.http.conftest import ADA, AppClient, OpenClient
from tests.support.world import OTHER_PASSWORD

from vestibule.adapters.rate_limiter import MemoryRateLimiter
from vestibule.domain.rate_limits import RateLimit
from vestibule.entrypoints.settings import Settings

Lines = list[dict[str, Any]]


@pytest.fixture
def client(open_client: OpenClient) -> AppClient:
    return open_client(access_log=True)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    """The fields of each log line, in order."""
    recorded: Lines = []

    class RecordingHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            assert record.getMessage() == "request"
            recorded.append(vars(record)["fields"])

    handler, logger = RecordingHandler(), logging.getLogger("vestibule.access")
    with caplog.at_level(logging.INFO, logger.name):
        logger.addHandler(handler)
        yield recorded
        logger.removeHandler(handler)


def test_log_line_has_route_status_and_account(client: AppClient, lines: Lines) -> None:
    token = client.token()
    answer = client.call("GET", "/account/", token=token)
    line = lines[-1]
    (session,) = client.call("GET", "/sessions/", token=token).json()["sessions"]
    assert 0 <= line.pop("ms") < 60_000
    assert line == {
        "request_id": answer.headers["x-request-id"],
        "method": "GET",
        "route": "/account",
        "status": 200,
        "ip": "unknown",
        "user_id": answer.json()["id"],
        "sid": session["id"],
    }


def test_log_line_without_login_has_no_account(client: AppClient, lines: Lines) -> None:
    client.registered()
    client.post("/login/", {"username": "ada", "password": OTHER_PASSWORD})
    assert [(line["route"], line["status"], line.get("user_id")) for line in lines] == [
        ("/register", 201, None),
        ("/login", 401, None),
    ]


def test_path_and_query_are_not_logged(client: AppClient, lines: Lines) -> None:
    client.call("GET", "/images/hunter2?token=hunter2")
    client.call("GET", "/hunter2/?hunter2")
    client.call("DELETE", "/sessions/hunter2/", token=client.token())
    client.call("HUNTER2", "/login/")
    assert {line["route"] for line in lines} >= {"/images/{name}", None, "/sessions/{session_id}"}
    assert lines[-1]["method"] == "other"
    assert "hunter2" not in repr(lines).lower()


class RefusingRateLimiter(MemoryRateLimiter):
    """A rate limiter that refuses every call."""

    def hit(self, key: str, limits: tuple[RateLimit, ...], now: float) -> int:
        return 17


def test_rate_limited_request_is_logged(open_client: OpenClient, lines: Lines) -> None:
    open_client(rate_limiter=RefusingRateLimiter(), access_log=True).post("/register/", ADA)
    assert [(line["route"], line["status"]) for line in lines] == [(None, 429)]


def test_access_log_is_on_by_default_only_with_json_and_in_development(
    client: AppClient, open_client: OpenClient, lines: Lines
) -> None:
    for settings, wanted in (
        ({}, False),
        ({"VESTIBULE_LOG_FORMAT": "json"}, True),
        ({"VESTIBULE_LOG_FORMAT": "json", "VESTIBULE_ACCESS_LOG": "off"}, False),
        ({"VESTIBULE_ACCESS_LOG": "on"}, True),
        ({"VESTIBULE_DEV": "on"}, True),
        ({"VESTIBULE_DEV": "on", "VESTIBULE_ACCESS_LOG": "off"}, False),
    ):
        assert Settings.from_environment(settings).has_access_log is wanted
    open_client().registered()
    assert lines == []
