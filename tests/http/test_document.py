"""The OpenAPI document matches the app, and its page loads nothing from other hosts."""

import json
import re
import shlex
from html import unescape
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS
from tests.http.conftest import AppClient, OpenClient
from tests.support.world import PASSWORD, World

from vestibule.domain.errors import ErrorCode
from vestibule.entrypoints.http import create_app
from vestibule.entrypoints.http.app import API, SERVICE

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENTED = {
    ("post", "/register/", "201"),
    ("post", "/login/", "200"),
    ("get", "/account/", "200"),
    ("put", "/account/", "200"),
    ("patch", "/account/", "200"),
    ("post", "/otp/", "201"),
    ("post", "/otpreglogin/", "201"),
    ("post", "/password/reset/", "202"),
    ("post", "/isunique/", "200"),
    ("post", "/upload-image/", "201"),
    ("post", "/refresh-token/", "200"),
}


def operations(document: Any) -> list[tuple[str, str, Any]]:
    return [(method, path, operation) for path, methods in document["paths"].items() for method, operation in methods.items()]


def test_every_operation_is_documented_with_a_unique_id(client: AppClient) -> None:
    documented = operations(client.call("GET", "/openapi.json").json())
    assert {(method, path, status) for method, path, operation in documented for status in operation["responses"]} >= DOCUMENTED
    assert len({operation["operationId"] for _, _, operation in documented}) == len(documented) == len((*API, *SERVICE))


def test_every_refusal_is_described_in_one_line(client: AppClient) -> None:
    document = client.call("GET", "/openapi.json").json()
    for method, path, operation in operations(document):
        for status, answer in operation["responses"].items():
            lines = answer["description"].split(" · ") if int(status) >= 400 else []
            assert all(re.fullmatch(r"`[a-z-]+`: [A-Z][^\n]+\.", line) for line in lines), (method, path, status)


def test_codes_of_fields_are_an_enumeration_and_listed_in_the_documentation(client: AppClient) -> None:
    schemas = client.call("GET", "/openapi.json").json()["components"]["schemas"]
    table = (DOCS / "api.md").read_text().partition("### Codes of fields")[2].partition("## ")[0]
    listed = re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)
    assert schemas["Problem"]["properties"]["codes"]["additionalProperties"]["items"] == {
        "$ref": "#/components/schemas/ErrorCode"
    }
    assert sorted(schemas["ErrorCode"]["enum"]) == sorted(listed) == sorted(ErrorCode)


def test_every_operation_documents_the_headers_of_rate_limits(client: AppClient) -> None:
    for _, _, operation in operations(client.call("GET", "/openapi.json").json()):
        headers = operation["responses"]["429"]["headers"]
        assert {name: header["required"] for name, header in headers.items()} == {
            "retry-after": True,
            "ratelimit": False,
            "ratelimit-policy": False,
        }


def test_operations_that_require_login_declare_it(client: AppClient) -> None:
    for method, path, operation in operations(client.call("GET", "/openapi.json").json()):
        needs = path.startswith(("/account/", "/upload-image/", "/sessions/"))
        assert (operation.get("security") == [{"bearer": []}]) is needs, (method, path)
        assert ("401" in operation["responses"]) is (needs or path in {"/login/", "/logout/", "/refresh-token/"})


def test_examples_of_bodies_are_accepted(client: AppClient) -> None:
    document = client.call("GET", "/openapi.json").json()
    content = {
        path: operation["requestBody"]["content"] for _, path, operation in operations(document) if "requestBody" in operation
    }
    examples = {path: body["application/json"]["example"] for path, body in content.items() if "application/json" in body}
    register, login = examples["/register/"], examples["/login/"]
    assert client.post("/register/", register).status_code == 201
    assert client.post("/login/", login).status_code == 200
    token = client.post("/login/", login).json()["token"]
    for path, statuses in {"/otp/": {201}, "/otpreglogin/": {429}, "/isunique/": {200}, "/password/reset/": {403}}.items():
        assert client.post(path, examples[path]).status_code in statuses, path
    whole = operations({"paths": {"/account/": document["paths"]["/account/"]}})
    (put,) = (
        operation["requestBody"]["content"]["application/json"]["example"] for method, _, operation in whole if method == "put"
    )
    assert client.call("PUT", "/account/", put, token=token).status_code == 200


