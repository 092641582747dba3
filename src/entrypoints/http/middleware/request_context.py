"""Middleware: request id, client address, global rate limit, allowed hosts, response headers, no body in response to HEAD.

One plain ASGI callable around the app, for every request passes it.
"""

from asyncio import CancelledError
from math import inf
from secrets import token_hex

from litestar.types import ASGIApp, HTTPResponseStartEvent, HTTPScope, Message, Receive, Send

from ....application import Caller, Overloaded, RateLimited, Refusal
from ....application.network_limits import network_refusal
from ....domain.networks import UNKNOWN_NETWORK
from ...async_facade import AsyncVestibule
from ...concurrency.executors import ThreadLane
from ...concurrency.shares import Shares
from ...observability import Instrumentation
from ..dependencies import WireFormat
from ..problems import DevelopmentOnly, UnknownHost, internal_error, refuse
from .allowed_hosts import has_allowed_host
from .client_address import ClientAddress
from .cors import Cors, Headers
from .development import is_from_elsewhere
from .revocation_clients import RevocationClients

UNLIMITED = frozenset({"/healthz", "/healthz/", "/readyz", "/readyz/"})
"""The paths of probes. Other spellings of them are limited like any call."""

MAX_CONCURRENT_CALLS_PER_NETWORK = 100
"""A tenth of the calls that a worker serves at once: half-sent bodies of one network leave the others to others."""

_PASSED_ON = (CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)
"""Ends of the task or of the process; all other exceptions are faults."""

_MAX_USER_AGENT = 256
_COMMON_HEADERS = frozenset({b"content-type", b"content-length"})  # most responses have no others
_THREADS = 8
_MAX_WAITING = 1000


class RequestMiddleware:
    """Handles each request before the app does, and stores the values that `caller_of`, `use_cases` and `format_of` return."""

    def __init__(self, awaited: AsyncVestibule, instrumentation: Instrumentation, wire_format: WireFormat) -> None:
        vestibule = awaited.blocking
        self._awaited = awaited
        self._format = wire_format
        self._rate_limiter = vestibule.rate_limiter
        self._may_block = vestibule.rate_limiter.may_block
        self._limits = vestibule.settings.effective_limits.calls_per_network
        self._lane = instrumentation.lane("limits", ThreadLane(_THREADS, _MAX_WAITING))
        self._clock = vestibule.clock
        share = MAX_CONCURRENT_CALLS_PER_NETWORK if vestibule.settings.rate_limits else inf
        self._shares = Shares(share, policy="concurrent-calls", retry_after=1)
        self._revocation_clients = RevocationClients(vestibule.settings)
        self._client_address = ClientAddress(vestibule.settings.trusted_proxies, vestibule.settings.client_address_header)
        self._headers = _common_headers(https=vestibule.settings.url.startswith("https:"))
        self._is_development = vestibule.settings.dev
        self._allowed_hosts = frozenset(host.encode() for host in vestibule.settings.allowed_hosts)
        origins, cors_headers = vestibule.settings.cors_origins, vestibule.settings.cors_headers
        self._cors = Cors(origins, cors_headers) if origins else None

    async def __call__(self, app: ASGIApp, scope: HTTPScope, receive: Receive, send: Send) -> None:
        caller = self._caller(scope)
        scope["state"] = {"caller": caller, "vestibule": self._awaited, "format": self._format}
        headers = self._headers if self._cors is None else self._headers + self._cors.headers(scope)
        is_head = scope["method"] == "HEAD"
        request_id = (b"x-request-id", (caller.request_id or "").encode())
        has_started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                _add_headers(message, request_id, headers)
            elif is_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            await self._limited(app, caller, scope, receive, send_with_headers)
        except _PASSED_ON:
            raise
        except BaseException as error:
            if has_started:  # the server then ends the connection
                raise
            await refuse(internal_error(scope, error), scope, receive, send_with_headers)

    async def _limited(self, app: ASGIApp, caller: Caller, scope: HTTPScope, receive: Receive, send: Send) -> None:
        if scope["path"] in UNLIMITED:
            await app(scope, receive, send)
            return
        try:
            self._shares.take(caller.ip_address)
        except RateLimited as too_many:
            await refuse(too_many, scope, receive, send)
            return
        try:
            if (refusal := await self._refusal(scope, caller)) is not None:
                await refuse(refusal, scope, receive, send)
                return
            await app(scope, receive, send)
        finally:
            self._shares.give_back(caller.ip_address)

    async def _refusal(self, scope: HTTPScope, caller: Caller) -> Refusal | None:
        if self._is_development and is_from_elsewhere(scope):
            return DevelopmentOnly()
        if not self._revocation_clients.include(scope) and (refusal := await self._rate_limited(caller)):
            return refusal
        if self._allowed_hosts and not has_allowed_host(scope["headers"], self._allowed_hosts):
            return UnknownHost()
        return None

    async def _rate_limited(self, caller: Caller) -> Refusal | None:
        """Calls a rate limiter that may block in threads of its own; any other one here, where the call costs least."""
        network = caller.ip_address or UNKNOWN_NETWORK
        arguments = self._rate_limiter, "calls", network, self._limits, self._clock()
        try:
            return await self._lane(network_refusal, *arguments) if self._may_block else network_refusal(*arguments)
        except Overloaded as overloaded:
            return overloaded

    def _caller(self, scope: HTTPScope) -> Caller:
        client, headers = scope["client"], scope["headers"]
        agent = next((value for name, value in headers if name == b"user-agent"), None)
        return Caller(
            ip_address=self._client_address.find(client[0] if client else None, headers, is_probe=scope["path"] in UNLIMITED),
            user_agent=agent[:_MAX_USER_AGENT].decode("latin-1") if agent else None,
            request_id=token_hex(16),
        )


def _add_headers(message: HTTPResponseStartEvent, request_id: tuple[bytes, bytes], headers: Headers) -> None:
    """Adds the headers that the response does not set itself."""
    own = list(message["headers"])
    names = {name for name, _ in own}
    added = headers if names <= _COMMON_HEADERS else [header for header in headers if header[0] not in names]
    message["headers"] = [*own, request_id, *added]


def _common_headers(*, https: bool) -> Headers:
    headers = {
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }
    if https:
        headers["strict-transport-security"] = "max-age=63072000; includeSubDomains"
    return tuple((name.encode(), value.encode()) for name, value in headers.items())
