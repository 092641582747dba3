"""A line for each call, which tells the route and not the path."""

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
    """What belongs to each line, as they come."""
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


def test_a_line_tells_which_route_what_came_of_it_and_for_whom(site: Site, lines: Lines) -> None:
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


def test_a_call_without_a_login_names_nobody(site: Site, lines: Lines) -> None:
    site.registered()
    site.post("/login/", {"username": "ada", "password": OTHER_PASSWORD})
    assert [(line["route"], line["status"], line.get("user_id")) for line in lines] == [
        ("/register", 201, None),
        ("/login", 401, None),
    ]


def test_neither_path_nor_query_is_told(site: Site, lines: Lines) -> None:
    site.call("GET", "/images/hunter2?token=hunter2")
    site.call("GET", "/hunter2/?hunter2")
    site.call("DELETE", "/sessions/hunter2/", token=site.token())
    site.call("HUNTER2", "/login/")
    assert {line["route"] for line in lines} >= {"/images/{name}", None, "/sessions/{session_id}"}
    assert lines[-1]["method"] == "other"
    assert "hunter2" not in repr(lines).lower()


class Closed(MemoryRateLimiter):
    """A rate limiter that has had enough."""

    def hit(self, key: str, limits: tuple[RateLimit, ...], now: float) -> int:
        return 17


def test_what_the_front_refuses_is_told_too(open_site: Open, lines: Lines) -> None:
    open_site(rate_limiter=Closed(), access_log=True).post("/register/", ADA)
    assert [(line["route"], line["status"]) for line in lines] == [(None, 429)]


def test_it_is_on_for_machines_and_off_for_people_unless_it_is_said(site: Site, open_site: Open, lines: Lines) -> None:
    for settings, wanted in (
        ({}, False),
        ({"VESTIBULE_LOG_FORMAT": "json"}, True),
        ({"VESTIBULE_LOG_FORMAT": "json", "VESTIBULE_ACCESS_LOG": "off"}, False),
        ({"VESTIBULE_ACCESS_LOG": "on"}, True),
    ):
        assert Settings.from_environment(settings).has_access_log is wanted
    open_site().registered()
    assert lines == []
