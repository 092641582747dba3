"""A guard for Litestar, and who calls as a dependency."""

from typing import Any

from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from .bearer import bearer_token
from .identity import Identity
from .refusals import MEDIA_TYPE, Refusal
from .verifier import Verifier

_KEY = "vestibule_identity"


class TokenGuard:
    """`guards=[TokenGuard(verifier)]` at an app, a router, a controller or a handler: without a good token nothing is handled.

    Give the app `exception_handlers={Refusal: refused}` as well, which makes the answers 401 and 503 with their headers.
    """

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        token = bearer_token(connection.headers.getall("authorization", []))
        connection.scope["state"][_KEY] = await self._verifier.verify(token)


def identity_of(request: Request[Any, Any, Any]) -> Identity:
    """Who calls, as the guard has found; `Provide(identity_of, sync_to_thread=False)` hands it to handlers."""
    found = request.scope["state"].get(_KEY)
    if not isinstance(found, Identity):
        raise RuntimeError("No TokenGuard stands before this handler.")
    return found


def refused(_: Request[Any, Any, Any], refusal: Refusal) -> Response[bytes]:
    """The answer to a refusal."""
    return Response(refusal.body, status_code=refusal.status, media_type=MEDIA_TYPE, headers=refusal.headers)
