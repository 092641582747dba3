"""The access log: one line per call, with the route and without the path."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from tests.http.conftest import ADA, Open, Site
from tests.support.world import OTHER_PASSWORD

from vestibule.adapters.rate_limiter import MemoryRateLimiter
from vestibule.domain.rate_limits import RateLimit
from vestibule.entrypoints.settings import Settings

Lines = list[dict[str, Any]]


@pytest.fixture
def site(open_site: Open) -> Site:
    return open_site(access_log=True)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    """The fields of each log line, in order."""
    found: Lines = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            assert record.getMessage() == "request"
            found.append(vars(record)["fields"])

    handler, logger = Keep(), logging.getLogger("vestibule.access")
    with caplog.at_level(logging.INFO, logger.name):
        logger.addHandler(handler)
        yield found
        logger.removeHandler(handler)


def test_log_line_has_route_status_and_account(site: Site, lines: Lines) -> None:
    token = site.token()
    answer = site.call("GET", "/account/", token=token)
    line = lines[-1]
    (session,) = site.call("GET", "/sessions/", token=token).json()["sessions"]
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


def test_log_line_without_login_has_no_account(site: Site, lines: Lines) -> None:
    site.registered()
    site.post("/login/", {"username": "ada", "password": OTHER_PASSWORD})
    assert [(line["route"], line["status"], line.get("user_id")) for line in lines] == [
        ("/register", 201, None),
        ("/login", 401, None),
    ]


def test_path_and_query_are_not_logged(site: Site, lines: Lines) -> None:
    site.call("GET", "/images/hunter2?token=hunter2")
    site.call("GET", "/hunter2/?hunter2")
    site.call("DELETE", "/sessions/hunter2/", token=site.token())
    site.call("HUNTER2", "/login/")
    assert {line["route"] for line in lines} >= {"/images/{name}", None, "/sessions/{session_id}"}
    assert lines[-1]["method"] == "other"
    assert "hunter2" not in repr(lines).lower()


class Closed(MemoryRateLimiter):
    """A rate limiter that refuses every call."""

    def hit(self, key: str, limits: tuple[RateLimit, ...], now: float) -> int:
        return 17


def test_rate_limited_request_is_logged(open_site: Open, lines: Lines) -> None:
    open_site(rate_limiter=Closed(), access_log=True).post("/register/", ADA)
    assert [(line["route"], line["status"]) for line in lines] == [(None, 429)]


def test_access_log_is_on_by_default_only_with_json(site: Site, open_site: Open, lines: Lines) -> None:
    for settings, wanted in (
        ({}, False),
        ({"VESTIBULE_LOG_FORMAT": "json"}, True),
        ({"VESTIBULE_LOG_FORMAT": "json", "VESTIBULE_ACCESS_LOG": "off"}, False),
        ({"VESTIBULE_ACCESS_LOG": "on"}, True),
    ):
        assert Settings.from_environment(settings).has_access_log is wanted
    open_site().registered()
    assert lines == []
