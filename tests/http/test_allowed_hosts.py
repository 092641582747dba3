"""Allowed host names."""

import pytest
from tests.http.conftest import URN, AppClient, Header, OpenClient, call_asgi
from tests.support.world import World

from vestibule.entrypoints.http import create_app
from vestibule.entrypoints.settings import Settings, SettingsError

NAMES = ("accounts.example.org", "localhost", "[::1]")


@pytest.fixture
def restricted_client(open_client: OpenClient) -> AppClient:
    return open_client(allowed_hosts=NAMES)


@pytest.mark.parametrize(
    "host",
    ["accounts.example.org", "accounts.example.org:443", "accounts.example.org:", "ACCOUNTS.example.org:8000", "[::1]:80"],
)
def test_allowed_host_is_accepted_with_any_port(host: str, restricted_client: AppClient) -> None:
    assert restricted_client.call("GET", "/account/", headers={"Host": host}).status_code == 401


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "sub.accounts.example.org",
        "accounts.example.org.evil.example",
        "evil.example:accounts.example.org",
        "accounts.example.org.",
        "accounts.example.org:80:80",
        "::1",
        "[::2]",
        "",
        "\xe4",
    ],
)
@pytest.mark.parametrize("path", ["/account/", "/login/", "/nowhere", "/openapi.json", "/.well-known/jwks.json"])
def test_other_host_is_refused_on_every_path(host: str, path: str, restricted_client: AppClient) -> None:
    answer = restricted_client.call("GET", path, headers={"Host": host.encode("latin-1")})
    assert (answer.status_code, answer.json()["type"]) == (400, f"{URN}unknown-host")
    assert answer.headers["x-request-id"]
    assert host not in answer.text or not host


@pytest.mark.parametrize("path", ["/healthz", "/healthz/", "/readyz", "/readyz/"])
def test_probes_may_use_any_host(path: str, restricted_client: AppClient) -> None:
    assert restricted_client.call("GET", path, headers={"Host": "10.1.2.3:8000"}).status_code == 200


def status_with(headers: list[Header]) -> int:
    app = create_app(World(allowed_hosts=("evil.example", "localhost")))
    return call_asgi(app, "GET", "/account/", headers=headers).status


def test_two_host_headers_are_refused() -> None:
    assert status_with([]) == 401
    assert status_with([(b"host", b"evil.example")]) == 400


def test_any_host_is_accepted_without_setting(client: AppClient) -> None:
    assert client.call("GET", "/account/", headers={"Host": "whatever.example"}).status_code == 401


def test_setting_reads_host_names() -> None:
    environment = {"VESTIBULE_ALLOWED_HOSTS": "Accounts.Example.org, localhost,[::1]"}
    assert Settings.from_environment(environment).allowed_hosts == NAMES


@pytest.mark.parametrize(
    "names", ["*", "*.example.org", ".example.org", "example.org:80", "https://example.org", "a b", "bücher.de"]
)
def test_setting_refuses_malformed_host_names(names: str) -> None:
    with pytest.raises(SettingsError, match="VESTIBULE_ALLOWED_HOSTS"):
        Settings.from_environment({"VESTIBULE_ALLOWED_HOSTS": names})
