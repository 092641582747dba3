"""A persistent connection to a server, and usual calls over it."""

import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import cycle
from threading import Barrier
from typing import Any, Self, TypeVar

from PIL import Image

T = TypeVar("T")

PASSWORD = "the engine weaves algebra"
GONE = (OSError, HTTPException)
"""Exceptions of a client whose server is killed."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def problem(self) -> str:
        """The slug of the problem document; fails without one."""
        assert self.headers["content-type"] == "application/problem+json", self.content
        assert self.json["status"] == self.status
        return str(self.json["type"]).removeprefix("urn:vestibule:problem:")


class Line:
    """One connection, kept as long as the server keeps it.

    `caller` is the address that a proxy in front would tell of, `source` the one that is called from.
    """

    def __init__(self, port: int, *, timeout: float = 20, caller: str | None = None, source: str = "127.0.0.1") -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=timeout, source_address=(source, 0))
        self._headers = {"X-Forwarded-For": caller} if caller is not None else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, method: str, path: str, body: object = None, token: str | None = None) -> Answer:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        return self.send(method, path, None if body is None else json.dumps(body).encode(), token, headers)

    def send(
        self, method: str, path: str, body: bytes | None, token: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        every = {**self._headers, **(headers or {})}
        if token is not None:
            every["Authorization"] = f"Bearer {token}"
        try:
            self._connection.request(method, path, body, every)
            response = self._connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        except GONE:
            self._connection.close()
            raise

    def close(self) -> None:
        self._connection.close()

    # --- what people do -------------------------------------------------------------------------------------------------

    def register(self, name: str, password: str = PASSWORD) -> Answer:
        return self.ask("POST", "/register/", person(name, password))

    def log_in(self, name: str, password: str = PASSWORD) -> Answer:
        return self.ask("POST", "/login/", {"username": name, "password": password})

    def tokens(self, name: str, password: str = PASSWORD) -> dict[str, Any]:
        """Logs in and returns the token set, after a registration if needed."""
        self.register(name, password)
        answer = self.log_in(name, password)
        assert answer.status == 200, answer.content
        tokens: dict[str, Any] = answer.json
        return tokens

    def refresh(self, token: str) -> Answer:
        return self.ask("POST", "/refresh-token/", {"refresh": token})

    def account(self, token: str) -> Answer:
        return self.ask("GET", "/account/", token=token)

    def change_password(self, token: str, password: str) -> Answer:
        return self.ask("PATCH", "/account/", {"password": password}, token)

    def send_code(self, destination: str) -> Answer:
        return self.ask("POST", "/otp/", {"destination": destination})

    def verify(self, destination: str, code: str) -> Answer:
        return self.ask("POST", "/otp/", {"destination": destination, "verify_otp": code})

    def upload(self, token: str, file: bytes) -> Answer:
        head = b'--b\r\nContent-Disposition: form-data; name="profile_image"; filename="me"\r\n\r\n'
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        return self.send("POST", "/upload-image/", head + file + b"\r\n--b--\r\n", token, headers)


def person(name: str, password: str = PASSWORD) -> dict[str, str]:
    return {"username": name, "name": "A Person", "email": f"{name}@example.com", "password": password}


def picture(side: int = 64) -> bytes:
    """Returns a PNG with random pixels."""
    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(3 * side * side)).save(file, "PNG")
    return file.getvalue()


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


def at_once(ports: int | Sequence[int], calls: Sequence[Callable[[Line], T]], *, caller: str | None = None) -> list[T]:
    """Makes all calls at the same time, each on its own open connection, to the ports in turn; returns the results."""
    start = Barrier(len(calls))

    def run(port: int, call: Callable[[Line], T]) -> T:
        with Line(port, caller=caller) as line:
            line.ask("GET", "/healthz")
            start.wait(20)
            return call(line)

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, cycle([ports] if isinstance(ports, int) else ports), calls))
