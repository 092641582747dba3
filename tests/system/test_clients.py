"""Slow clients, many clients, and clients that send malformed HTTP. Slow requests run concurrently with the other tests."""

import resource
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from select import select

import pytest
from tests.support.http_client import Client
from tests.support.processes import eventually
from tests.support.server import Server

from vestibule.entrypoints.server import MAX_CONNECTIONS

pytestmark = pytest.mark.faults

JSON = b"Host: x\r\nContent-Type: application/json\r\n"
NEXT = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


KEEP_ALIVE = 18
"""Seconds for idle connections: more than the 15 of a body."""


@dataclass(frozen=True)
class End:
    """The bytes that the server sent before it closed the connection, and the seconds until then."""

    received: bytes
    seconds: float

    @property
    def statuses(self) -> list[int]:
        return [int(part[:3]) for part in self.received.split(b"HTTP/1.1 ")[1:]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that starts with a low limit of open files, as on some systems."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    server = Server(tmp_path_factory.mktemp("clients") / "data", rate_limits="off", keep_alive_timeout=str(KEEP_ALIVE))
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with server:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
            yield server
            assert server.call("GET", "/readyz")[0] == 200
            assert "Traceback" not in server.output
            assert "worker-" not in server.output, "no worker died"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def exchange(port: int, *parts: bytes, every: float = 0.0, timeout: float = 35.0) -> End:
    """Sends the parts, one every so many seconds, and receives until the server closes the connection."""
    begun, received = time.monotonic(), b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        with suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
                time.sleep(every)
        with suppress(ConnectionError):
            while chunk := connection.recv(65536):
                received += chunk
    return End(received, time.monotonic() - begun)


SLOW: dict[str, tuple[tuple[bytes, ...], float]] = {
    "nothing": ((), 0),
    "half a header": ((b"GET /healthz HTTP/1.1\r\nHost: x\r\n",), 0),
    "a header, one line at a time": ((b"GET /healthz HTTP/1.1\r\n", *[b"A: b\r\n"] * 46), 0.5),
    "idle after a response": ((b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",), 0),
    "half a body": ((b"POST /login/ HTTP/1.1\r\n" + JSON + b"Content-Length: 50\r\n\r\n{",), 0),
    "half a chunked body": ((b"POST /login/ HTTP/1.1\r\n" + JSON + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{    \r\n",), 0),
    "a body, one byte at a time": ((b"POST /login/ HTTP/1.1\r\n" + JSON + b"Content-Length: 50\r\n\r\n", *[b" "] * 36), 0.5),
}


@pytest.fixture(scope="module", autouse=True)
def slow(server: Server) -> Iterator[dict[str, "Future[End]"]]:
    """Starts all slow requests at the same time; they run during the other tests."""
    with ThreadPoolExecutor(len(SLOW)) as threads:
        yield {name: threads.submit(exchange, server.port, *parts, every=every) for name, (parts, every) in SLOW.items()}


REFUSED = {
    "no HTTP": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
    "an unknown version": b"GET / HTTP/7.3\r\n\r\n",
    "two lengths": b"POST /isunique/ HTTP/1.1\r\n" + JSON + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} " + NEXT,
    "a length with a sign": b"POST /isunique/ HTTP/1.1\r\n" + JSON + b"Content-Length: +2\r\n\r\n{}" + NEXT,
    "a negative length": b"POST /isunique/ HTTP/1.1\r\n" + JSON + b"Content-Length: -2\r\n\r\n{}" + NEXT,
    "an unknown transfer encoding": b"POST /isunique/ HTTP/1.1\r\n"
    + JSON
    + b"Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n\r\n{}"
    + NEXT,
    "a space before the colon": b"POST /isunique/ HTTP/1.1\r\n"
    + JSON
    + b"Transfer-Encoding : chunked\r\nContent-Length: 2\r\n\r\n{}"
    + NEXT,
    "a folded header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "a bare carriage return": b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
    "a NUL in a header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_malformed_http_is_rejected_and_the_connection_closed(server: Server, name: str) -> None:
    end = exchange(server.port, REFUSED[name], timeout=5)
    assert end.statuses == [400]
    assert end.seconds < 5


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["long header", "many headers", "long path"],
)
def test_oversized_headers_are_rejected(server: Server, request_: bytes) -> None:
    assert exchange(server.port, request_, timeout=5).statuses in ([414], [431])


def test_content_length_with_chunked_encoding_smuggles_no_request(server: Server) -> None:
    """Chunked encoding overrides Content-Length (RFC 9112 § 6.1), and nothing after it is read from this connection."""
    for length in (b"5", b"%d" % (5 + len(NEXT))):
        headers = JSON + b"Content-Length: " + length + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        end = exchange(server.port, b"POST /isunique/ HTTP/1.1\r\n" + headers + b"0\r\n\r\n" + NEXT, timeout=5)
        assert end.statuses == [400]


def test_malformed_chunk_closes_the_connection(server: Server) -> None:
    headers = JSON + b"Transfer-Encoding: chunked\r\n\r\n"
    for chunks in (
        b"zz\r\n{}\r\n0\r\n\r\n",
        b"-1\r\n{}\r\n0\r\n\r\n",
        b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}xx\r\n0\r\n\r\n",
    ):
        end = exchange(server.port, b"POST /isunique/ HTTP/1.1\r\n" + headers + chunks + NEXT, timeout=5)
        assert end.statuses == [400], chunks


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    first = b"POST /isunique/ HTTP/1.1\r\n" + JSON + b"Content-Length: 2\r\n\r\n{}"
    second = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    third = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
    assert exchange(server.port, first + second + third + NEXT, timeout=5).statuses == [400, 200, 404, 200]


@pytest.mark.parametrize("request_", [b"POST /nowhere", b"POST /login/", b"GET /account/", b"POST /upload-image/"])
def test_rejected_body_is_not_read(server: Server, request_: bytes) -> None:
    """401, 404, 415: the response comes at once, and the remaining bytes are not parsed as a request."""
    end = exchange(server.port, request_ + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n" + NEXT, timeout=5)
    assert len(end.statuses) == 1
    assert end.statuses[0] in {401, 404, 415}


def test_thousand_idle_connections_do_not_block_others(server: Server) -> None:
    with Client(server.port) as client:
        token = client.tokens("user1x")["token"]
    with ExitStack() as stack:
        for _ in range(990):
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", server.port), timeout=5)))
        assert eventually(lambda: accepted_connections(server.port) >= 990), "all connections are accepted, none is queued"
        for number in range(20):
            with Client(server.port, timeout=5) as client:
                assert client.account(token).status == 200
                assert client.register(f"other{number}x").status == 201


def accepted_connections(port: int) -> int:
    """Returns how many connections to that port a process holds; the kernel lists those in the queue without an inode."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1].endswith(f":{port:04X}") and line[3] == "01" and line[9] != "0" for line in lines)


def test_worker_accepts_at_most_a_thousand_connections(server: Server) -> None:
    with closing(socket.socket()) as late:
        with ExitStack() as stack:
            for _ in range(MAX_CONNECTIONS):
                stack.enter_context(closing(socket.create_connection(("127.0.0.1", server.port), timeout=5)))
            late.connect(("127.0.0.1", server.port))
            late.sendall(NEXT)
            late.settimeout(0.5)
            with pytest.raises(TimeoutError):
                late.recv(1)
        late.settimeout(5)
        assert late.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.usefixtures("server")  # it raises the limit of open files
def test_half_sent_bodies_of_a_network_leave_the_places_of_others(tmp_path: Path) -> None:
    head = b"POST /register/ HTTP/1.1\r\n" + JSON + b"Content-Length: 100\r\n\r\n{"
    with Server(tmp_path / "data") as server, ExitStack() as stack:
        halves = [stack.enter_context(closing(socket.create_connection(("127.0.0.1", server.port)))) for _ in range(150)]
        for half in halves:
            half.sendall(head)
        assert eventually(lambda: len(select(halves, [], [], 0)[0]) >= 50), "those beyond a hundred have a response"
        refused = exchange(server.port, NEXT.replace(b"/healthz", b"/account/"))
        assert refused.statuses == [429]
        assert b"\r\nretry-after: 1\r\n" in refused.received
        with Client(server.port, source="127.0.0.2") as client:
            assert client.tokens("user1x")["token"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such timeout")
@pytest.mark.usefixtures("server")  # it raises the limit of open files
def test_connections_that_read_nothing_end_and_leave_their_places_to_others(tmp_path: Path) -> None:
    """Each client asks for more pages than buffers hold. Without a timeout for sending it would keep its place for ever."""
    with Server(tmp_path / "data", rate_limits="off", send_timeout="2") as server, ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS):
            deaf = stack.enter_context(closing(socket.socket()))
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            deaf.connect(("127.0.0.1", server.port))
            deaf.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        assert exchange(server.port, NEXT).statuses == [200]
        assert eventually(lambda: accepted_connections(server.port) == 0, seconds=30)


@pytest.mark.parametrize("name", ["nothing", "half a header", "a header, one line at a time", "idle after a response"])
def test_idle_connection_is_closed_after_the_time_of_the_setting(slow: dict[str, "Future[End]"], name: str) -> None:
    end = slow[name].result()
    assert end.statuses == ([200] if name == "idle after a response" else [])
    assert KEEP_ALIVE - 1 < end.seconds < KEEP_ALIVE + 7


@pytest.mark.parametrize("name", ["half a body", "half a chunked body", "a body, one byte at a time"])
def test_body_that_takes_over_fifteen_seconds_is_rejected(slow: dict[str, "Future[End]"], name: str) -> None:
    end = slow[name].result()
    assert end.statuses == [408]
    assert b"urn:vestibule:problem:body-too-slow" in end.received
    assert 14 < end.seconds < 22