def test_document_is_served_under_the_prefix_and_names_its_url(open_client: OpenClient) -> None:
    client = open_client(api_prefix="/api/user", public_url="http://accounts.example.org", service_name="<Ada & Co>")
    document = client.call("GET", "/api/user/openapi.json").json()
    assert document["servers"] == [{"url": "http://accounts.example.org/api/user"}]
    assert document["info"]["title"] == "<Ada & Co>"
    assert "&lt;Ada &amp; Co&gt;" in client.call("GET", "/api/user/docs").text


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PAGES = {"/docs": 3, "/docs/": 3, "/": 4, "": 4}
"""The pages, and how many links and files each has."""


@pytest.mark.parametrize(("path", "count_of_links"), PAGES.items(), ids=PAGES)
@pytest.mark.parametrize("prefix", ["", "/accounts", "/api/user"])
def test_page_loads_nothing_from_other_hosts(prefix: str, path: str, count_of_links: int, open_client: OpenClient) -> None:
    client = open_client(api_prefix=prefix)
    page = client.call("GET", prefix + path, headers=BROWSER)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert set(policy.values()) == {"'none'", "'self'"}
    assert policy["default-src"] == "'none'"
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) == count_of_links
    for link in links:
        assert link.startswith("."), "a link that is not relative does not work below a path that a proxy strips"
        assert client.call("GET", urljoin(prefix + (path or "/" * (not prefix)), link)).status_code == 200
    assert not re.search(r"<script>|<style|style=|\son\w+=", page.text)
    for asset in ("/docs/page.css", "/docs/page.js"):
        assert "://" not in client.call("GET", prefix + asset).text


def test_start_page_is_html_for_browsers_and_json_for_others(open_client: OpenClient) -> None:
    client = open_client(api_prefix="/api/user", public_url="http://a.example", service_name="<Ada & Co>", docs=True)
    for path in ("/api/user", "/api/user/"):
        for accept in ("*/*", "application/json", ""):
            answer = client.call("GET", path, headers={"Accept": accept})
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
            assert answer.json() == {
                "service": "<Ada & Co>",
                "docs": "http://a.example/api/user/docs",
                "openapi": "http://a.example/api/user/openapi.json",
            }
        page = client.call("GET", path, headers=BROWSER)
        assert "&lt;Ada &amp; Co&gt;" in page.text
        assert "curl http://a.example/api/user/register/" in page.text
        assert version("vestibule-accounts") not in page.text
    assert client.call("GET", "/", headers=BROWSER).status_code == 404


def test_commands_of_the_start_page_are_calls_that_work(client: AppClient) -> None:
    page = client.call("GET", "/", headers=BROWSER).text
    commands = [unescape(command) for command in re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)]
    assert len(commands) == 3
    for command in commands:
        program, url, header, value, data, body = shlex.split(command)
        assert (program, header, value, data) == ("curl", "-H", "Content-Type: application/json", "-d")
        assert client.post(urlsplit(url).path, json.loads(body)).status_code in {200, 201}


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({}, 200),
        ({"public_url": "https://a.example"}, 404),
        ({"public_url": "https://a.example", "docs": True}, 200),
        ({"docs": False}, 404),
    ],
)
def test_documentation_is_off_by_default_with_a_public_url(settings: Any, status: int, open_client: OpenClient) -> None:
    client = open_client(**settings)
    assert {client.call("GET", path).status_code for path in ("/", "/openapi.json", "/docs/", "/docs/page.js")} == {status}


# --- schemathesis -----------------------------------------------------------------------------------------------------

_world = World()
_app = create_app(_world)
_people = count(1)
schema = schemathesis.openapi.from_asgi("/openapi.json", _app)


def _new_token() -> str:
    """Returns an access token of a new account: a generated call may end the session or change the password."""
    name = f"person{next(_people)}"
    _world.create_account(name)
    return _world.log_in(username=name, password=PASSWORD).access_token


# The document describes the types of fields. Use cases validate values, so a body with the right types may be refused;
# lenient reading converts numbers and text, so one with wrong types may be accepted.
_LEFT_OUT = CHECKS.get_by_names(["positive_data_acceptance", "negative_data_rejection"])


@pytest.mark.slow
@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_responses_match_the_document(case: Any) -> None:
    _world.clock.advance(61)
    token = _new_token()
    case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, excluded_checks=_LEFT_OUT)
