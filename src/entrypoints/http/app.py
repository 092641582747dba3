"""The HTTP entrypoint as one Litestar app."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import cast

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.types import HTTPScope, LifeSpanReceive, LifeSpanScope, LifeSpanSend, Receive, Scope, Send

from .. import observability
from ..async_facade import AsyncVestibule
from ..concurrency.executors import CapacityLimiter
from ..concurrency.lanes import MAX_UPLOADS
from ..facade import Vestibule
from .docs import docs_handlers
from .middleware.access_log import AccessLog
from .middleware.request_context import Front
from .options import options_handlers
from .problems import answer_error
from .routes.account import change_account, read_account, replace_account
from .routes.codes import otp, otpreglogin
from .routes.image import read_image, upload_image
from .routes.login import login, refresh_token
from .routes.password import reset_password
from .routes.registration import isunique, register
from .routes.revocations import list_revocations
from .routes.service import healthz, jwks, readyz
from .routes.sessions import end_other_sessions, end_session, list_sessions, logout

API: tuple[HTTPRouteHandler, ...] = (
    register,
    login,
    read_account,
    replace_account,
    change_account,
    otp,
    otpreglogin,
    reset_password,
    isunique,
    upload_image,
    read_image,
    refresh_token,
    list_sessions,
    end_other_sessions,
    end_session,
    logout,
)
SERVICE: tuple[HTTPRouteHandler, ...] = (healthz, readyz, jwks)
FEED: tuple[HTTPRouteHandler, ...] = (list_revocations,)
"""Served where a secret is set for those who follow."""

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


class App(Litestar):
    """Litestar behind the front that every call passes."""

    front: observability.Front

    async def __call__(
        self, scope: Scope | LifeSpanScope, receive: Receive | LifeSpanReceive, send: Send | LifeSpanSend
    ) -> None:
        inner = super().__call__
        if scope["type"] == ScopeType.HTTP:
            await self.front(inner, cast("HTTPScope", scope), cast("Receive", receive), cast("Send", send))
        else:
            await inner(scope, receive, send)


def create_app(vestibule: Vestibule | AsyncVestibule, *, lifespan: Sequence[Lifespan] = ()) -> Litestar:
    """The app on use cases that are ready; with an `AsyncVestibule` it shares that one's threads.

    The documented paths lie under the settings' prefix; what machines ask of the service lies at the root too.
    """
    awaited = vestibule if isinstance(vestibule, AsyncVestibule) else AsyncVestibule(vestibule)
    prefix = vestibule.settings.api_prefix
    service = (*SERVICE, *FEED) if vestibule.settings.revocations_secret else SERVICE
    handlers = [*API, *service, *docs_handlers(vestibule.settings, (*API, *service))]
    under_prefix = [*options_handlers(handlers), *handlers]
    at_root = [*options_handlers(service), *service]
    uploads = CapacityLimiter(MAX_UPLOADS)
    app = App(
        [Router(prefix, route_handlers=under_prefix), *at_root] if prefix else under_prefix,
        dependencies={
            "vestibule": Provide(lambda: awaited, sync_to_thread=False),
            "uploads": Provide(lambda: uploads, sync_to_thread=False),
        },
        exception_handlers={Exception: answer_error},
        lifespan=list(lifespan),
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    watch = observability.watch(vestibule.settings)
    front = Front(awaited, watch)
    app.front = watch.front(AccessLog(front) if vestibule.settings.has_access_log else front)
    return app
