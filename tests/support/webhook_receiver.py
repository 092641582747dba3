"""A receiver of webhooks: a server in this process that verifies signatures with the library for receivers."""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwq3Zv1Tt0p4M="
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD+Q3rEgWzUVY="


class Receiver:
    """Returns the next status of `answers`, or 204; `accepted` has the payloads that got a 2xx, by their id.

    Each call takes `seconds`. After `close` the port refuses connections until `open`.
    """

    def __init__(self, *secrets: str, tls: ssl.SSLContext | None = None) -> None:
        self.answers: list[int] = []
        self.headers: dict[str, str] = {}
        self.seconds = 0.0
        self.calls: list[tuple[str, dict[str, str], bytes]] = []
        self.accepted: dict[str, dict[str, Any]] = {}
        self.port = 0
        self._secrets = secrets or (SECRET,)
        self._tls = tls
        self.open()

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}/hooks/accounts?of=vestibule"

    def open(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(receiver.seconds)
                self.send_response(
                    receiver.receive(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                )
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def receive(self, path: str, headers: dict[str, str], body: bytes) -> int:
        self.calls.append((path, headers, body))
        if not self._verifies(headers, body):
            return 401
        status = self.answers.pop(0) if self.answers else 204
        if 200 <= status < 300:
            self.accepted[headers["webhook-id"]] = json.loads(body)
        return status

    def _verifies(self, headers: dict[str, str], body: bytes) -> bool:
        for secret in self._secrets:
            try:
                Webhook(secret).verify(body, headers)
            except WebhookVerificationError:
                continue
            return True
        return False

    def types(self) -> list[str]:
        return sorted(payload["type"] for payload in self.accepted.values())


@contextmanager
def receiver(*secrets: str, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    opened = Receiver(*secrets, tls=tls)
    try:
        yield opened
    finally:
        opened.close()
