"""Middleware: one log line per call, with its route, status, duration and account."""

import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from litestar.types import ASGIApp, HTTPScope, Receive, Send

from ...observability.http_calls import method_of, observe
from ...observability.log_format import ACCESS
from .request_context import RequestMiddleware

if TYPE_CHECKING:
    from ....application import Caller, Identity

_log = logging.getLogger(ACCESS)


class AccessLog:
    """Logs each call that the request middleware handles.

    A line holds the route, never the path or the query: callers may put a secret into either.
    """

    def __init__(self, middleware: RequestMiddleware) -> None:
        self._middleware = middleware

    def __call__(self, app: ASGIApp, scope: HTTPScope, receive: Receive, send: Send) -> Awaitable[None]:
        return observe(self._middleware, _log_call, app, scope, receive, send)


def _log_call(scope: HTTPScope, status: int | None, seconds: float) -> None:
    state = scope["state"]
    caller: Caller = state["caller"]
    identity: Identity | None = state.get("identity")
    fields = {
        "method": method_of(scope),
        "route": scope.get("path_template"),
        "status": status,
        "ms": round(seconds * 1000, 1),
        "ip": caller.ip_address,
        "request_id": caller.request_id,
        **({"user_id": identity.account.id, "sid": identity.session_id} if identity else {}),
    }
    _log.info("request", extra={"fields": fields})
