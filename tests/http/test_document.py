"""The OpenAPI document matches the app, and its page loads nothing from other hosts."""

import json
import re
import shlex
from collections.abc import Iterator
from html import unescape
from importlib.metadata import version
from itertools import count, permutations
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from openapi_spec_validator import validate
from schemathesis.checks import CHECKS
from tests.http.conftest import AppClient, OpenClient
from tests.support.world import PASSWORD, World

from vestibule.domain.errors import ErrorCode
from vestibule.entrypoints.http import create_app
from vestibule.entrypoints.http.app import ADMINISTRATION, API, SERVICE

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
    assert (
        len({operation["operationId"] for _, _, operation in documented})
        == len(documented)
        == len((*API, *SERVICE, *ADMINISTRATION))
    )


IDS = {
    "register": ("post", "/register/"),
    "login": ("post", "/login/"),
    "readAccount": ("get", "/account/"),
    "replaceAccount": ("put", "/account/"),
    "changeAccount": ("patch", "/account/"),
    "deleteAccount": ("delete", "/account/"),
    "exportAccount": ("get", "/account/export/"),
    "exportAccountByPassword": ("post", "/account/export/"),
    "otp": ("post", "/otp/"),
    "registerOrLogIn": ("post", "/otpreglogin/"),
    "resetPassword": ("post", "/password/reset/"),
    "checkUnique": ("post", "/isunique/"),
    "uploadImage": ("post", "/upload-image/"),
    "removeImage": ("delete", "/upload-image/"),
    "refreshToken": ("post", "/refresh-token/"),
    "listSessions": ("get", "/sessions/"),
    "revokeOtherSessions": ("delete", "/sessions/"),
    "revokeSession": ("delete", "/sessions/{session_id}/"),
    "logout": ("post", "/logout/"),
    "findAccounts": ("get", "/admin/accounts/"),
    "readAccountDetails": ("get", "/admin/accounts/{account_id}/"),
    "editAccount": ("patch", "/admin/accounts/{account_id}/"),
    "removeAccount": ("delete", "/admin/accounts/{account_id}/"),
    "suspendAccount": ("post", "/admin/accounts/{account_id}/suspend/"),
    "reinstateAccount": ("post", "/admin/accounts/{account_id}/reinstate/"),
    "unlockAccount": ("post", "/admin/accounts/{account_id}/unlock/"),
    "signOutAccount": ("post", "/admin/accounts/{account_id}/sign-out/"),
    "sendReset": ("post", "/admin/accounts/{account_id}/reset/"),
    "setRoles": ("patch", "/admin/accounts/{account_id}/roles/"),
    "exportAnyAccount": ("post", "/admin/accounts/{account_id}/export/"),
    "releaseAddress": ("post", "/admin/addresses/release/"),
    "findEvents": ("get", "/admin/audit/"),
    "findMessages": ("get", "/admin/outbox/"),
    "retryMessages": ("post", "/admin/outbox/retry/"),
    "dropFailedMessages": ("delete", "/admin/outbox/"),
    "retryMessage": ("post", "/admin/outbox/{message_id}/retry/"),
    "dropMessage": ("delete", "/admin/outbox/{message_id}/"),
    "summarize": ("get", "/admin/summary/"),
}
SCHEMAS = {
    *("Account", "CodeSent", "CodeVerified", "Deletion", "Detail", "PasswordReset", "Problem", "Session", "SessionList"),
    *("TokenSet", "Uniqueness", "UploadedImage", "RegisterRequest", "LoginRequest", "ReplaceAccountRequest", "CodeRequest"),
    *("ChangeAccountRequest", "CheckUniqueRequest", "CurrentPasswordRequest", "LogOutRequest", "RefreshRequest"),
    *("RegisterOrLogInRequest", "ResetPasswordRequest", "UploadRequest"),
    *("ManagedAccount", "ManagedAccountList", "ManagedAccountDetails", "RecoveryAddress", "StartedSession", "LimitInForce"),
    *("Event", "EventList", "Message", "MessageList", "Summary", "SummaryDay", "Backlog"),
    *("ActionRequest", "SuspendAccountRequest", "EditAccountRequest", "SetRolesRequest", "ReleaseAddressRequest"),
}


