"""A Litestar guard, and the identity of the caller as a dependency."""

from typing import Any

from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from .bearer import bearer_token
from .refusals import MEDIA_TYPE, Refusal
from .verifier import Identity, Verifier

_KEY = "vestibule_identity"


class TokenGuard:
    """A guard for an app, a router, a controller or a handler: `guards=[TokenGuard(verifier)]`.

    The app needs `exception_handlers={Refusal: refused}` as well, which turns refusals into responses with status 401 or 503.
    """

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        token = bearer_token(connection.headers.getall("authorization", []))
        connection.scope["state"][_KEY] = await self._verifier.verify(token)


def identity_of(request: Request[Any, Any, Any]) -> Identity:
    """Returns the `Identity` that the guard has found. `Provide(identity_of, sync_to_thread=False)` makes it a dependency."""
    found = request.scope["state"].get(_KEY)
    if not isinstance(found, Identity):
        raise RuntimeError("The handler has no TokenGuard.")
    return found


def refused(_: Request[Any, Any, Any], refusal: Refusal) -> Response[bytes]:
    """Returns the response to a refusal."""
    return Response(refusal.body, status_code=refusal.status, media_type=MEDIA_TYPE, headers=refusal.headers)
