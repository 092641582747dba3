"""Acknowledged changes survive a SIGKILL."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from threading import Event

import pytest
from tests.support.server import Server

pytestmark = pytest.mark.faults

PASSWORD = "the engine weaves algebra"


def test_sigkill_during_registrations_loses_no_acknowledged_one(
    tmp_path: Path, database_url_for: Callable[[Path], str]
) -> None:
    acknowledged: list[str] = []
    url = database_url_for(tmp_path / "data")
    enough = Event()

    def register(server: Server, worker: int) -> None:
        for number in range(1000):
            name = f"user-{worker}-{number}x"
            body = {"username": name, "name": "A User", "email": f"{name}@example.com", "password": PASSWORD}
            try:
                status, _ = server.call("POST", "/register/", body)
            except (OSError, HTTPException):
                return
            assert status == 201
            acknowledged.append(name)
            if len(acknowledged) >= 40:
                enough.set()

    with Server(tmp_path / "data", rate_limits="off", database_url=url) as server, ThreadPoolExecutor(8) as pool:
        workers = [pool.submit(register, server, worker) for worker in range(8)]
        assert enough.wait(60)
        server.kill()
        for worker in workers:
            worker.result(30)

    with Server(tmp_path / "data", rate_limits="off", database_url=url) as server:
        for name in acknowledged:
            assert server.call("POST", "/isunique/", {"prop": "username", "value": name})[1] == {"unique": False}, name
        assert server.call("POST", "/login/", {"username": acknowledged[-1], "password": PASSWORD})[0] == 200
