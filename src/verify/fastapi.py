"""A FastAPI dependency that is the identity of the caller."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from .bearer import bearer_token
from .refusals import MEDIA_TYPE, Refusal
from .verifier import Identity, Verifier

_SCHEME = HTTPBearer(bearerFormat="JWT", auto_error=False, description="An access token of Vestibule.")


class TokenIdentity:
    """A dependency: with `Annotated[Identity, Depends(TokenIdentity(verifier))]` the handler runs with a valid token only.

    `install_error_handlers(app)` turns refusals into responses with status 401 or 503.
    """

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    async def __call__(
        self,
        request: Request,
        _: Annotated[HTTPAuthorizationCredentials | None, Depends(_SCHEME)] = None,  # so that the OpenAPI document shows it
    ) -> Identity:
        return await self._verifier.verify(bearer_token(request.headers.getlist("authorization")))


def install_error_handlers(app: FastAPI) -> None:
    """Makes the app respond to refusals with their status, headers and problem document."""
    app.add_exception_handler(Refusal, _refused)


def _refused(_: Request, refusal: Any) -> Response:
    return Response(refusal.body, refusal.status, refusal.headers, MEDIA_TYPE)
