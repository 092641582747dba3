"""An app that was written for drf-user, as public code of such apps shows it."""

import base64
import json
from typing import Any
from urllib.parse import urlencode

from tests.support.http_client import Client

_JSON = {"Content-Type": "application/json"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class App:
    """An app whose calls are relative to a base URL, some of them without a slash at the end."""

    def __init__(self, port: int, *, sends_forms: bool = False) -> None:
        self.port = port
        self.profile: dict[str, Any] = {}
        self.shown = ""
        self._sends_forms = sends_forms
        self._token = self._refresh_token = ""

    def post(self, path: str, **fields: str) -> tuple[int, dict[str, Any]]:
        body = urlencode(fields) if self._sends_forms else json.dumps(fields)
        return self.call("POST", path, body.encode(), _FORM if self._sends_forms else _JSON)

    def enter(self, path: str, **fields: str) -> bool:
        """Sends a code that the person typed. Keeps the token and reads its payload; shows the detail of a refusal."""
        status, answer = self.post(path, **fields)
        if status == 202:
            self._keep(answer)
        elif status == 403:
            self.shown = answer["detail"]
        return status == 202

    def log_in(self, username: str, password: str) -> bool:
        """Logs in by password."""
        status, answer = self.post("login/", username=username, password=password)
        if status == 200:
            self._keep(answer)
        return status == 200

    def account(self) -> dict[str, Any]:
        """Asks for the account; refreshes the token and asks again if it has expired. Raises `LoggedOut`."""
        status, account = self._get_account()
        if status == 401:
            status, answer = self.post("refresh-token/", refresh=self._refresh_token)
            if status == 401:
                raise LoggedOut
            assert status == 200
            self._token = answer["token"]
            status, account = self._get_account()
        assert status == 200
        return account

    def change(self, **fields: str) -> int:
        """Changes the account; returns the status."""
        headers = {**_JSON, "Authorization": f"Bearer {self._token}"}
        return self.call("PATCH", "account/", json.dumps(fields).encode(), headers)[0]

    def lose_token(self) -> None:
        self._token = self._token[:-10]

    def call(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        with Client(self.port) as client:
            response = client.send(method, f"/api/user/{path}", body, headers=headers)
        return response.status, response.json

    def _get_account(self) -> tuple[int, dict[str, Any]]:
        return self.call("GET", "account", None, {"Authorization": f"Bearer {self._token}"})

    def _keep(self, tokens: dict[str, Any]) -> None:
        self._token, self._refresh_token = tokens["token"], tokens["refresh_token"]
        payload = self._token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        self.profile = {name: claims.get(name) for name in ("user_id", "email", "mobile", "name")}


class LoggedOut(Exception):
    """Neither of the app's tokens is accepted: it shows its login."""
