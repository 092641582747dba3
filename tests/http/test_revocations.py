"""The list of revoked sessions, for services that know the secret."""

from typing import Any

import pytest
from tests.http.conftest import BOB, URN, Open, Site
from tests.support.world import OTHER_PASSWORD, PASSWORD, wrong

SECRET = "0123456789abcdefghijklmnopqrstuv"


@pytest.fixture(params=["sqlite", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    """Both databases: no test in `tests/parity` reads the revoked sessions."""
    return str(request.param)


@pytest.fixture
def feed(open_site: Open) -> Site:
    return open_site(revocations_secret=SECRET)


def ended(site: Site, after: str | None = None) -> Any:
    answer = site.call("GET", "/revocations/", token=SECRET, params={"after": after} if after else {})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_path_does_not_exist_without_the_setting(site: Site) -> None:
    for method in ("GET", "POST"):
        assert site.call(method, "/revocations/", token=SECRET).status_code == 404
    assert "/revocations/" not in site.call("GET", "/openapi.json").json()["paths"]


def test_call_without_the_secret_is_refused(feed: Site) -> None:
    token = feed.token()
    for shown, slug in ((None, "not-authenticated"), (token, "invalid-token"), (SECRET + "w", "invalid-token")):
        refused = feed.call("GET", "/revocations/", token=shown)
        assert (refused.status_code, refused.json()["type"]) == (401, URN + slug)
        assert refused.headers["www-authenticate"].startswith("Bearer")


def test_logout_is_listed_repeatedly_for_a_minute(feed: Site) -> None:
    feed.registered()
    first, second = feed.tokens(), feed.tokens()
    before = ended(feed)
    assert (before["sessions"], before["more"], before["seconds"]) == ([], False, 330)
    feed.post("/logout/", token=first["token"])
    assert ended(feed, before["after"])["sessions"] == [first["session"]]
    feed.world.clock.advance(30)
    again = ended(feed, before["after"])
    assert again["sessions"] == [first["session"]]
    feed.world.clock.advance(61)
    feed.post("/logout/", token=second["token"])
    assert ended(feed, ended(feed, again["after"])["after"])["sessions"] == [second["session"]]


def test_every_revocation_is_listed(feed: Site) -> None:
    feed.registered()
    feed.registered(**BOB)
    spent, theirs, own = feed.tokens(), feed.tokens("bob"), feed.tokens()
    for _ in range(2):
        feed.post("/refresh-token/", {"refresh": spent["refresh_token"]})
        feed.world.clock.advance(31)
    assert ended(feed)["sessions"] == [spent["session"]]
    other = feed.tokens()
    feed.call("PATCH", "/account/", {"password": OTHER_PASSWORD}, token=own["token"])
    assert set(ended(feed)["sessions"]) == {spent["session"], other["session"]}
    feed.world.set_active(identifier="bob", active=False)
    code = feed.code("ada@mail.example.com")
    reset = {"email": "ada@mail.example.com", "otp": code, "password": PASSWORD}
    assert feed.post("/password/reset/", {**reset, "otp": wrong(code)}).status_code == 403
    assert feed.post("/password/reset/", reset).status_code == 202
    assert set(ended(feed)["sessions"]) == {one["session"] for one in (spent, other, own, theirs)}


def test_malformed_position_is_refused(feed: Site) -> None:
    for after in ("x", "1e9_", "-1_a", "1_a b", "1_" + "a" * 65, "\u0661_a", "1_a\n", "nan_"):
        refused = feed.call("GET", "/revocations/", token=SECRET, params={"after": after})
        assert (refused.status_code, list(refused.json()["errors"])) == (400, ["after"])
    assert feed.call("GET", "/revocations/?after=", token=SECRET).status_code == 200
    assert feed.call("GET", "/revocations/?after=%ff&x=%00", token=SECRET).status_code == 400


def test_only_calls_without_the_secret_are_limited(feed: Site) -> None:
    answers = {feed.call("GET", path, token=SECRET).status_code for path in ["/revocations", "/revocations/"] * 200}
    assert answers == {200}
    guesses = [feed.call("GET", "/revocations/", token=SECRET[::-1]).status_code for _ in range(301)]
    assert (guesses[0], guesses[-1]) == (401, 429)
    assert ended(feed)["sessions"] == []


def test_document_has_the_parameter_and_the_security_scheme(open_site: Open) -> None:
    site = open_site(revocations_secret=SECRET, api_prefix="/api/user")
    document = site.call("GET", "/api/user/openapi.json").json()
    operation = document["paths"]["/revocations/"]["get"]
    assert operation["security"] == [{"revocations": []}]
    assert [(one["name"], one["in"], one.get("required", False)) for one in operation["parameters"]] == [
        ("after", "query", False)
    ]
    assert set(operation["responses"]) == {"200", "400", "401", "429", "500", "503"}
    assert "revocations" in document["components"]["securitySchemes"]
    for path in ("/revocations", "/revocations/", "/api/user/revocations/"):
        assert site.call("GET", path, token=SECRET).status_code == 200
