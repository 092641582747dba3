"""One line in the log for each call: which route, what came of it, how long it took, for whom. Stands before the front."""

import logging
from time import perf_counter
from typing import TYPE_CHECKING

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Send

from ...observability.log_format import ACCESS
from .request_context import Front

if TYPE_CHECKING:
    from ....application import Caller, Identity

_log = logging.getLogger(ACCESS)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class AccessLog:
    """Neither the path nor the query is told, which may hold anything, but the route that they led to."""

    def __init__(self, front: Front) -> None:
        self._front = front

    async def __call__(self, app: ASGIApp, scope: HTTPScope, receive: Receive, send: Send) -> None:
        begun = perf_counter()
        status: int | None = None

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._front(app, scope, receive, noted)
        finally:
            _log.info("request", extra={"fields": _fields(scope, status, perf_counter() - begun)})


def _fields(scope: HTTPScope, status: int | None, seconds: float) -> dict[str, object]:
    state = scope["state"]
    caller: Caller = state["caller"]
    identity: Identity | None = state.get("identity")
    return {
        "method": scope["method"] if scope["method"] in _METHODS else "other",
        "route": scope.get("path_template"),
        "status": status,
        "ms": round(seconds * 1000, 1),
        "ip": caller.address,
        "request_id": caller.request_id,
        **({"user_id": identity.account.id, "sid": identity.session_id} if identity else {}),
    }
