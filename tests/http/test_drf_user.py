"""Compatibility with drf-user: forms, its errors, and what the documented format shares with it."""

import json
from typing import Any

import pytest
from tests.http.conftest import ADA, BOB, URN, AppClient, OpenClient
from tests.support.world import PASSWORD, PNG, World, wrong

from vestibule.application import EventType

JSON = "application/json"
FORM = {"content-type": "application/x-www-form-urlencoded"}
MULTIPART = {"content-type": "multipart/form-data; boundary=x"}
LIMIT = 16 * 1024


@pytest.fixture
def client(open_client: OpenClient) -> AppClient:
    return open_client(compatibility="drf-user")


def posted(client: AppClient, kind: str, method: str, path: str, fields: dict[str, str], **more: Any) -> Any:
    match kind:
        case "form":
            return client.call(method, path, data=fields, **more)
        case "multipart":
            return client.call(method, path, files={name: (None, value) for name, value in fields.items()}, **more)
        case _:
            return client.call(method, path, fields, **more)


# --- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["json", "form", "multipart"])
def test_each_call_takes_json_and_forms(open_client: OpenClient, kind: str) -> None:
    client = open_client(compatibility="drf-user")
    world, email = client.world, "zoe@mail.example.com"

    def post(path: str, method: str = "POST", token: str | None = None, /, **fields: str) -> Any:
        answer = posted(client, kind, method, path, fields, token=token)
        assert answer.status_code < 300, answer.text
        return answer.json()

    assert post("/isunique/", prop="email", value=email)["unique"] is True
    post("/otp/", destination=email)
    proof = post("/otp/", destination=email, verify_otp=world.code_for(email))["proof"]
    body = {"username": "zoë", "name": "Zoë & Co +", "email": email, "mobile": "+442079460958", "password": PASSWORD}
    if kind == "json":
        assert client.post("/register/", {**body, "proofs": [proof]}).json()["email_verified"] is True
    else:
        account = post("/register/", **body, proofs=proof)
        assert account.items() >= {"name": "Zoë & Co +", "email_verified": True, "mobile": "+442079460958"}.items()
    tokens = post("/login/", username="zoë", password=PASSWORD)
    assert post("/account/", "PATCH", tokens["token"], name="Zoë")["name"] == "Zoë"
    assert post("/account/", "PUT", tokens["token"], **{**body, "name": "Zoe"})["name"] == "Zoe"
    assert post("/refresh-token/", refresh=tokens["refresh_token"])["token"]
    world.clock.advance(61)
    post("/otp/", destination=email, is_login="true")
    assert post("/otp/", destination=email, is_login="true", verify_otp=world.code_for(email))["token"]
    world.clock.advance(61)
    post("/otp/", destination=email, is_login="")
    post("/password/reset/", email=email, otp=world.code_for(email), password="a new sea of glass")
    world.clock.advance(61)
    other = {"name": "Bob", "email": "bob@mail.example.com", "mobile": "+442079460959"}
    post("/otpreglogin/", **other)
    assert post("/otpreglogin/", **other, verify_otp=world.code_for("+442079460959"))["created"] is True


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        pytest.param(FORM, b"username=a&password=" + b"b" * LIMIT, 413, id="a form that is too large"),
        pytest.param(MULTIPART, b"--x\r\n" + b"b" * LIMIT, 413, id="a multipart form that is too large"),
        pytest.param(FORM, b"&".join([b"a=b"] * 100), 400, id="too many fields"),
        pytest.param(
            MULTIPART,
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 100 + b"--x--",
            413,
            id="too many parts",
        ),
        pytest.param(FORM, b"username=%ff&password=b", 400, id="a form that is not UTF-8"),
        pytest.param(FORM, b"username=\xff&password=b", 400, id="a form of bytes that are not UTF-8"),
        pytest.param(
            MULTIPART,
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--x--',
            400,
            id="a part that is not UTF-8",
        ),
        pytest.param(MULTIPART, b"--x\r\nContent-Disposition: form-data; name=", 400, id="a multipart form without an end"),
        pytest.param(MULTIPART, b"", 400, id="an empty multipart form"),
        pytest.param({"content-type": "multipart/form-data"}, b"--x--", 400, id="no boundary"),
        pytest.param({"content-type": JSON}, b"[]", 400, id="JSON that is no object"),
        pytest.param({"content-type": "text/plain"}, b"username=a", 415, id="text"),
        pytest.param({**FORM, "content-encoding": "gzip"}, b"username=a", 415, id="an encoding"),
    ],
)
def test_bad_body_is_refused_in_one_line(client: AppClient, headers: dict[str, str], content: bytes, status: int) -> None:
    answer = client.post("/login/", headers=headers, content=content)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == JSON
    assert set(answer.json()) == {"detail", "type"}


