"""An HTTP client with one persistent connection, and the usual calls of users."""

import io
import json
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import cycle
from threading import Barrier
from time import sleep
from typing import Any, Self, TypeVar

from PIL import Image

T = TypeVar("T")

PASSWORD = "the engine weaves algebra"
CONNECTION_ERRORS = (OSError, HTTPException)
"""Exceptions that a client raises when its server is killed."""

FORM_HEAD = b'--b\r\nContent-Disposition: form-data; name="profile_image"; filename="me"\r\n\r\n'


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def problem(self) -> str:
        """The slug of the problem document; raises AssertionError if the response is none."""
        assert self.headers["content-type"] == "application/problem+json", self.content
        assert self.json["status"] == self.status
        return str(self.json["type"]).removeprefix("urn:vestibule:problem:")


class Client:
    """A client with one connection, which stays open until the server closes it.

    `caller` is sent as `X-Forwarded-For`, as a reverse proxy would; `source` is the local address of the connection.
    """

    def __init__(self, port: int, *, timeout: float = 20, caller: str | None = None, source: str = "127.0.0.1") -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=timeout, source_address=(source, 0))
        self._headers = {"X-Forwarded-For": caller} if caller is not None else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, method: str, path: str, body: object = None, token: str | None = None) -> Response:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        return self.send(method, path, None if body is None else json.dumps(body).encode(), token, headers)

    def send(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        all_headers = {**self._headers, **(headers or {})}
        if token is not None:
            all_headers["Authorization"] = f"Bearer {token}"
        try:
            self._connection.request(method, path, body, all_headers)
            response = self._connection.getresponse()
            return Response(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        except CONNECTION_ERRORS:
            self._connection.close()
            raise

    def close(self) -> None:
        self._connection.close()

    # --- calls of users -----------------------------------------------------------------------------------------------

    def register(self, name: str, password: str = PASSWORD) -> Response:
        return self.call("POST", "/register/", registration(name, password))

    def log_in(self, name: str, password: str = PASSWORD) -> Response:
        return self.call("POST", "/login/", {"username": name, "password": password})

    def tokens(self, name: str, password: str = PASSWORD) -> dict[str, Any]:
        """Logs in and returns the token set, after a registration if needed."""
        self.register(name, password)
        response = self.log_in(name, password)
        assert response.status == 200, response.content
        tokens: dict[str, Any] = response.json
        return tokens

    def refresh(self, token: str) -> Response:
        return self.call("POST", "/refresh-token/", {"refresh": token})

    def account(self, token: str) -> Response:
        return self.call("GET", "/account/", token=token)

    def change_password(self, token: str, password: str) -> Response:
        return self.call("PATCH", "/account/", {"password": password}, token)

    def send_code(self, destination: str) -> Response:
        return self.call("POST", "/otp/", {"destination": destination})

    def verify(self, destination: str, code: str) -> Response:
        return self.call("POST", "/otp/", {"destination": destination, "verify_otp": code})

    def upload(self, token: str, file: bytes) -> Response:
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        return self.send("POST", "/upload-image/", FORM_HEAD + file + b"\r\n--b--\r\n", token, headers)

    def slow_upload(self, token: str, file: bytes, *, bytes_per_second: int) -> Response:
        """Uploads a file in pieces of a quarter of a second."""
        form, piece = FORM_HEAD + file + b"\r\n--b--\r\n", bytes_per_second // 4

        def pieces() -> Iterator[bytes]:
            for at in range(0, len(form), piece):
                sleep(0.25)
                yield form[at : at + piece]

        headers = {"Content-Type": "multipart/form-data; boundary=b", "Content-Length": str(len(form))}
        return self.send("POST", "/upload-image/", pieces(), token, headers)

    def half_an_upload(self, token: str) -> socket.socket:
        """Sends the beginning of an upload, and nothing more until the client is closed; returns the connection."""
        self._connection.putrequest("POST", "/upload-image/")
        for name, value in (
            ("Authorization", f"Bearer {token}"),
            ("Content-Type", "multipart/form-data; boundary=b"),
            ("Content-Length", "100000"),
        ):
            self._connection.putheader(name, value)
        self._connection.endheaders(FORM_HEAD)
        return self._connection.sock


def registration(name: str, password: str = PASSWORD) -> dict[str, str]:
    """Returns the body of a registration."""
    return {"username": name, "name": "A User", "email": f"{name}@example.com", "password": password}


def random_png(side: int = 64) -> bytes:
    """Returns a PNG with random pixels."""
    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(3 * side * side)).save(file, "PNG")
    return file.getvalue()


def thousand_scans() -> bytes:
    """Returns a small progressive JPEG that takes many seconds to decode: it repeats one scan a thousand times."""
    file = io.BytesIO()
    Image.new("L", (4096, 4096)).save(file, "JPEG", progressive=True)
    jpeg = file.getvalue()
    starts = [at for at in range(len(jpeg) - 1) if jpeg[at : at + 2] == b"\xff\xda"]
    last = jpeg[starts[-1] : -2]
    return jpeg[:-2] + last * 1000 + jpeg[-2:]


def wrong(code: str) -> str:
    """Returns another code of the same length."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


def concurrently(ports: int | Sequence[int], calls: Sequence[Callable[[Client], T]], *, caller: str | None = None) -> list[T]:
    """Makes all calls at the same time, each on an open connection of its own, to the ports in turn; returns the results."""
    start = Barrier(len(calls))

    def run(port: int, call: Callable[[Client], T]) -> T:
        with Client(port, caller=caller) as client:
            client.call("GET", "/healthz")
            start.wait(20)
            return call(client)

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, cycle([ports] if isinstance(ports, int) else ports), calls))
