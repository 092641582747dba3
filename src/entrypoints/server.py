"""The server: granian in front, the HTTP app in each worker, a courier beside it."""

import logging
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager

from granian import Granian
from granian.constants import HTTPModes, Interfaces, RuntimeModes
from granian.http import HTTP1Settings
from granian.log import LogLevels
from litestar import Litestar

from .container import build
from .http.app import create_app
from .settings import Settings


def app() -> Litestar:
    """The app of one worker process, on the settings of the environment."""
    settings = Settings.from_environment(os.environ)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    stack = ExitStack()
    vestibule = stack.enter_context(build(settings, echo=_show))

    @asynccontextmanager
    async def open_until_shutdown(_: Litestar) -> AsyncGenerator[None]:
        with stack:
            yield

    return create_app(vestibule, lifespan=[open_until_shutdown])


def _show(text: str) -> None:
    sys.stdout.write(f"{text.rstrip()}\n")
    sys.stdout.flush()


def serve(settings: Settings) -> None:
    """Serves until SIGINT or SIGTERM; requests under way are finished first, for 10 seconds at most."""
    Granian(
        "vestibule.entrypoints.server:app",
        factory=True,
        address=settings.host,
        port=settings.port,
        workers=settings.workers,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        runtime_mode=RuntimeModes.st,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=10_000, keep_alive=True),
        workers_kill_timeout=12,
        respawn_failed_workers=True,
        log_level=LogLevels.warning,
    ).serve()
