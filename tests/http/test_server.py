"""Behaviour that needs a real server and a real connection."""

import http.client
import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.server import Server

from vestibule.entrypoints.doctor.startup import has_wal_reset_bug

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(Path(tmp_path_factory.mktemp("server")) / "data") as server:
        yield server


def exchange(server: Server, text: bytes) -> bytes:
    """Sends a text on a new connection; returns everything received until the server closes it."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(text)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
    return received


def test_large_body_without_length_is_refused(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    chunk = b'{"ignored": "' + b"a" * 65_536
    with suppress(OSError):  # the server may close while the client sends; the response may have arrived
        connection.request("POST", "/register/", iter([chunk] * 160), {"Content-Type": "application/json"}, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Connection"]) == (413, "close")
    connection.close()


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"Content-Length: 10000000", b""),
        (b"Content-Length: 10000000", b"x" * 1000),
        (b"Content-Length: 20000", b"x" * 20_000),
        (b"Transfer-Encoding: chunked", b"5000\r\n" + b"x" * 0x5000 + b"\r\n"),
    ],
    ids=["announced", "incomplete", "sent", "in chunks"],
)
def test_connection_closes_after_too_large_body(framing: bytes, body: bytes, server: Server) -> None:
    head = b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + framing + b"\r\n\r\n"
    received = exchange(server, head + body + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"413"]
    assert b"connection: close\r\n" in received


def test_head_has_no_body_and_reveals_no_version(server: Server) -> None:
    received = exchange(server, b"HEAD /account/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    head, _, body = received.partition(b"\r\n\r\n")
    assert (head.split()[1], body) == (b"401", b"")
    assert not re.search(rb"server:.*\d", head, re.IGNORECASE)
    assert b"x-request-id: " in head.lower()


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/", "/docs", "/docs/page.js", "/openapi.json", "/.well-known/jwks.json"]
)
def test_head_is_answered_like_get_without_a_body(path: str, server: Server) -> None:
    answers = {}
    for method in ("GET", "HEAD"):
        call = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
        head, _, body = exchange(server, call.encode()).partition(b"\r\n\r\n")
        status, *headers = re.sub(rb"(?m)^(date|x-request-id): .*", b"", head).splitlines()
        answers[method] = status, sorted(headers), body
    assert answers["GET"][:2] == answers["HEAD"][:2]
    assert answers["GET"][0] == b"HTTP/1.1 200 OK"
    assert b"content-length: %d" % len(answers["GET"][2]) in answers["HEAD"][1]
    assert answers["HEAD"][2] == b""


@pytest.mark.parametrize("path", [b"//healthz", b"/healthz/", b"/%68ealthz", b"/nowhere", b"/../etc/passwd", b"/%00", b"/\xff"])
def test_unusual_paths_get_a_response(path: bytes, server: Server) -> None:
    received = exchange(server, b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert received.split()[1] in {b"200", b"400", b"404"}


def test_requests_on_one_connection_have_different_ids(server: Server) -> None:
    call = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    received = exchange(server, call + call.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert len(set(re.findall(rb"x-request-id: (\w+)", received))) == 2


@pytest.mark.parametrize(
    ("version", "has_it"),
    [
        *(((3, 40, 1), True), ((3, 44, 5), True), ((3, 45, 0), True), ((3, 50, 6), True), ((3, 51, 2), True)),
        *(((3, 44, 6), False), ((3, 50, 7), False), ((3, 50, 8), False), ((3, 51, 3), False), ((3, 53, 0), False)),
        ((4, 0, 0), False),
    ],
)
def test_sqlite_versions_with_wal_reset_bug_are_known(version: tuple[int, ...], has_it: bool) -> None:
    assert has_wal_reset_bug(version) is has_it


def test_start_warns_of_sqlite_with_wal_reset_bug(server: Server) -> None:
    versions = re.findall(r"WARNING vestibule\.server: SQLite ([\d.]+) has", server.output)
    assert versions == [sqlite3.sqlite_version] * has_wal_reset_bug(sqlite3.sqlite_version_info)
