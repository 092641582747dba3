"""The server: granian, with the HTTP app and delivery workers in each worker process."""

import asyncio
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from multiprocessing.connection import wait as wait_for_any
from types import FrameType
from typing import Any

from granian.constants import HTTPModes, Interfaces, RuntimeModes
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import MPServer
from litestar import Litestar

from .container import build
from .container.factories import remove_earlier_limits
from .doctor.startup import warnings_at_start
from .http.app import create_app
from .inspection import forbid_inspection
from .listening import numeric_address
from .observability.log_format import configure_logs
from .settings import Settings

SHUTDOWN_TIMEOUT = 10.0
"""Seconds for requests in progress, and for the current message, after SIGTERM."""

MAX_CONNECTIONS = 1000
"""Connections that a worker serves at once. The kernel accepts more, which wait until one ends."""

_MAX_BACKLOG = 1024
_KILL_SECONDS = 14
_MAX_HEADER_BYTES = 64 * 1024
_POLL_SECONDS = 0.5

_log = logging.getLogger("vestibule.server")


def app() -> Litestar:
    """Makes the app of one worker process, from the settings in the environment."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which stops the workers
    forbid_inspection()  # again, where workers are not forked
    settings = Settings.from_environment(os.environ)
    configure_logs(settings)
    stack = ExitStack()
    if settings.traces:
        from .observability.tracing import tracing_enabled  # noqa: PLC0415 — an extra, imported only if it is on

        stack.enter_context(tracing_enabled())
    vestibule = stack.enter_context(build(settings, echo=_print if settings.log_format == "text" else None))
    threading.Thread(target=_stop_with_parent, name="parent", daemon=True).start()

    @asynccontextmanager
    async def open_until_shutdown(_: Litestar) -> AsyncGenerator[None]:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, _stop_gracefully, stack)
        loop.set_exception_handler(_task_failed)
        with stack:
            yield

    return create_app(vestibule, lifespan=[open_until_shutdown])


def _stop_gracefully(stack: ExitStack) -> None:
    """Stops after `SHUTDOWN_TIMEOUT` at most: the slowest client does not decide when a server stops."""
    last = threading.Timer(SHUTDOWN_TIMEOUT, _exit, [stack])
    last.daemon = True
    last.start()
    signal.raise_signal(signal.SIGINT)  # granian's handler, which treats both signals alike


def _exit(stack: ExitStack) -> None:
    stack.close()
    os._exit(0)


def _stop_with_parent() -> None:
    """Stops a worker whose parent was killed; it would go on serving next to the server that replaces it."""
    parent = multiprocessing.parent_process()
    while parent is not None and os.getppid() == parent.pid:
        time.sleep(_POLL_SECONDS)
    if parent is not None:
        os.kill(os.getpid(), signal.SIGTERM)


def _task_failed(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Logs no text of the exception, which asyncio's own handler would log."""
    _log.error("unhandled exception in task: %s", context["message"], exc_info=context.get("exception"))


def _print(text: str) -> None:
    if sys.stdout is not None:  # it was closed
        with suppress(OSError):  # the reader of the pipe is gone, or the disk is full
            sys.stdout.write(f"{text.rstrip()}\n")
            sys.stdout.flush()


class Server(MPServer):
    """Granian's server, except that a second signal, or a signal to a worker that does not serve yet, stops at once."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._process = os.getpid()

    def signal_handler_interrupt(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # in a forked worker, before it has its own handler
            if number == signal.SIGTERM:
                os._exit(0)
            return
        if self.interrupt_signal:
            for worker in self.wrks:
                worker.kill()  # type: ignore[no-untyped-call]  # granian's, as below
            sys.exit(128 + number)
        super().signal_handler_interrupt(number, frame)  # type: ignore[no-untyped-call]

    def _stop_workers(self) -> None:
        """Waits for the sentinels of the workers, which only their ends close.

        Granian asks `is_alive`, which is wrong for a moment: a thread for each worker waits for the same process, and only one
        of two waits gets its exit code. On a busy machine it then said that it killed workers that had stopped.
        """
        for worker in self.wrks:
            worker.terminate()  # type: ignore[no-untyped-call]
        running = {worker.inner.sentinel: worker for worker in self.wrks}
        deadline = time.monotonic() + _KILL_SECONDS
        while running and (ended := wait_for_any(list(running), max(0.0, deadline - time.monotonic()))):
            for sentinel in ended:
                del running[sentinel]
        for worker in running.values():
            _log.warning("killing worker %d, which has not stopped within %d seconds", worker.idx + 1, _KILL_SECONDS)
            worker.kill()  # type: ignore[no-untyped-call]
        for worker in self.wrks:
            worker.join()  # type: ignore[no-untyped-call]
        self.wrks.clear()


def _run_worker(send_timeout: int, number: int, name: str, load_app: Any, sockets: Any, *others: Any) -> None:
    """Runs a worker process, on Linux with a socket whose connections end when nothing was sent for `send_timeout` seconds.

    Granian lets each process bind a socket of its own there, and has no timeout for sending: a client that reads nothing would
    hold its connection for ever. The kernel counts also while it probes whether the client reads again (`tcp(7)`).
    """
    (address, bound), shared = sockets
    if address is not None:
        bound = address.build()
        with socket.socket(fileno=os.dup(bound.get_fd())) as listener:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * send_timeout)
    MPServer._spawn_asgi_lifespan_worker(number, name, load_app, ((None, bound), shared), *others)  # noqa: SLF001 — the default


def serve(settings: Settings) -> None:
    """Serves until SIGINT or SIGTERM, then finishes requests in progress, for 10 seconds at most."""
    forbid_inspection()
    remove_earlier_limits(settings)
    for finding in warnings_at_start(settings):
        _log.warning("%s", finding)
    with ExitStack() as stack:
        if settings.metrics_port is not None:
            from .observability.prometheus import worker_metrics_served  # noqa: PLC0415 — an extra, imported only if it is on

            stack.enter_context(worker_metrics_served(settings))
        _server(settings).serve(partial(_run_worker, settings.send_timeout))


def _server(settings: Settings) -> Server:
    return Server(
        "vestibule.entrypoints.server:app",
        factory=True,
        address=numeric_address(settings.host),
        port=settings.port,
        workers=settings.workers,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        runtime_mode=RuntimeModes.st,
        websockets=False,
        http1_settings=HTTP1Settings(
            header_read_timeout=1000 * settings.keep_alive_timeout, keep_alive=True, max_buffer_size=_MAX_HEADER_BYTES
        ),
        backlog=_MAX_BACKLOG,
        backpressure=MAX_CONNECTIONS,
        workers_kill_timeout=_KILL_SECONDS,
        respawn_failed_workers=True,
        log_level=LogLevels.warning,
        log_dictconfig={"formatters": {}, "handlers": {}, "loggers": {"_granian": {"propagate": True}}},
    )
