"""What every call passes: its id, who makes it, the limit of any call, and the headers of every answer.

One plain ASGI function around the app, because it stands on the hot path.
"""

from secrets import token_hex

from litestar import Request
from litestar.types import ASGIApp, HTTPResponseStartEvent, HTTPScope, Message, Receive, Send

from ....application import Caller, Overloaded, RateLimited, Refusal
from ....domain.rate_limits import CALLS_BY_ADDRESS
from ...async_facade import AsyncVestibule
from ...concurrency.executors import ThreadLane
from ...observability import Watch
from ..dependencies import Call
from ..problems import UnknownHost, problem
from ..routes.revocations import Followers
from .allowed_hosts import Hosts
from .client_address import Callers
from .cors import Cors, Headers

UNLIMITED = frozenset({"/healthz", "/healthz/", "/readyz", "/readyz/"})
"""What probes ask; spelled otherwise they are limited like any call."""

_MOST_AGENT = 256
_SAYS_NO_MORE = frozenset({b"content-type", b"content-length"})  # as most answers do
_THREADS = 8
_MOST_WAITING = 1000


class Front:
    """Stands before the app. `caller_of` tells the handlers behind it who calls, and `use_cases` what they may ask."""

    def __init__(self, awaited: AsyncVestibule, watch: Watch) -> None:
        vestibule = awaited.blocking
        self._awaited = awaited
        self._rate_limiter = vestibule.rate_limiter
        self._lane = watch.lane("limits", ThreadLane(_THREADS, _MOST_WAITING))
        self._clock = vestibule.clock
        self._followers = Followers(vestibule.settings)
        self._callers = Callers(vestibule.settings.trusted_proxies)
        self._headers = _every_answer(https=vestibule.settings.url.startswith("https:"))
        self._hosts = Hosts(vestibule.settings.allowed_hosts) if vestibule.settings.allowed_hosts else None
        self._cors = Cors(vestibule.settings.cors_origins) if vestibule.settings.cors_origins else None

    async def __call__(self, app: ASGIApp, scope: HTTPScope, receive: Receive, send: Send) -> None:
        caller = self._caller(scope)
        scope["state"] = {"caller": caller, "vestibule": self._awaited}
        headers = self._headers if self._cors is None else self._headers + self._cors.headers(scope)
        own = (b"x-request-id", (caller.request_id or "").encode())

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _complete(message, own, headers)
            await send(message)

        if scope["path"] not in UNLIMITED:
            refusal = None if self._followers.include(scope) else await self._refusal(caller)
            if refusal is None and self._hosts is not None and not self._hosts.include(scope["headers"]):
                refusal = UnknownHost()
            if refusal is not None:
                await _refuse(refusal, scope, receive, send_with_headers)
                return
        await app(scope, receive, send_with_headers)

    async def _refusal(self, caller: Caller) -> Refusal | None:
        """Asks a rate limiter that may have to wait in threads of its own, and any other here, where it costs the least."""
        question = f"call:{caller.address}", CALLS_BY_ADDRESS, self._clock()
        try:
            wait = (
                await self._lane(self._rate_limiter.hit, *question)
                if self._rate_limiter.may_block
                else self._rate_limiter.hit(*question)
            )
        except Overloaded as overloaded:
            return overloaded
        return RateLimited(wait) if wait else None

    def _caller(self, scope: HTTPScope) -> Caller:
        client, headers = scope["client"], scope["headers"]
        agent = next((value for name, value in headers if name == b"user-agent"), None)
        return Caller(
            address=self._callers.address(client[0] if client else None, headers),
            user_agent=agent[:_MOST_AGENT].decode("latin-1") if agent else None,
            request_id=token_hex(16),
        )


def caller_of(request: Call) -> Caller:
    """Who makes this call, as the front has found."""
    caller = request.scope["state"]["caller"]
    assert isinstance(caller, Caller)  # noqa: S101 — nothing reaches a handler but through the front
    return caller


def _complete(message: HTTPResponseStartEvent, own: tuple[bytes, bytes], headers: Headers) -> None:
    """Adds what the answer does not say otherwise itself."""
    given = list(message["headers"])
    said = {name for name, _ in given}
    message["headers"] = [*given, own, *(headers if said <= _SAYS_NO_MORE else [one for one in headers if one[0] not in said])]


async def _refuse(refusal: Refusal, scope: HTTPScope, receive: Receive, send: Send) -> None:
    scope["state"]["refusal"] = refusal.slug
    request: Call = Request(scope, receive, send)
    answer = problem(refusal).to_asgi_response(app=None, request=request)
    await answer(scope, receive, send)


def _every_answer(*, https: bool) -> Headers:
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