@pytest.mark.parametrize("content", [b"", b"username=&password=", b"username=%20&password=%20"])
def test_empty_fields_of_a_form_are_missing(client: AppClient, content: bytes) -> None:
    text = "This field may not be blank." if content else "This field is required."
    answer = client.post("/login/", headers=FORM, content=content)
    assert (answer.status_code, answer.json()) == (400, {"username": [text], "password": [text]})


def test_null_and_blank_have_messages_of_their_own(client: AppClient) -> None:
    answer = client.post("/login/", {"username": None, "password": ["x"]})
    assert answer.json() == {"username": ["This field may not be null."], "password": ["Not a valid string."]}


def test_passwords_are_trimmed_wherever_they_are_set_or_checked(client: AppClient) -> None:
    client.registered(password=f" {PASSWORD}\t")
    tokens = client.tokens(password=f"\n{PASSWORD}  ")
    change = {"password": "  a new sea of glass ", "current_password": f" {PASSWORD} "}
    assert client.call("PATCH", "/account/", change, token=tokens["token"]).status_code == 200
    assert client.tokens(password="a new sea of glass")
    assert client.tokens(password=" a new sea of glass")


def test_passwords_of_the_documented_mode_are_not_trimmed(open_client: OpenClient) -> None:
    client = open_client()
    client.registered()
    assert client.post("/login/", {"username": "ada", "password": f" {PASSWORD}"}).status_code == 401
    assert client.post("/login/", headers=FORM, content=b"username=ada").status_code == 415


def test_numbers_are_taken_for_texts(client: AppClient) -> None:
    account = client.registered(name=123, mobile=9999999999)
    assert (account["name"], account["mobile"]) == ("123", "9999999999")


def test_code_that_came_as_a_number_has_its_leading_zeros(open_client: OpenClient) -> None:
    class ZeroCodes:
        may_block = False

        def __init__(self, world: World) -> None:
            self._codes = world.codes

        def __getattr__(self, name: str) -> Any:
            return getattr(self._codes, name)

        def code(self, *_: str) -> str:
            return "00042"

    client = open_client(compatibility="drf-user", codes=ZeroCodes(World(compatibility="drf-user")))
    client.code("ada@mail.example.com")
    assert client.post("/otp/", {"destination": "ada@mail.example.com", "verify_otp": 42}).status_code == 202


def test_length_of_codes_is_a_setting_that_wins(open_client: OpenClient) -> None:
    assert len(open_client(compatibility="drf-user").code("ada@mail.example.com")) == 5
    assert len(open_client(compatibility="drf-user", otp_length=6).code("ada@mail.example.com")) == 6
    assert len(open_client().code("ada@mail.example.com")) == 6


def test_put_without_a_mobile_keeps_it(client: AppClient) -> None:
    token = client.token()
    fields = {name: value for name, value in ADA.items() if name != "mobile"}
    answer = client.call("PUT", "/account/", {**fields, "name": "Ada King"}, token=token)
    assert (answer.status_code, answer.json()["name"], answer.json()["mobile"]) == (200, "Ada King", ADA["mobile"])
    assert client.call("PUT", "/account/", {**fields, "mobile": None}, token=token).json()["mobile"] is None
    assert client.call("PUT", "/account/", fields, token=token).json()["mobile"] is None
    missing = client.call("PUT", "/account/", {"name": "Ada"}, token=token)
    assert (missing.status_code, set(missing.json())) == (400, {"username", "email", "password"})


# --- errors -----------------------------------------------------------------------------------------------------------


