"""ASGI middleware that lets only requests with a valid token through."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .bearer import bearer_token
from .refusals import MEDIA_TYPE, NotAuthenticated, Refusal
from .verifier import Verifier

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class TokenMiddleware:
    """Puts the `Identity` into `scope["state"]["identity"]`, or responds with 401 or 503.

    A WebSocket without a valid token is closed before it opens. With `optional` a request without a token passes, and its
    identity is None; an invalid token is still refused.
    """

    def __init__(self, app: App, verifier: Verifier, *, optional: bool = False) -> None:
        self._app = app
        self._verifier = verifier
        self._optional = optional

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        try:
            headers = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
            identity = await self._verifier.verify(bearer_token(headers))
        except Refusal as refusal:
            if not (self._optional and isinstance(refusal, NotAuthenticated)):
                await _refuse(refusal, scope, receive, send)
                return
            identity = None
        await self._app({**scope, "state": {**scope.get("state", {}), "identity": identity}}, receive, send)


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.title})
        return
    headers = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(refusal.body)), **refusal.headers}
    fields = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": fields})
    await send({"type": "http.response.body", "body": refusal.body})