def schemas_in(node: Any) -> Iterator[Any]:
    """Yields every schema, at any depth."""
    if isinstance(node, dict):
        if {"type", "oneOf", "$ref"} & node.keys() and not isinstance(node.get("type"), dict):
            yield node
        for key, value in node.items():
            if key not in {"example", "examples"}:
                yield from schemas_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from schemas_in(value)


def texts_in(node: Any) -> Iterator[str]:
    """Yields every text for people, at any depth."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in {"description", "summary", "title"} and isinstance(value, str):
                yield value
            elif key not in {"example", "examples"}:
                yield from texts_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts_in(value)


def test_document_is_valid(open_client: OpenClient) -> None:
    validate(open_client().call("GET", "/openapi.json").json())
    client = open_client(api_prefix="/api/user", revocations_secret="3f9d1c07a8e24b65" * 2)
    validate(client.call("GET", "/api/user/openapi.json").json())


def test_names_of_operations_and_schemas_are_stable(client: AppClient) -> None:
    """Generated clients call their functions and types so."""
    document = client.call("GET", "/openapi.json").json()
    names = {operation["operationId"]: (method, path) for method, path, operation in operations(document)}
    assert names.items() >= IDS.items()
    assert document["components"]["schemas"].keys() >= SCHEMAS
    assert not [name for name in document["components"]["schemas"] if name.endswith(("Body", "Response"))]


def test_optional_fields_have_no_default_and_types_no_title(client: AppClient) -> None:
    """openapi-typescript makes a field with a default required, and others take a title for the name of a type."""
    document = client.call("GET", "/openapi.json").json()
    for schema in schemas_in([document["components"], document["paths"]]):
        assert not {"default", "title"} & schema.keys(), schema
        assert schema.get("required") != [], schema
    required = {name: schema.get("required", []) for name, schema in document["components"]["schemas"].items()}
    assert required["CodeRequest"] == ["destination"]
    assert required["RegisterOrLogInRequest"] == ["name", "email", "mobile"]
    assert required["ChangeAccountRequest"] == []
    assert required["TokenSet"] == ["token", "refresh_token", "session", "token_type", "expires_in"]
    assert required["Problem"] == ["type", "title", "status", "detail"]


def test_types_can_be_generated_in_typed_languages(client: AppClient) -> None:
    """Generators of Kotlin, Swift and Dart make an empty class of a field with several types, and one class of `anyOf`."""
    document = client.call("GET", "/openapi.json").json()
    answers = []
    for schema in schemas_in([document["components"], document["paths"]]):
        assert "anyOf" not in schema
        assert len({*([schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", []))} - {"null"}) <= 1, (
            schema
        )
        answers += [schema["oneOf"]] if "oneOf" in schema else []
    assert len(answers) == 2
    for answer in answers:
        names = [reference["$ref"].rpartition("/")[2] for reference in answer]
        required = [set(document["components"]["schemas"][name]["required"]) for name in names]
        fields = [set(document["components"]["schemas"][name]["properties"]) for name in names]
        for one, other in permutations(range(len(names)), 2):
            assert not required[one] <= fields[other], "an answer of one type must not pass for another"


def test_fields_declare_their_formats_and_lengths(open_client: OpenClient) -> None:
    schemas = open_client(password_min_length=15).call("GET", "/openapi.json").json()["components"]["schemas"]
    declared = {
        f"{name}.{field}": {key: value for key, value in schema.items() if key not in {"description", "examples"}}
        for name, of_name in schemas.items()
        for field, schema in of_name.get("properties", {}).items()
    }
    text, nullable = "string", ["string", "null"]
    expected: dict[str, object] = {
        "RegisterRequest.email": {"type": text, "format": "email", "maxLength": 254},
        "RegisterRequest.name": {"type": text, "minLength": 1, "maxLength": 500},
        "RegisterRequest.username": {"type": text, "minLength": 1, "maxLength": 150, "pattern": "^[^@]+$"},
        "RegisterRequest.password": {"type": text, "format": "password", "minLength": 15, "maxLength": 256},
        "RegisterRequest.proofs": {"type": "array", "items": {"type": text}, "maxItems": 4},
        "ChangeAccountRequest.mobile": {"type": nullable},
        "LoginRequest.password": {"type": text, "format": "password", "minLength": 1},
        "CheckUniqueRequest.prop": {"type": text, "enum": ["email", "mobile", "username"]},
        "Account.id": {"type": "integer", "format": "int64", "minimum": 1},
        "Account.email": {"type": nullable, "format": "email"},
        "Account.profile_image": {"type": nullable, "format": "uri"},
        "UploadedImage.profile_image": {"type": text, "format": "uri"},
        "Session.created_at": {"type": text, "format": "date-time"},
        "Deletion.deleted_at": {"type": text, "format": "date-time"},
        "Problem.type": {"type": text, "format": "uri"},
        "UploadRequest.profile_image": {"type": text, "format": "binary"},
    }
    assert {name: declared[name] for name in expected} == expected
    assert [name for name, schema in declared.items() if name.endswith("_at") and schema.get("format") != "date-time"] == []


def test_texts_have_no_words_of_python(client: AppClient) -> None:
    """A word in backticks is a field, a problem, a header, a path or the like, and never an attribute of ours."""
    document = client.call("GET", "/openapi.json").json()
    fields = {field for schema in document["components"]["schemas"].values() for field in schema.get("properties", {})}
    slugs = set(re.findall(r"urn:vestibule:problem:([a-z-]+)", json.dumps(document)))
    known = fields | slugs | set(document["paths"]) | {"Location", "Authorization: Bearer <token>", "kid", "sid", "after"}
    known |= {one["name"] for _, _, operation in operations(document) for one in operation.get("parameters", ())}
    known |= {"+", ". _ - +", "application/problem+json", "error", "invalid_token"}
    for text in texts_in(document):
        assert not re.search(r"\b(None|True|False|dict|tuple|str|int|bool|self)\b|[a-z](Body|Response)\b", text), text
        assert set(re.findall(r"`([^`]+)`", text)) <= known, text


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
        is_for_operators = path.startswith("/admin/")
        needs = path.startswith(("/account/", "/upload-image/", "/sessions/"))
        assert (operation.get("security") == [{"bearer": []}]) is (needs or is_for_operators), (method, path)
        if is_for_operators:
            assert "urn:vestibule:problem:not-found" in json.dumps(operation["responses"]["404"])
            assert ("401" in operation["responses"]) is (method != "get")
        else:
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
_calls = count()
schema = schemathesis.openapi.from_asgi("/openapi.json", _app)


def _new_token(*, is_superuser: bool) -> str:
    """Returns an access token of a new account: a generated call may end the session or change the password."""
    name = f"person{next(_people)}"
    _world.alter(_world.create_account(name), is_superuser=is_superuser)
    return _world.log_in(username=name, password=PASSWORD).access_token


# The document describes the types of fields. Use cases validate values, so a body with the right types may be refused;
# lenient reading converts numbers and text, so one with wrong types may be accepted.
_LEFT_OUT = CHECKS.get_by_names(["positive_data_acceptance", "negative_data_rejection"])
_LEFT_OUT_FOR_OPERATORS = [*_LEFT_OUT, *CHECKS.get_by_names(["ignored_auth", "missing_required_header", "unsupported_method"])]
"""Others get 404 for everything, where the checks expect 401 and 405."""


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
    is_for_operators = case.path.startswith("/admin/")
    token = _new_token(is_superuser=is_for_operators and next(_calls) % 2 == 0)
    left_out = _LEFT_OUT_FOR_OPERATORS if is_for_operators else _LEFT_OUT
    case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, excluded_checks=left_out)
