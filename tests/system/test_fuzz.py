"""Random input to every endpoint: no 500, no dead worker."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random
from typing import Any
from urllib.parse import quote

import pytest
from tests.support.processes import worker
from tests.support.proxy import GONE, PASSWORD, Line, picture
from tests.support.server import Server

pytestmark = pytest.mark.faults

SECONDS = 4.0
THREADS = 4
CHARACTERS = "aZ09 .@+-_/\\%&=\"'<>{}[]:;,\0\x07\x7f\u0085é٣９ａаß\u200b\u202e\u2028\ufeff\ud800\udfff😀"
TEXTS = ["somebody1", "somebody1@example.com", PASSWORD, "+4915112345678", "123456", "True", "email", "a" * 300, "9" * 16000]
ODD: list[Any] = [None, True, 0, -1, 123456, 10**30, 1e308, 0.5, [], {}, [[]], {"a": []}, [["x"] * 20], {"": None}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("fuzz") / "data", rate_limits="off") as server:
        yield server


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    with Line(server.port) as line:
        return str(line.tokens("somebody1")["token"])


@pytest.fixture
def seed(server: Server) -> Iterator[str]:
    """Shown where a test fails; the worker that is there before is there afterwards, and has no fault to tell of."""
    before, seed = worker(server.process.pid), os.urandom(8).hex()
    yield seed
    assert before.is_alive
    assert "Traceback" not in server.output, seed
    assert server.call("GET", "/readyz")[0] == 200


def everybody(go: Callable[[Random], None], seed: str) -> None:
    """Several at once, until the time is over."""
    until = time.monotonic() + SECONDS

    def one(number: int) -> int:
        chance = Random(f"{seed} {number}")  # noqa: S311 — it guards nothing
        times = 0
        while time.monotonic() < until:
            go(chance)
            times += 1
        return times

    with ThreadPoolExecutor(THREADS) as threads:
        assert sum(threads.map(one, range(THREADS))) > 100


def text(chance: Random) -> str:
    if chance.random() < 0.4:
        return chance.choice(TEXTS)
    return "".join(chance.choice(CHARACTERS) for _ in range(chance.choice([0, 1, 3, 12, 40])))


def value(chance: Random, field: str = "") -> Any:
    """Often what belongs there, so that the odd one is not refused for the others' sake."""
    if chance.random() < 0.7 and field in PROPER:
        return PROPER[field](chance)
    return text(chance) if chance.random() < 0.7 else chance.choice(ODD)


def address(chance: Random) -> str:
    return f"stranger{chance.randrange(10**9)}@example.com"


PROPER: dict[str, Callable[[Random], Any]] = {
    "username": lambda chance: f"stranger{chance.randrange(10**9)}",
    "name": lambda _: "A Person",
    "email": address,
    "mobile": lambda chance: f"+49151{chance.randrange(10**8):08}",
    "destination": address,
    "password": lambda _: PASSWORD,
    "is_login": lambda chance: chance.random() < 0.5,
    "verify_otp": lambda chance: f"{chance.randrange(10**6):06}",
    "otp": lambda chance: f"{chance.randrange(10**6):06}",
    "prop": lambda chance: chance.choice(["username", "email", "mobile"]),
    "value": address,
    "proofs": lambda _: ["a proof"],
}


def calls_of(server: Server) -> list[tuple[str, str, list[str]]]:
    """Method, path and fields of everything that the document has."""
    document = server.call("GET", "/openapi.json")[1]
    found = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            schema = document["components"]["schemas"].get(content.get("$ref", "").rpartition("/")[2], content)
            found.append((method.upper(), path, list(schema.get("properties", {}))))
    assert len(found) > 15
    return found


def is_last(method: str, path: str) -> bool:
    """Whether it would end the session that the others need."""
    return method == "DELETE" or "logout" in path


def test_random_values_in_any_field_never_give_a_500(server: Server, token: str, seed: str) -> None:
    calls = calls_of(server)

    def go(chance: Random) -> None:
        method, path, fields = chance.choice(calls)
        body = {field: value(chance, field) for field in fields if chance.random() < 0.9} | {text(chance): value(chance)}
        if chance.random() < 0.3:
            path = f"{path}{quote(text(chance), errors='replace')}?{quote(text(chance), errors='replace')}"
        path = path.replace("{", "").replace("}", "")
        with Line(server.port) as line:
            answer = line.ask(method, path, body if fields else None, None if is_last(method, path) else token)
        assert answer.status < 500 or answer.status == 503, (seed, method, path, body)
        if answer.status >= 400:
            assert answer.problem, (seed, method, path, body)

    everybody(go, seed)


def test_random_bytes_on_a_connection_never_kill_a_worker(server: Server, token: str, seed: str) -> None:
    body = json.dumps({"username": "somebody1", "password": PASSWORD, "destination": "a@example.com"}).encode()
    json_type, bearer = b"Content-Type: application/json\r\n", b"Authorization: Bearer %s\r\n" % token.encode()
    whole = [
        b"POST /%s/ HTTP/1.1\r\nHost: x\r\n%s%sContent-Length: %d\r\n\r\n%s" % (path, json_type, bearer, len(content), content)
        for path in (b"register", b"login", b"otp", b"otpreglogin", b"password/reset", b"isunique", b"refresh-token")
        for content in (body, b"{" * 3000)
    ]
    part = b'--b\r\nContent-Disposition: form-data; name="profile_image"; filename="a"\r\n\r\n' + picture(16) + b"\r\n--b--\r\n"
    form_type = b"Content-Type: multipart/form-data; boundary=b\r\n"
    head = b"POST /upload-image/ HTTP/1.1\r\nHost: x\r\n%s%sContent-Length: %d\r\n\r\n" % (form_type, bearer, len(part))
    whole.append(head + part)

    def go(chance: Random) -> None:
        request = bytearray(chance.choice(whole))
        for _ in range(chance.choice([1, 2, 8])):
            damage(request, chance)
        received = say(server.port, bytes(request))
        assert b"HTTP/1.1 500" not in received, (seed, bytes(request))

    everybody(go, seed)


def damage(request: bytearray, chance: Random) -> None:
    start = chance.randrange(len(request) + 1) if chance.random() < 0.5 else chance.randrange(min(len(request), 400) + 1)
    end = min(start + chance.choice([0, 1, 1, 4, 30]), len(request))
    request[start:end] = chance.choice(
        [b"", chance.randbytes(1), chance.randbytes(8), request[start:end] * 2, b"\r\n", b"\xff\xfe", b"\0"]
    )


def say(port: int, request: bytes) -> bytes:
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=0.3) as connection, suppress(*GONE):
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        while chunk := connection.recv(65536):
            received += chunk
    return received
