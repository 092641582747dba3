"""The example service that verifies tokens, against a running Vestibule."""

import asyncio
import runpy
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.server import Server

EXAMPLE = Path(__file__).parents[2] / "examples" / "verify_only.py"
SECRET = "9f3c1b7de0a54826" * 2
ADA = {"username": "ada", "name": "Ada", "email": "ada@example.org", "password": "the engine weaves algebra"}


def test_verifying_service_accepts_a_token_until_seconds_after_the_log_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VESTIBULE_REVOCATIONS_SECRET", SECRET)
    with Server(tmp_path / "data", revocations_secret=SECRET) as server:
        app = runpy.run_path(str(EXAMPLE))["create_app"](f"http://127.0.0.1:{server.port}", interval=0.1)
        server.call("POST", "/register/", ADA)
        _, tokens = server.call("POST", "/login/", {"username": "ada", "password": ADA["password"]})

        def call(token: str | None) -> httpx.Response:
            return asyncio.run(send(app, token))

        assert call(tokens["token"]).json() == {"account": 1, "session": tokens["session"]}
        assert call(None).headers["www-authenticate"] == "Bearer"
        assert call(tokens["token"][:-4] + "AAAA").status_code == 401
        assert server.call("POST", "/logout/", token=tokens["token"])[0] == 204
        deadline = time.monotonic() + 10
        while call(tokens["token"]).status_code == 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        refused = call(tokens["token"])
        assert (refused.status_code, refused.json()["detail"]) == (401, "The session has ended.")


async def send(app: Any, token: str | None) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        return await client.get("/", headers={"authorization": f"Bearer {token}"} if token else {})
