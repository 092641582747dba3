"""Each documented call to a running server, with success and with failure, and its documented statuses."""

import io
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from tests.support.server import Server

PASSWORD = "the engine weaves algebra"
ADA = {"username": "username", "name": "name", "email": "email@user.com", "mobile": "9999999999", "password": PASSWORD}


@pytest.fixture
def server(tmp_path: Path, database_url_for: Callable[[Path], str]) -> Iterator[Server]:
    data = tmp_path / "data"
    with Server(data, database_url=database_url_for(data)) as server:
        yield server


def test_every_documented_call_returns_its_documented_status(server: Server) -> None:
    call = server.call

    # Register
    status, refused = call("POST", "/register/", {**ADA, "password": "password"})
    assert (status, list(refused["errors"])) == (400, ["password"])
    status, account = call("POST", "/register/", ADA)
    assert status == 201
    assert account == {
        "id": 1,
        "username": "username",
        "name": "name",
        "email": "email@user.com",
        "mobile": "9999999999",
        "is_superuser": False,
        "is_staff": False,
        "profile_image": None,
        "email_verified": False,
        "mobile_verified": False,
        "has_password": True,
    }
    status, refused = call("POST", "/register/", ADA)
    assert (status, sorted(refused["errors"])) == (400, ["email", "mobile", "username"])

    # Login
    for name in ("username", "email@user.com", "9999999999"):
        status, tokens = call("POST", "/login/", {"username": name, "password": PASSWORD})
        assert (status, tokens["token_type"], tokens["expires_in"]) == (200, "Bearer", 300)
    status, refused = call("POST", "/login/", {})
    assert (status, sorted(refused["errors"])) == (400, ["password", "username"])
    assert call("POST", "/login/", {"username": "username", "password": "my_secret_password"})[0] == 401
    token = tokens["token"]

    # Account
    assert call("GET", "/account/", token=token) == (200, account)
    assert call("GET", "/account/")[0] == 401
    updated = {**ADA, "username": "updated_username", "name": "updated_name", "email": "email@updated.com"}
    status, changed = call("PUT", "/account/", updated, token=token)
    assert (status, changed["username"], changed["email"]) == (200, "updated_username", "email@updated.com")
    for field in updated:
        body = {name: value for name, value in updated.items() if name != field}
        assert call("PUT", "/account/", body, token=token)[0] == 400, field
    assert call("PUT", "/account/", updated)[0] == 401
    assert call("PATCH", "/account/", {"name": "partial_updated_name"}, token=token)[1]["name"] == "partial_updated_name"
    assert call("PATCH", "/account/", {}, token=token)[0] == 200
    assert call("PATCH", "/account/", {"email": "no email"}, token=token)[0] == 400
    assert call("PATCH", "/account/", {})[0] == 401

    # One-time codes
    status, sent = call("POST", "/otp/", {"destination": "1234567890", "email": "email@django.com", "_comment1": "…"})
    assert status == 201
    assert call("POST", "/otp/", {"destination": "nowhere"})[0] == 400
    assert call("POST", "/otp/", {"destination": "1234567890", "verify_otp": "000000"})[0] in {403, 201}
    code = server.code("1234567890", sent["reference"])
    status, verified = call("POST", "/otp/", {"destination": "1234567890", "verify_otp": code})
    assert (status, sorted(verified)) == (201, ["detail", "proof"])
    assert call("POST", "/otp/", {"destination": "1234567890", "verify_otp": code})[0] == 403
    status, sent = call("POST", "/otp/", {"destination": "email@updated.com", "is_login": "True"})
    code = server.code("email@updated.com", sent["reference"])
    login: dict[str, object] = {"destination": "email@updated.com", "verify_otp": int(code), "is_login": "True"}
    status, tokens = call("POST", "/otp/", login)
    assert (status, tokens["token_type"]) == (201, "Bearer")
    assert call("POST", "/otp/", login)[0] == 403

    # Register or log in
    body = {"name": "some_awesome_name", "email": "email2@django.com", "mobile": "2234567890"}
    status, sent = call("POST", "/otpreglogin/", body)
    assert status == 201
    assert call("POST", "/otpreglogin/", {"name": "some_awesome_name"})[0] == 400
    code = server.code("2234567890", sent["reference"])
    wrong = f"{(int(code) + 1) % 10**6:06}"
    assert call("POST", "/otpreglogin/", {**body, "verify_otp": wrong})[0] == 403
    status, tokens = call("POST", "/otpreglogin/", {**body, "verify_otp": code})
    assert (status, call("GET", "/account/", token=tokens["token"])[1]["username"]) == (201, "2234567890")

    # Reset password
    asked = {"destination": "email3@django.com", "is_login": False}
    assert [call("POST", "/otp/", asked)[0] for _ in range(2)] == [201, 429], "one code per minute"
    reset = {"email": "email3@django.com", "otp": "123456", "password": "my_new_secret_password"}
    assert call("POST", "/password/reset/", reset)[0] == 403
    status, refused = call("POST", "/password/reset/", {})
    assert (status, sorted(refused["errors"])) == (400, ["email", "otp", "password"])

    # Is unique
    assert call("POST", "/isunique/", {"prop": "email", "value": "email@django.com"}) == (200, {"unique": True})
    assert call("POST", "/isunique/", {"prop": "username", "value": "UPDATED_username"}) == (200, {"unique": False})
    assert call("POST", "/isunique/", {"prop": "password", "value": "x"})[0] == 400


