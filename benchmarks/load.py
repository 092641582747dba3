"""A load generator over loopback: many connections, one thread and plain sockets, so that it costs less than any server.

Each connection runs a script: a generator that yields requests and receives the responses.
"""

import gc
import re
import selectors
import socket
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from msgspec.json import encode

Response = tuple[int, bytes]
"""Status and body; status 0 if the server closed the connection instead."""

Script = Generator[bytes, Response, None]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_CHUNK = 1 << 18
_TIMEOUT = 30.0


@dataclass
class Outcome:
    """The outcome of a load: its length in seconds, the seconds of each response, and the count of each status."""

    seconds: float = 0.0
    durations: list[float] = field(default_factory=list, repr=False)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Responses a second."""
        return len(self.durations) / self.seconds if self.seconds else 0.0

    def quantile(self, part: float) -> float:
        """The seconds within which that part of the responses arrived."""
        ordered = sorted(self.durations)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0

    def add(self, other: "Outcome") -> None:
        self.seconds += other.seconds
        self.durations += other.durations
        self.statuses += other.statuses


def request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def get(path: str, token: str | None = None) -> bytes:
    return request("GET", path, _login(token))


def post(path: str, body: Any, token: str | None = None) -> bytes:
    return request("POST", path, {"Content-Type": "application/json"} | _login(token), encode(body))


def drive(port: int, scripts: Mapping[str, Iterable[Script]], seconds: float) -> dict[str, Outcome]:
    """Runs every script on a connection of its own, until the time is up or all have ended. Returns the outcomes by name.

    Waits for the last responses.
    """
    outcome = {name: Outcome() for name in scripts}
    opened = [_Connection(port, script, outcome[name]) for name, some in scripts.items() for script in some]
    gc.collect()
    gc.disable()
    try:
        _drive(opened, seconds)
    finally:
        gc.enable()
        for connection in opened:
            connection.close()
    return outcome


def call_once(port: int, message: bytes) -> Response:
    """One request on a connection of its own."""
    responses: list[Response] = []

    def script() -> Script:
        responses.append((yield message))

    drive(port, {"": [script()]}, _TIMEOUT)
    return responses[0]


def _drive(opened: Sequence["_Connection"], seconds: float) -> None:
    with selectors.DefaultSelector() as selector:
        begun = perf_counter()
        for connection in opened:
            if connection.begin(begun + seconds):
                selector.register(connection.socket, selectors.EVENT_READ, connection)
        while selector.get_map():
            ready = selector.select(_TIMEOUT)
            if not ready:
                raise TimeoutError(f"{len(selector.get_map())} requests got no response within {_TIMEOUT:.0f} seconds.")
            for key, _ in ready:
                _receive(selector, key.data)
        for connection in opened:
            connection.outcome.seconds = perf_counter() - begun


def _receive(selector: selectors.BaseSelector, connection: "_Connection") -> None:
    before = connection.socket
    goes_on = connection.receive()
    if goes_on and connection.socket is before:
        return
    selector.unregister(before)
    if goes_on:
        selector.register(connection.socket, selectors.EVENT_READ, connection)


class _Connection:
    """A persistent connection, reopened when the server closes it."""

    def __init__(self, port: int, script: Script, outcome: Outcome) -> None:
        self.outcome = outcome
        self._port = port
        self._script = script
        self._request = next(script, None)
        self._received = b""
        self._begun = self._until = 0.0
        self.socket = self._connected()

    def begin(self, until: float) -> bool:
        """Sends the first request, if there is one; no request is sent after `until`."""
        self._until = until
        return self._send(perf_counter())

    def _send(self, now: float) -> bool:
        if self._request is None or now >= self._until:
            return False
        self._begun = now
        try:
            self.socket.sendall(self._request)
        except ConnectionError:
            return self._reconnect()
        return True

    def receive(self) -> bool:
        """Reads from the socket; false after the last response."""
        try:
            data = self.socket.recv(_CHUNK)
        except ConnectionError:
            data = b""
        if not data:
            return self._reconnect()
        received = self._received = self._received + data if self._received else data
        body = _body(received)
        if body is None:
            return True
        self._received = b""
        return self._receive_response(int(received[9:12]), body)

    def close(self) -> None:
        self._script.close()
        self.socket.close()

    def _receive_response(self, status: int, body: bytes) -> bool:
        now = perf_counter()
        self.outcome.durations.append(now - self._begun)
        self.outcome.statuses[status] += 1
        try:
            self._request = self._script.send((status, body))
        except StopIteration:
            self._request = None
        return self._send(now)

    def _reconnect(self) -> bool:
        self._received = b""
        self.socket.close()
        self.socket = self._connected()
        return self._receive_response(0, b"")

    def _connected(self) -> socket.socket:
        connected = socket.create_connection(("127.0.0.1", self._port), timeout=_TIMEOUT)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        return connected


def _body(received: bytes) -> bytes | None:
    """The body of a response, or None while the response is incomplete."""
    head = received.find(b"\r\n\r\n")
    if head < 0:
        return None
    length = _LENGTH.search(received, 0, head)
    if length is not None:
        end = head + 4 + int(length[1])
        return received[head + 4 : end] if len(received) >= end else None
    if _CHUNKED.search(received, 0, head):
        return _unchunked(received[head + 4 :]) if received.endswith(b"\r\n0\r\n\r\n") else None
    return received[head + 4 :]


def _unchunked(rest: bytes) -> bytes:
    body = b""
    while rest and (size := int(rest.partition(b"\r\n")[0], 16)):
        start = rest.index(b"\r\n") + 2
        body += rest[start : start + size]
        rest = rest[start + size + 2 :]
    return body


def _login(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}
