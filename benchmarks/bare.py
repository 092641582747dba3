"""The baseline: plain handlers of the same framework on the same server; `python -m benchmarks.bare PORT`."""

import sys
from dataclasses import dataclass

from granian.constants import HTTPModes, Interfaces, RuntimeModes
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import MPServer
from litestar import Litestar, get, post
from msgspec import Struct


@dataclass
class AccountView:
    """A response as long as an account."""

    id: int = 1
    username: str = "testuser1"
    name: str = "Testuser"
    email: str = "testuser1@example.com"
    mobile: str | None = None
    is_superuser: bool = False
    is_staff: bool = False
    profile_image: str | None = None


class RefreshRequest(Struct):
    """A body as long as a refresh token."""

    refresh: str


@get("/static", sync_to_thread=False)
def static() -> AccountView:
    return AccountView()


@post("/posted", sync_to_thread=False, status_code=200)
def posted(data: RefreshRequest) -> AccountView:  # noqa: ARG001 — Litestar reads the body only for a parameter
    return AccountView()


def app() -> Litestar:
    return Litestar([static, posted], openapi_config=None, logging_config=None, debug=False)


if __name__ == "__main__":
    MPServer(
        "benchmarks.bare:app",
        factory=True,
        address="127.0.0.1",
        port=int(sys.argv[1]),
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        runtime_mode=RuntimeModes.st,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=10_000, keep_alive=True),
        log_level=LogLevels.warning,
    ).serve()
