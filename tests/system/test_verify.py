"""A service that only verifies, beside a real Vestibule."""

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


def test_a_service_that_only_verifies_lets_people_in_and_knows_within_seconds_that_they_logged_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VESTIBULE_REVOCATIONS_SECRET", SECRET)
    with Server(tmp_path / "data", revocations_secret=SECRET) as server:
        app = runpy.run_path(str(EXAMPLE))["create_app"](f"http://127.0.0.1:{server.port}", interval=0.1)
        server.call("POST", "/register/", ADA)
        _, tokens = server.call("POST", "/login/", {"username": "ada", "password": ADA["password"]})

        def ask(token: str | None) -> httpx.Response:
            return asyncio.run(asked(app, token))

        assert ask(tokens["token"]).json() == {"account": 1, "session": tokens["session"]}
        assert ask(None).headers["www-authenticate"] == "Bearer"
        assert ask(tokens["token"][:-4] + "AAAA").status_code == 401
        assert server.call("POST", "/logout/", token=tokens["token"])[0] == 200
        deadline = time.monotonic() + 10
        while ask(tokens["token"]).status_code == 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        refused = ask(tokens["token"])
        assert (refused.status_code, refused.json()["detail"]) == (401, "The session has ended.")


async def asked(app: Any, token: str | None) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        return await client.get("/", headers={"authorization": f"Bearer {token}"} if token else {})
