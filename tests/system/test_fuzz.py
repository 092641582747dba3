"""Random input to every endpoint: no 500, no crashed worker."""

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
from tests.support.http_client import CONNECTION_ERRORS, PASSWORD, Client, random_png
from tests.support.processes import worker
from tests.support.server import Server

pytestmark = pytest.mark.faults

SECONDS = 4.0
THREADS = 4
CHARACTERS = "aZ09 .@+-_/\\%&=\"'<>{}[]:;,\0\x07\x7f\u0085é٣９ａаß\u200b\u202e\u2028\ufeff\ud800\udfff😀"
TEXTS = ["user1x", "user1x@example.com", PASSWORD, "+4915112345678", "123456", "True", "email", "a" * 300, "9" * 16000]
ODD: list[Any] = [None, True, 0, -1, 123456, 10**30, 1e308, 0.5, [], {}, [[]], {"a": []}, [["x"] * 20], {"": None}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("fuzz") / "data", rate_limits="off") as server:
        yield server


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    with Client(server.port) as client:
        return str(client.tokens("user1x")["token"])


@pytest.fixture
def seed(server: Server) -> Iterator[str]:
    """A random seed, shown if the test fails. After the test the worker must be the same and must have logged no exception."""
    before, seed = worker(server.process.pid), os.urandom(8).hex()
    yield seed
    assert before.is_alive
    assert "Traceback" not in server.output, seed
    assert server.call("GET", "/readyz")[0] == 200


def repeat(call: Callable[[Random], None], seed: str) -> None:
    """Repeats the call in several threads until the time is over."""
    until = time.monotonic() + SECONDS

    def run(number: int) -> int:
        random = Random(f"{seed} {number}")  # noqa: S311 — not for secrets
        times = 0
        while time.monotonic() < until:
            call(random)
            times += 1
        return times

    with ThreadPoolExecutor(THREADS) as threads:
        assert sum(threads.map(run, range(THREADS))) > 100


def text(random: Random) -> str:
    if random.random() < 0.4:
        return random.choice(TEXTS)
    return "".join(random.choice(CHARACTERS) for _ in range(random.choice([0, 1, 3, 12, 40])))


def value(random: Random, field: str = "") -> Any:
    """Returns a valid value in most cases, so that an odd value is often the only invalid one of a call."""
    if random.random() < 0.7 and field in VALID:
        return VALID[field](random)
    return text(random) if random.random() < 0.7 else random.choice(ODD)


def address(random: Random) -> str:
    return f"new{random.randrange(10**9)}@example.com"


VALID: dict[str, Callable[[Random], Any]] = {
    "username": lambda random: f"new{random.randrange(10**9)}",
    "name": lambda _: "A User",
    "email": address,
    "mobile": lambda random: f"+49151{random.randrange(10**8):08}",
    "destination": address,
    "password": lambda _: PASSWORD,
    "is_login": lambda random: random.random() < 0.5,
    "verify_otp": lambda random: f"{random.randrange(10**6):06}",
    "otp": lambda random: f"{random.randrange(10**6):06}",
    "prop": lambda random: random.choice(["username", "email", "mobile"]),
    "value": address,
    "proofs": lambda _: ["no proof"],
}


def calls_of(server: Server) -> list[tuple[str, str, list[str]]]:
    """Returns method, path and fields of each operation of the OpenAPI document."""
    document = server.call("GET", "/openapi.json")[1]
    found = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            schema = document["components"]["schemas"].get(content.get("$ref", "").rpartition("/")[2], content)
            found.append((method.upper(), path, list(schema.get("properties", {}))))
    assert len(found) > 15
    return found


def revokes(method: str, path: str) -> bool:
    """Returns True if the call would revoke the session of the shared token."""
    return method == "DELETE" or "logout" in path


def test_random_values_in_any_field_never_give_a_500(server: Server, token: str, seed: str) -> None:
    calls = calls_of(server)

    def call(random: Random) -> None:
        method, path, fields = random.choice(calls)
        body = {field: value(random, field) for field in fields if random.random() < 0.9} | {text(random): value(random)}
        if random.random() < 0.3:
            path = f"{path}{quote(text(random), errors='replace')}?{quote(text(random), errors='replace')}"
        path = path.replace("{", "").replace("}", "")
        with Client(server.port) as client:
            response = client.call(method, path, body if fields else None, None if revokes(method, path) else token)
        assert response.status < 500 or response.status == 503, (seed, method, path, body)
        if response.status >= 400:
            assert response.problem, (seed, method, path, body)

    repeat(call, seed)


def test_random_bytes_on_a_connection_never_kill_a_worker(server: Server, token: str, seed: str) -> None:
    body = json.dumps({"username": "user1x", "password": PASSWORD, "destination": "a@example.com"}).encode()
    json_type, bearer = b"Content-Type: application/json\r\n", b"Authorization: Bearer %s\r\n" % token.encode()
    whole = [
        b"POST /%s/ HTTP/1.1\r\nHost: x\r\n%s%sContent-Length: %d\r\n\r\n%s" % (path, json_type, bearer, len(content), content)
        for path in (b"register", b"login", b"otp", b"otpreglogin", b"password/reset", b"isunique", b"refresh-token")
        for content in (body, b"{" * 3000)
    ]
    part = (
        b'--b\r\nContent-Disposition: form-data; name="profile_image"; filename="a"\r\n\r\n' + random_png(16) + b"\r\n--b--\r\n"
    )
    form_type = b"Content-Type: multipart/form-data; boundary=b\r\n"
    head = b"POST /upload-image/ HTTP/1.1\r\nHost: x\r\n%s%sContent-Length: %d\r\n\r\n" % (form_type, bearer, len(part))
    whole.append(head + part)

    def call(random: Random) -> None:
        request = bytearray(random.choice(whole))
        for _ in range(random.choice([1, 2, 8])):
            damage(request, random)
        received = exchange(server.port, bytes(request))
        assert b"HTTP/1.1 500" not in received, (seed, bytes(request))

    repeat(call, seed)


def damage(request: bytearray, random: Random) -> None:
    start = random.randrange(len(request) + 1) if random.random() < 0.5 else random.randrange(min(len(request), 400) + 1)
    end = min(start + random.choice([0, 1, 1, 4, 30]), len(request))
    request[start:end] = random.choice(
        [b"", random.randbytes(1), random.randbytes(8), request[start:end] * 2, b"\r\n", b"\xff\xfe", b"\0"]
    )


def exchange(port: int, request: bytes) -> bytes:
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=0.3) as connection, suppress(*CONNECTION_ERRORS):
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        while chunk := connection.recv(65536):
            received += chunk
    return received
