"""What apps do that were written for drf-user, as public code of such apps shows it, over HTTP."""

from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from tests.support.drf_user_app import App
from tests.support.server import Server
from tests.support.world import wrong

PERSON = {"name": "Zoë Müller", "email": "zoe@mail.example.com", "mobile": "9876543210"}


@pytest.mark.parametrize("sends_forms", [False, True], ids=["json", "form"])
def test_app_registers_and_logs_in_by_codes(tmp_path: Path, database_url_for: Callable[[Path], str], sends_forms: bool) -> None:
    data = tmp_path / "data"
    mode = {"compatibility": "drf-user", "api_prefix": "/api/user", "rate_limits": "off", "otp_cooldown": "1"}
    environment = {f"VESTIBULE_{name.upper()}": value for name, value in mode.items()}
    with Server(data, environment=environment, database_url=database_url_for(data)) as server:
        app = App(server.port, sends_forms=sends_forms)

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
        app = App(server.port, sends_forms=sends_forms)
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