def test_errors_of_fields_have_its_words(client: AppClient) -> None:
    client.registered()
    answer = client.post("/register/", ADA)
    assert (answer.status_code, answer.headers["content-type"]) == (400, JSON)
    assert answer.json() == {
        "username": ["User with this Unique UserName already exists."],
        "email": ["User with this Email Address already exists."],
        "mobile": ["User with this Mobile Number already exists."],
    }
    answer = client.post("/register/", {**BOB, "email": "bob", "password": "password"})
    assert answer.json() == {"email": ["Enter a valid email address."], "password": ["This password is too common."]}
    answer = client.post("/otp/", {"destination": ADA["email"], "is_login": "maybe"})
    assert answer.json() == {"is_login": ["Must be a valid boolean."]}


@pytest.mark.parametrize("path", ["/login/", "/otp/", "/account/", "/sessions/", "/nowhere/"])
def test_path_and_method_that_are_not_served(client: AppClient, path: str) -> None:
    answer = client.call("TRACE" if path != "/login/" else "GET", path)
    expected = (404, "Not found.") if path == "/nowhere/" else (405, f'Method "{answer.request.method}" not allowed.')
    assert (answer.status_code, answer.json()["detail"], answer.headers["content-type"]) == (*expected, JSON)
    assert ("allow" in answer.headers) is (path != "/nowhere/")


def test_content_type_is_quoted(client: AppClient) -> None:
    answer = client.post("/login/", headers={"content-type": "text/" + "x" * 200}, content=b"x")
    assert answer.status_code == 415
    assert answer.json()["detail"] == f'Unsupported media type "text/{"x" * 95}" in request.'


def test_missing_and_invalid_access_token(client: AppClient) -> None:
    answer = client.call("GET", "/account/")
    assert (answer.status_code, answer.json()["detail"]) == (401, "Authentication credentials were not provided.")
    answer = client.call("GET", "/account/", token="x.y.z")
    assert answer.status_code == 401
    assert answer.json() == {
        "detail": "Given token not valid for any token type",
        "code": "token_not_valid",
        "messages": [{"token_class": "AccessToken", "token_type": "access", "message": "Token is invalid or expired"}],
        "type": URN + "invalid-token",
    }
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_bad_authorization_header_changes_nothing_where_none_is_needed(client: AppClient) -> None:
    client.registered()
    for header in ("Bearer garbage", "Bearer", "Bearer a b c", "Basic eA=="):
        answer = client.post("/login/", {"username": "ada", "password": PASSWORD}, headers={"Authorization": header})
        assert answer.status_code == 200


def test_cool_down_is_a_limit_with_retry_after(client: AppClient) -> None:
    client.code("ada@mail.example.com")
    answer = client.post("/otp/", {"destination": "ada@mail.example.com"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert answer.json() == {"detail": "Too many attempts. Try again in 60 seconds.", "type": URN + "rate-limited"}


def test_limit_of_all_calls_has_the_same_format(client: AppClient) -> None:
    answers = [client.call("GET", "/account/") for _ in range(301)]
    assert (answers[-1].status_code, answers[-1].headers["content-type"]) == (429, JSON)
    assert answers[-1].json()["type"] == URN + "rate-limited"


def test_guesses_are_limited(client: AppClient) -> None:
    code = client.code("ada@mail.example.com")
    body = {"destination": "ada@mail.example.com"}
    for _ in range(5):
        assert client.post("/otp/", {**body, "verify_otp": wrong(code)}).status_code == 403
    assert client.post("/otp/", {**body, "verify_otp": code}).status_code == 403, "an exhausted code"


def test_address_that_is_not_verified_comes_with_its_proof(client: AppClient) -> None:
    client.registered(mobile=None)
    account = client.world.owner(ADA["email"])
    assert account is not None
    client.world.alter(account, ever_verified=True)
    code = client.code(ADA["email"], is_login=True)
    answer = client.post("/otp/", {"destination": ADA["email"], "is_login": True, "verify_otp": code})
    assert answer.status_code == 400
    assert answer.json()["type"] == URN + "address-not-verified"
    assert answer.json()["proof"]


def test_code_of_one_call_is_of_no_use_in_the_other(client: AppClient) -> None:
    body = {"name": "Ada", "email": ADA["email"], "mobile": ADA["mobile"]}
    assert client.post("/otpreglogin/", body).status_code == 201
    code = client.world.code_for(ADA["email"])
    assert client.post("/otp/", {"destination": ADA["email"], "verify_otp": code}).status_code == 403
    reset = {"email": ADA["email"], "otp": code, "password": "a new sea of glass"}
    assert client.post("/password/reset/", reset).status_code == 403
    assert client.post("/otpreglogin/", {**body, "verify_otp": code}).status_code == 202


@pytest.mark.parametrize(
    ("value", "detail"),
    [("o'neil@mail.example.com", None), ("zz'); DROP TABLE accounts; --", "value"), ("zzz", "value"), (None, "value")],
)
def test_uniqueness_of_odd_values(client: AppClient, value: str | None, detail: str | None) -> None:
    answer = client.post("/isunique/", {"prop": "email", "value": value})
    assert answer.status_code == (422 if detail else 200), answer.text
    if detail:
        assert (set(answer.json()["data"]), answer.json()["status_code"]) == ({detail}, 422)
    assert client.registered()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"profile_image": ""}, "The submitted data was not a file. Check the encoding type on the form."),
        ({}, "No file was submitted."),
    ],
)
def test_image_in_a_body_that_can_hold_no_file(client: AppClient, fields: dict[str, str], message: str) -> None:
    assert client.post("/upload-image/", fields).status_code == 401
    answer = client.post("/upload-image/", fields, token=client.token())
    assert (answer.status_code, answer.json()) == (400, {"profile_image": [message]})


