"""A server that speaks the range protocol of Have I Been Pwned."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

STOLEN, SAFE = "seven stolen green bicycles", "nine quiet orange boats"


def digest(password: str) -> str:
    return sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


class Ranges(ThreadingHTTPServer):
    """Knows one stolen password, and pads with one that has the count 0."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls: list[tuple[str, str | None]] = []
        self.answer: Callable[[str], tuple[int, bytes]] = self.found
        self.go_on = Event()

    def handle_error(self, *_: object) -> None:
        """Prints nothing: a client that has waited long enough hangs up."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/range"

    def found(self, prefix: str) -> tuple[int, bytes]:
        known = [(digest(STOLEN), 37), (digest(SAFE), 0)]
        lines = [f"{one[5:]}:{count}" for one, count in known if one.startswith(prefix)]
        return 200, "\r\n".join([*lines, f"{'0' * 35}:5"]).encode()


class Handler(BaseHTTPRequestHandler):
    server: Ranges

    def do_GET(self) -> None:
        self.server.calls.append((self.path, self.headers.get("Add-Padding")))
        status, body = self.server.answer(self.path.rpartition("/")[2])
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Prints nothing."""


@contextmanager
def ranges_server() -> Iterator[Ranges]:
    with Ranges() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.go_on.set()
            server.shutdown()
            thread.join()
