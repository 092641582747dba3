"""What apps do that were written for drf-user, as public code of such apps shows it, over HTTP."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.support.server import Server
from tests.support.world import wrong

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PERSON = {"name": "Zoë Müller", "email": "zoe@mail.example.com", "mobile": "9876543210"}


class App:
    """An app whose calls are relative to a base URL, some of them without a slash at the end."""

    def __init__(self, server: Server, *, sends_forms: bool) -> None:
        self.server = server
        self.profile: dict[str, Any] = {}
        self.shown = ""
        self._sends_forms = sends_forms
        self._token = self._refresh_token = ""

    def post(self, path: str, **fields: str) -> tuple[int, dict[str, Any]]:
        body = urlencode(fields) if self._sends_forms else json.dumps(fields)
        headers = FORM if self._sends_forms else JSON
        return self.server.send("POST", f"/api/user/{path}", body.encode(), headers)

    def enter(self, path: str, **fields: str) -> bool:
        """Sends a code that the person typed. Keeps the token and reads its payload; shows the detail of a refusal."""
        status, answer = self.post(path, **fields)
        if status == 202:
            self._token, self._refresh_token = answer["token"], answer["refresh_token"]
            self._read_profile()
        elif status == 403:
            self.shown = answer["detail"]
        return status == 202

    def account(self) -> dict[str, Any]:
        """Asks for the account; refreshes the token and asks again if it has expired."""
        status, account = self._get_account()
        if status == 401:
            status, answer = self.post("refresh-token/", refresh=self._refresh_token)
            assert status == 200
            self._token = answer["token"]
            status, account = self._get_account()
        assert status == 200
        return account

    def lose_token(self) -> None:
        self._token = self._token[:-10]

    def _get_account(self) -> tuple[int, dict[str, Any]]:
        return self.server.send("GET", "/api/user/account", None, {"Authorization": f"Bearer {self._token}"})

    def _read_profile(self) -> None:
        payload = self._token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        self.profile = {name: claims[name] for name in ("user_id", "email", "mobile", "name")}


@pytest.mark.parametrize("sends_forms", [False, True], ids=["json", "form"])
def test_app_registers_and_logs_in_by_codes(tmp_path: Path, database_url_for: Callable[[Path], str], sends_forms: bool) -> None:
    data = tmp_path / "data"
    mode = {"compatibility": "drf-user", "api_prefix": "/api/user", "rate_limits": "off", "otp_cooldown": "1"}
    environment = {f"VESTIBULE_{name.upper()}": value for name, value in mode.items()}
    with Server(data, environment=environment, database_url=database_url_for(data)) as server:
        app = App(server, sends_forms=sends_forms)

        # A newcomer:
        status, sent = app.post("otpreglogin/", **PERSON)
        assert status == 201
        assert sent["email"]["otp"] == sent["mobile"]["otp"] == "OTP has been sent successfully."
        code = server.code(PERSON["email"], sent["reference"])
        assert len(code) == 5
        assert not app.enter("otpreglogin/", **PERSON, verify_otp=wrong(code))
        assert app.shown.startswith("OTP Validation failed!")
        assert app.enter("otpreglogin/", **PERSON, verify_otp=code)
        assert {**app.profile, "user_id": 0} == {**PERSON, "user_id": 0}
        account = app.account()
        assert (account["id"], account["username"]) == (app.profile["user_id"], PERSON["mobile"])

        # The same person on another day, by the email alone:
        app = App(server, sends_forms=sends_forms)
        status, sent = retried(app, "otp/", destination=PERSON["email"], is_login="true")
        assert (status, sent["message"]) == (201, "Message sent successfully!")
        code = server.code(PERSON["email"], sent["reference"])
        assert app.enter("otp/", destination=PERSON["email"], is_login="true", verify_otp=code)
        assert app.profile["user_id"] == account["id"]
        for _ in range(3):  # it keeps the refresh token of its login
            app.lose_token()
            assert app.account()["id"] == account["id"]


def retried(app: App, path: str, **fields: str) -> tuple[int, dict[str, Any]]:
    """Sends again after the cool-down."""
    while True:
        status, answer = app.post(path, **fields)
        if status != 429:
            return status, answer
        sleep(0.1)