def test_image_that_cannot_be_read(client: AppClient) -> None:
    token = client.token()
    answer = client.post("/upload-image/", token=token, files={"profile_image": ("x.png", b"no image")})
    assert (answer.status_code, list(answer.json())) == (400, ["profile_image"])
    assert answer.json()["profile_image"][0].startswith("Upload a valid image.")
    answer = client.post("/upload-image/", token=token, files={"profile_image": ("x.png", PNG)})
    assert answer.status_code == 201
    assert client.call("DELETE", "/upload-image/", token=token).status_code == 204


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_refresh_answers_with_the_same_refresh_token(client: AppClient) -> None:
    client.registered()
    tokens = client.tokens()
    for _ in range(2):
        client.world.clock.advance(13 * 86_400)
        again = client.post("/refresh-token/", {"refresh": tokens["refresh_token"]}).json()
        assert again["session"] == tokens["session"]
        assert again["refresh_token"] == tokens["refresh_token"]
    client.world.clock.advance(5 * 86_400)
    assert client.post("/refresh-token/", {"refresh": tokens["refresh_token"]}).status_code == 401, "after 30 days in all"
    assert not client.world.events(EventType.REFRESH_REUSED)


def test_refresh_after_a_reset_is_refused(client: AppClient) -> None:
    client.registered()
    tokens = client.tokens()
    reset = {"email": ADA["email"], "otp": client.code(ADA["email"]), "password": "a new sea of glass"}
    assert client.post("/password/reset/", reset).status_code == 202
    assert client.post("/refresh-token/", {"refresh": tokens["refresh_token"]}).status_code == 401


# --- the rest of the API ----------------------------------------------------------------------------------------------


def test_operators_have_the_documented_format(client: AppClient) -> None:
    client.registered()
    account = client.world.owner(ADA["email"])
    assert account is not None
    client.world.alter(account, is_superuser=True, is_staff=True)
    token = client.tokens()["token"]
    answer = client.call("GET", "/admin/accounts/?limit=x", token=token)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["codes"]
    answer = client.call("GET", "/admin/accounts/", token="x.y.z")
    assert (answer.status_code, answer.headers["content-type"]) == (404, JSON)


def test_document_says_that_it_describes_the_other_mode(client: AppClient, open_client: OpenClient) -> None:
    document = client.call("GET", "/openapi.json").json()
    assert "VESTIBULE_COMPATIBILITY" in document["info"]["description"]
    documented = open_client().call("GET", "/openapi.json").json()
    assert "drf-user" not in json.dumps(documented)
    assert documented["paths"] == document["paths"]
