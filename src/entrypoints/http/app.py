"""The Litestar app: routes, middleware and error handling put together."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from inspect import iscoroutinefunction
from typing import cast

from litestar import Litestar, Response, Router, route
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.types import HTTPScope, LifeSpanReceive, LifeSpanScope, LifeSpanSend, Receive, Scope, Send

from .. import observability
from ..async_facade import AsyncVestibule
from ..concurrency.lanes import MAX_UPLOADS
from ..concurrency.shares import UploadPlaces
from ..facade import Vestibule
from ..observability.http_calls import observe
from . import drf_user
from .docs import docs_handlers
from .formats import DOCUMENTED
from .middleware.access_log import log_call
from .middleware.operators_only import OperatorsOnly
from .middleware.request_context import RequestMiddleware
from .problems import handle_error
from .routes import (
    account,
    administration,
    codes,
    development,
    export,
    image,
    login,
    operation,
    password,
    registration,
    revocations,
    service,
    sessions,
)

API: tuple[HTTPRouteHandler, ...] = (
    registration.register,
    login.login,
    account.read_account,
    account.replace_account,
    account.change_account,
    export.export_account,
    export.export_account_by_password,
    account.delete_account,
    codes.otp,
    codes.register_or_log_in,
    password.reset_password,
    registration.check_unique,
    image.upload_image,
    image.remove_image,
    image.read_image,
    login.refresh_token,
    sessions.list_sessions,
    sessions.revoke_other_sessions,
    sessions.revoke_session,
    sessions.logout,
)
SERVICE: tuple[HTTPRouteHandler, ...] = (service.healthz, service.readyz, service.jwks, service.issuer)
REVOCATIONS: tuple[HTTPRouteHandler, ...] = (revocations.list_revocations,)
"""Served if the settings have a secret for the services that read revoked sessions."""

ADMINISTRATION: tuple[HTTPRouteHandler, ...] = (
    administration.find_accounts,
    administration.read_account_details,
    administration.edit_account,
    administration.remove_account,
    administration.suspend_account,
    administration.reinstate_account,
    administration.unlock_account,
    administration.sign_out_account,
    administration.send_reset,
    administration.set_roles,
    administration.export_any_account,
    administration.release_address,
    operation.find_events,
    operation.find_messages,
    operation.retry_messages,
    operation.drop_failed_messages,
    operation.retry_message,
    operation.drop_message,
    operation.summarize,
)
"""Served to operators, unless the settings turn it off."""

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


class App(Litestar):
    """Litestar behind the middleware that every HTTP request passes, along with the app for operators, if there is one."""

    request_middleware: observability.Middleware
    for_operators: OperatorsOnly | None

    async def __call__(
        self, scope: Scope | LifeSpanScope, receive: Receive | LifeSpanReceive, send: Send | LifeSpanSend
    ) -> None:
        inner = super().__call__
        if scope["type"] == ScopeType.HTTP:
            if self.for_operators is not None and self.for_operators.includes(cast("HTTPScope", scope)):
                inner = partial(self.for_operators, inner)
            await self.request_middleware(inner, cast("HTTPScope", scope), cast("Receive", receive), cast("Send", send))
        else:
            await inner(scope, receive, send)


def create_app(vestibule: Vestibule | AsyncVestibule, *, lifespan: Sequence[Lifespan] = ()) -> Litestar:
    """Returns the app of use cases that are ready. An `AsyncVestibule` shares its threads with the app.

    The documented paths lie under the prefix of the settings; probes and keys are served at the root too.
    """
    awaited = vestibule if isinstance(vestibule, AsyncVestibule) else AsyncVestibule(vestibule)
    settings = vestibule.settings
    service_handlers = (*SERVICE, *REVOCATIONS) if settings.revocations_secret else SERVICE
    documented = (*API, *service_handlers, *(ADMINISTRATION if settings.admin else ()))
    api, wire_format = (API, DOCUMENTED) if settings.compatibility is None else (drf_user.in_place_of(API), drf_user.FORMAT)
    handlers = [*api, *service_handlers, *docs_handlers(settings, documented)]
    if settings.dev:
        handlers += development.handlers_of(awaited.blocking)
    under_prefix, at_root = (_with_head_and_options(these) for these in (handlers, service_handlers))
    uploads = UploadPlaces(MAX_UPLOADS, are_shared=settings.rate_limits)
    app = App(
        [Router(settings.api_prefix, route_handlers=under_prefix), *at_root] if settings.api_prefix else under_prefix,
        dependencies={"uploads": Provide(lambda: uploads, sync_to_thread=False)},
        exception_handlers={Exception: handle_error},
        lifespan=list(lifespan),
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    app.for_operators = _for_operators(settings.api_prefix) if settings.admin else None
    instrumentation = observability.instrumentation_for(settings)
    middleware: observability.Middleware = RequestMiddleware(awaited, instrumentation, wire_format)
    app.request_middleware = instrumentation.http(
        partial(observe, middleware, log_call) if settings.has_access_log else middleware
    )
    return app


def _for_operators(prefix: str) -> OperatorsOnly:
    def make_app() -> Litestar:
        return Litestar(
            [Router(prefix or "/", route_handlers=_with_head_and_options(ADMINISTRATION))],
            exception_handlers={Exception: handle_error},
            openapi_config=None,
            logging_config=None,
            debug=False,
        )

    return OperatorsOnly(f"{prefix}/admin/", make_app)


def _with_head_and_options(handlers: Sequence[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    reads = [handler for handler in handlers if "GET" in handler.http_methods]
    served = [*(_head_handler(handler) for handler in reads), *handlers]
    return [*_options_handlers(served), *served]


def _head_handler(handler: HTTPRouteHandler) -> HTTPRouteHandler:
    """Returns a handler of HEAD that does as the given one of GET does; the request middleware drops the body."""
    function = handler.fn
    in_thread = None if iscoroutinefunction(function) else False
    return route(sorted(handler.paths), http_method=["HEAD"], opt=handler.opt, sync_to_thread=in_thread)(function)


def _options_handlers(handlers: Iterable[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """Returns a handler of OPTIONS for each path, to be registered before the others.

    Litestar's own would list the methods of the first handler of a path only.
    """
    methods: dict[str, set[str]] = {}
    for handler in handlers:
        for path in handler.paths:
            methods.setdefault(path, {"OPTIONS"}).update(handler.http_methods)
    return [_options_handler(path, ", ".join(sorted(names))) for path, names in methods.items()]


def _options_handler(path: str, allow: str) -> HTTPRouteHandler:
    def options() -> Response[None]:
        return Response(None, headers={"allow": allow})

    return route(path, http_method=["OPTIONS"], status_code=204, sync_to_thread=False)(options)