def test_password_is_reset_with_a_code(server: Server) -> None:
    server.call("POST", "/register/", ADA)
    _, old = server.call("POST", "/login/", {"username": "username", "password": PASSWORD})
    _, sent = server.call("POST", "/otp/", {"destination": "email@user.com", "is_login": "false"})
    code = server.code("email@user.com", sent["reference"])
    reset = {"email": "email@user.com", "otp": code, "password": "my_new_secret_password"}
    assert server.call("POST", "/password/reset/", reset)[0] == 202
    assert server.call("POST", "/password/reset/", reset)[0] == 403
    assert server.call("POST", "/login/", {"username": "username", "password": PASSWORD})[0] == 401
    assert server.call("POST", "/login/", {"username": "username", "password": reset["password"]})[0] == 200
    assert server.call("GET", "/account/", token=old["token"])[0] == 401


def test_image_is_uploaded_and_served(server: Server) -> None:
    server.call("POST", "/register/", ADA)
    _, tokens = server.call("POST", "/login/", {"username": "username", "password": PASSWORD})
    file = io.BytesIO()
    Image.new("RGB", (2000, 500), "teal").save(file, "PNG")
    part = b'--b\r\nContent-Disposition: form-data; name="profile_image"; filename="me.jpg"\r\n\r\n%s\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    bearer = {"Authorization": f"Bearer {tokens['token']}"}
    assert server.send("POST", "/upload-image/", part % file.getvalue(), headers)[0] == 401
    assert server.send("POST", "/upload-image/", part % b"no image", {**headers, **bearer})[0] == 400
    status, uploaded = server.send("POST", "/upload-image/", part % file.getvalue(), {**headers, **bearer})
    assert status == 201
    path = uploaded["profile_image"].removeprefix(f"http://127.0.0.1:{server.port}")
    status, image = server.call("GET", path)
    assert (status, Image.open(io.BytesIO(image["content"])).size) == (200, (1024, 256))
    assert server.call("GET", "/account/", token=tokens["token"])[1]["profile_image"] == uploaded["profile_image"]


def test_refresh_token_is_valid_once(server: Server) -> None:
    server.call("POST", "/register/", ADA)
    _, tokens = server.call("POST", "/login/", {"username": "username", "password": PASSWORD})
    assert server.call("POST", "/refresh-token/", {})[0] == 400
    assert server.call("POST", "/refresh-token/", {"refresh": tokens["token"]})[0] == 401
    status, second = server.call("POST", "/refresh-token/", {"refresh": tokens["refresh_token"]})
    assert (status, second["session"]) == (200, tokens["session"])
    status, third = server.call("POST", "/refresh-token/", {"refresh": second["refresh_token"]})
    assert status == 200
    assert server.call("POST", "/refresh-token/", {"refresh": tokens["refresh_token"]})[0] == 401
    assert server.call("POST", "/refresh-token/", {"refresh": third["refresh_token"]})[0] == 401
    assert server.call("GET", "/account/", token=third["token"])[0] == 401


def test_terminal_shows_the_code_and_a_signal_stops_the_server(server: Server) -> None:
    _, sent = server.call("POST", "/otp/", {"destination": "email@user.com"})
    code = server.code("email@user.com", sent["reference"])
    assert server.stop(signal.SIGINT) == 0
    assert code in server.output
    assert "Traceback" not in server.output
