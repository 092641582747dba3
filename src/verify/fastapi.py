"""Who calls, as a dependency of FastAPI."""

from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from .bearer import bearer_token
from .identity import Identity
from .refusals import MEDIA_TYPE, Refusal
from .verifier import Verifier

_SCHEME = HTTPBearer(bearerFormat="JWT", auto_error=False, description="An access token of Vestibule.")


class TokenIdentity:
    """`Annotated[Identity, Depends(TokenIdentity(verifier))]`: the handler is not called without a good token.

    `refuse_in(app)` makes the answers 401 and 503 with their headers.
    """

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    async def __call__(
        self,
        request: Request,
        _: Annotated[HTTPAuthorizationCredentials | None, Depends(_SCHEME)] = None,  # so that the document shows it
    ) -> Identity:
        return await self._verifier.verify(bearer_token(request.headers.getlist("authorization")))


def refuse_in(app: FastAPI) -> None:
    """Has the app answer refusals."""
    app.add_exception_handler(Refusal, _refused)


def _refused(_: Request, refusal: Exception) -> Response:
    if not isinstance(refusal, Refusal):
        raise refusal
    return Response(refusal.body, refusal.status, refusal.headers, MEDIA_TYPE)
