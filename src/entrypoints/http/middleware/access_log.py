"""The access log: one line per call, with its route, status, duration and account."""

import logging
from typing import TYPE_CHECKING

from litestar.types import HTTPScope

from ...observability.http_calls import method_of
from ...observability.log_format import ACCESS

if TYPE_CHECKING:
    from ....application import Caller, Identity

_log = logging.getLogger(ACCESS)


def log_call(scope: HTTPScope, status: int | None, seconds: float) -> None:
    """Logs the route, never the query: callers may put a secret there. The path is for a terminal alone (`Lines`)."""
    state = scope["state"]
    if "is_unlogged" in state:
        return
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
    path = scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1") or scope["path"]
    _log.info("request", extra={"fields": fields, "path": path})
