"""The end of each HTTP call: its status and its duration, for the access log, metrics and traces."""

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Message, Receive, Send

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

OnEnd = Callable[["HTTPScope", int | None, float], object]
"""Receives the scope, the status and the seconds of a call. The status is None if the caller disconnected before a response."""


def method_of(scope: "HTTPScope") -> str:
    """Returns the method, or "other": a caller may send any text as a method, and metrics keep each value for good."""
    return scope["method"] if scope["method"] in METHODS else "other"


async def observe(
    middleware: Callable[..., Awaitable[None]],
    on_end: OnEnd,
    app: "ASGIApp",
    scope: "HTTPScope",
    receive: "Receive",
    send: "Send",
) -> None:
    """Passes a call on to `middleware`, and calls `on_end` when it has ended, also by an exception."""
    started = perf_counter()
    status: int | None = None

    async def send_and_note(message: "Message") -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        await send(message)

    try:
        await middleware(app, scope, receive, send_and_note)
    finally:
        on_end(scope, status, perf_counter() - started)
