"""The list of revoked sessions, for services that know the secret."""

from typing import Any

import pytest
from tests.http.conftest import BOB, URN, AppClient, OpenClient
from tests.support.world import OTHER_PASSWORD, PASSWORD, wrong

SECRET = "0123456789abcdefghijklmnopqrstuv"


@pytest.fixture(params=["sqlite", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    """Both databases: no test in `tests/parity` reads the revoked sessions."""
    return str(request.param)


@pytest.fixture
def revocations_client(open_client: OpenClient) -> AppClient:
    return open_client(revocations_secret=SECRET)


def revocations(client: AppClient, after: str | None = None) -> Any:
    answer = client.call("GET", "/revocations/", token=SECRET, params={"after": after} if after else {})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_path_does_not_exist_without_the_setting(client: AppClient) -> None:
    for method in ("GET", "POST"):
        assert client.call(method, "/revocations/", token=SECRET).status_code == 404
    assert "/revocations/" not in client.call("GET", "/openapi.json").json()["paths"]


def test_call_without_the_secret_is_refused(revocations_client: AppClient) -> None:
    token = revocations_client.token()
    for shown, slug in ((None, "not-authenticated"), (token, "invalid-token"), (SECRET + "w", "invalid-token")):
        refused = revocations_client.call("GET", "/revocations/", token=shown)
        assert (refused.status_code, refused.json()["type"]) == (401, URN + slug)
        assert refused.headers["www-authenticate"].startswith("Bearer")


def test_logout_is_listed_repeatedly_for_a_minute(revocations_client: AppClient) -> None:
    revocations_client.registered()
    first, second = revocations_client.tokens(), revocations_client.tokens()
    before = revocations(revocations_client)
    assert (before["sessions"], before["more"], before["seconds"]) == ([], False, 330)
    revocations_client.post("/logout/", token=first["token"])
    assert revocations(revocations_client, before["after"])["sessions"] == [first["session"]]
    revocations_client.world.clock.advance(30)
    again = revocations(revocations_client, before["after"])
    assert again["sessions"] == [first["session"]]
    revocations_client.world.clock.advance(61)
    revocations_client.post("/logout/", token=second["token"])
    assert revocations(revocations_client, revocations(revocations_client, again["after"])["after"])["sessions"] == [
        second["session"]
    ]


def test_every_revocation_is_listed(revocations_client: AppClient) -> None:
    revocations_client.registered()
    revocations_client.registered(**BOB)
    spent, theirs, own = revocations_client.tokens(), revocations_client.tokens("bob"), revocations_client.tokens()
    for _ in range(2):
        revocations_client.post("/refresh-token/", {"refresh": spent["refresh_token"]})
        revocations_client.world.clock.advance(31)
    assert revocations(revocations_client)["sessions"] == [spent["session"]]
    other = revocations_client.tokens()
    revocations_client.call("PATCH", "/account/", {"password": OTHER_PASSWORD}, token=own["token"])
    assert set(revocations(revocations_client)["sessions"]) == {spent["session"], other["session"]}
    revocations_client.world.set_active(identifier="bob", active=False)
    code = revocations_client.code("ada@mail.example.com")
    reset = {"email": "ada@mail.example.com", "otp": code, "password": PASSWORD}
    assert revocations_client.post("/password/reset/", {**reset, "otp": wrong(code)}).status_code == 403
    assert revocations_client.post("/password/reset/", reset).status_code == 202
    assert set(revocations(revocations_client)["sessions"]) == {tokens["session"] for tokens in (spent, other, own, theirs)}


def test_malformed_position_is_refused(revocations_client: AppClient) -> None:
    for after in ("x", "1e9_", "-1_a", "1_a b", "1_" + "a" * 65, "\u0661_a", "1_a\n", "nan_"):
        refused = revocations_client.call("GET", "/revocations/", token=SECRET, params={"after": after})
        assert (refused.status_code, list(refused.json()["errors"])) == (400, ["after"])
    assert revocations_client.call("GET", "/revocations/?after=", token=SECRET).status_code == 200
    assert revocations_client.call("GET", "/revocations/?after=%ff&x=%00", token=SECRET).status_code == 400


def test_only_calls_without_the_secret_are_limited(revocations_client: AppClient) -> None:
    answers = {
        revocations_client.call("GET", path, token=SECRET).status_code for path in ["/revocations", "/revocations/"] * 200
    }
    assert answers == {200}
    guesses = [revocations_client.call("GET", "/revocations/", token=SECRET[::-1]).status_code for _ in range(301)]
    assert (guesses[0], guesses[-1]) == (401, 429)
    assert revocations(revocations_client)["sessions"] == []


def test_document_has_the_parameter_and_the_security_scheme(open_client: OpenClient) -> None:
    client = open_client(revocations_secret=SECRET, api_prefix="/api/user")
    document = client.call("GET", "/api/user/openapi.json").json()
    operation = document["paths"]["/revocations/"]["get"]
    assert operation["security"] == [{"revocations": []}]
    assert [
        (parameter["name"], parameter["in"], parameter.get("required", False)) for parameter in operation["parameters"]
    ] == [("after", "query", False)]
    assert set(operation["responses"]) == {"200", "400", "401", "429", "500", "503"}
    assert "revocations" in document["components"]["securitySchemes"]
    for path in ("/revocations", "/revocations/", "/api/user/revocations/"):
        assert client.call("GET", path, token=SECRET).status_code == 200
