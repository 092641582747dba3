"""A system that had the accounts before: a server in this process with one endpoint that checks passwords."""

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

SECRET = "b7e1c4a9d2f36508be4a7c1d9f02e6a3"

Answer = tuple[int, Any]
"""A status and a body: bytes, or a value for JSON."""


class LegacySystem(ThreadingHTTPServer):
    """Knows the accounts that were added, by username or email. `answer` may be replaced; `go_on` ends its waits."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.accounts: list[tuple[dict[str, Any], str]] = []
        self.calls: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], Answer] = self.checked
        self.go_on = Event()
        self.scheme = "http"
        if tls is not None:
            self.scheme, self.socket = "https", tls.wrap_socket(self.socket, server_side=True)

    def handle_error(self, *_: object) -> None:
        """Prints nothing: a client that has waited long enough hangs up."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}/check-password?of=vestibule"

    def add(self, username: str, email: str, password: str, **fields: Any) -> dict[str, Any]:
        key = len(self.accounts) + 1
        account = {"key": key, "id": key, "username": username, "name": username.title(), "email": email, **fields}
        self.accounts.append((account, password))
        return account

    def checked(self, question: dict[str, Any]) -> Answer:
        for account, password in self.accounts:
            if question["identifier"] in {account["username"], account["email"]}:
                is_right = question["password"] == password
                return 200, {"result": "right", "account": account} if is_right else {"result": "wrong"}
        return 200, {"result": "unknown"}

    def down(self, _: dict[str, Any]) -> Answer:
        return 503, b""

    def waits(self, question: dict[str, Any]) -> Answer:
        self.go_on.wait(20)
        return self.checked(question)


class Handler(BaseHTTPRequestHandler):
    server: LegacySystem

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.calls.append({"path": self.path, **question})
        is_ours = self.headers["Authorization"] == f"Bearer {SECRET}"
        status, body = self.server.answer(question) if is_ours else (403, b"")
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Location", "http://127.0.0.1:9/")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Prints nothing."""


@contextmanager
def legacy_system(tls: ssl.SSLContext | None = None) -> Iterator[LegacySystem]:
    with LegacySystem(tls) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.go_on.set()
            server.shutdown()
            thread.join()
