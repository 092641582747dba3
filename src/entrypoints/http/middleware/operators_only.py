"""The part of the API for operators, which does not exist for anybody else."""

from collections.abc import Callable
from functools import cached_property

from litestar.types import ASGIApp, HTTPScope, Receive, Send

from ....application.operators import role_of
from ....domain.errors import Refusal
from ..authentication import authenticate_optional
from ..dependencies import HttpRequest
from ..formats import DOCUMENTED
from ..problems import refuse


class OperatorsOnly:
    """Answers calls below `root` by an app of its own, if the caller is an operator.

    All others are passed on to the app of the other calls, which has no such paths: so its responses reveal nothing, whatever
    the method, the path and the token are. The app for operators is made at the first call that needs it.
    """

    def __init__(self, root: str, make_app: Callable[[], ASGIApp]) -> None:
        self._root = root
        self._make_app = make_app

    @cached_property
    def _app(self) -> ASGIApp:
        return self._make_app()

    def includes(self, scope: HTTPScope) -> bool:
        return scope["path"].startswith(self._root)

    async def __call__(self, others: ASGIApp, scope: HTTPScope, receive: Receive, send: Send) -> None:
        try:
            identity = await authenticate_optional(HttpRequest(scope, receive, send))
        except Refusal as refusal:  # the service is overloaded, or the database is down
            await refuse(refusal, scope, receive, send)
            return
        if identity is None or not role_of(identity.account):
            await others(scope, receive, send)
            return
        scope["state"]["format"] = DOCUMENTED
        await self._app(scope, receive, send)
