"""The server: granian in front, the HTTP app in each worker, a courier beside it."""

import asyncio
import logging
import multiprocessing
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, nullcontext
from types import FrameType
from typing import Any

from granian.constants import HTTPModes, Interfaces, RuntimeModes
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import MPServer
from litestar import Litestar

from .container import build
from .http.app import create_app
from .observability.log_format import configure_logs
from .settings import Settings

GRACE_SECONDS = 10.0
"""What requests under way, and the message at hand, may still take after SIGTERM."""

MOST_CONNECTIONS = 1000
"""That a worker holds at once. What comes beyond is accepted by the system, and waits there until one ends."""

_MOST_WAITING = 1024
_KILLED_AFTER = 14
_MOST_HEADER_BYTES = 64 * 1024
_LOOK_EVERY = 0.5
_MENDED = ((3, 44, 6), (3, 50, 7))
_WAL_RESET_BUG = (
    "SQLite %s may, very rarely, damage the database (WAL-reset bug): run Python on SQLite 3.51.3 or newer, or use PostgreSQL; "
    "until then keep backups"
)

_WORKERS_COUNT_APART = "each worker counts limits per address for itself: with VESTIBULE_REDIS_URL they count together"
_NODES_COUNT_APART = (
    "this node counts limits per address for itself: if other nodes share its database, "
    "with VESTIBULE_REDIS_URL they count together"
)

_log = logging.getLogger("vestibule.server")


def app() -> Litestar:
    """The app of one worker process, on the settings of the environment."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which tells the workers
    settings = Settings.from_environment(os.environ)
    configure_logs(settings)
    stack = ExitStack()
    if settings.traces:
        from .observability.tracing import traced  # noqa: PLC0415 — an extra, and only where it is on

        stack.enter_context(traced())
    vestibule = stack.enter_context(build(settings, echo=_show if settings.log_format == "text" else None))
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()

    @asynccontextmanager
    async def open_until_shutdown(_: Litestar) -> AsyncGenerator[None]:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, _begin_to_end, stack)
        loop.set_exception_handler(_task_failed)
        with stack:
            yield

    return create_app(vestibule, lifespan=[open_until_shutdown])


def _begin_to_end(stack: ExitStack) -> None:
    """Whatever is not finished in time is cut off: the slowest client does not decide when a server stops."""
    last = threading.Timer(GRACE_SECONDS, _end, [stack])
    last.daemon = True
    last.start()
    signal.raise_signal(signal.SIGINT)  # granian's own handler: it takes both signals for the same


def _end(stack: ExitStack) -> None:
    stack.close()
    os._exit(0)


def _end_with_parent() -> None:
    """A worker whose parent was killed would go on serving, unseen by whoever starts the server again."""
    parent = multiprocessing.parent_process()
    while parent is not None and os.getppid() == parent.pid:
        time.sleep(_LOOK_EVERY)
    if parent is not None:
        os.kill(os.getpid(), signal.SIGTERM)


def _task_failed(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """By itself asyncio would log the exception's text as well."""
    _log.error("a task failed: %s", context["message"], exc_info=context.get("exception"))


def _show(text: str) -> None:
    sys.stdout.write(f"{text.rstrip()}\n")
    sys.stdout.flush()


class Server(MPServer):
    """Told to stop a second time, it stops at once; so does a worker of it that does not serve yet."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._owner = os.getpid()

    def signal_handler_interrupt(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner:  # in a fork, until it has a handler of its own
            if number == signal.SIGTERM:
                os._exit(0)
            return
        if self.interrupt_signal:
            for worker in self.wrks:
                worker.kill()  # type: ignore[no-untyped-call]  # granian's, as below
            sys.exit(128 + number)
        super().signal_handler_interrupt(number, frame)  # type: ignore[no-untyped-call]


def serve(settings: Settings) -> None:
    """Serves until SIGINT or SIGTERM; requests under way are finished first, for 10 seconds at most."""
    if settings.accounts_url.startswith("sqlite") and has_wal_reset_bug(sqlite3.sqlite_version_info):
        _log.warning(_WAL_RESET_BUG, sqlite3.sqlite_version)
    if settings.rate_limits and settings.redis_url is None:
        _warn_of_counting_apart(settings)
    _log.debug("begins to listen", extra={"fields": {"url": settings.url, "workers": settings.workers}})
    with _exposed(settings):
        _server(settings).serve()


def _exposed(settings: Settings) -> AbstractContextManager[None]:
    if settings.metrics_port is None:
        return nullcontext()
    from .observability.prometheus import exposed_of_workers  # noqa: PLC0415 — an extra, and only where it is on

    return exposed_of_workers(settings)


def _server(settings: Settings) -> Server:
    return Server(
        "vestibule.entrypoints.server:app",
        factory=True,
        address=settings.host,
        port=settings.port,
        workers=settings.workers,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        runtime_mode=RuntimeModes.st,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=10_000, keep_alive=True, max_buffer_size=_MOST_HEADER_BYTES),
        backlog=_MOST_WAITING,
        backpressure=MOST_CONNECTIONS,
        workers_kill_timeout=_KILLED_AFTER,
        respawn_failed_workers=True,
        log_level=LogLevels.warning,
        log_dictconfig={"formatters": {}, "handlers": {}, "loggers": {"_granian": {"propagate": True}}},
    )


def _warn_of_counting_apart(settings: Settings) -> None:
    """Whether there are other nodes is not known; but where accounts are on a PostgreSQL there may be."""
    if settings.workers > 1:
        _log.warning(_WORKERS_COUNT_APART)
    elif not settings.accounts_url.startswith("sqlite"):
        _log.warning(_NODES_COUNT_APART)


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Whether this SQLite may damage a database, which takes two writers at the worst of moments.

    https://sqlite.org/wal.html#walresetbug: mended in 3.51.3, and in later versions of 3.50 and 3.44.
    """
    return version < (3, 51, 3) and not any(version[:2] == mended[:2] and version >= mended for mended in _MENDED)
