"""Django: middleware that sets `request.user`, and a decorator for views that require a valid token."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, ClassVar

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from .bearer import bearer_token
from .refusals import MEDIA_TYPE, NotAuthenticated, Refusal
from .verifier import Identity, Verifier

View = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class TokenUser:
    """The account of an access token in the place of a user of Django; an anonymous one without an identity.

    `username`, `is_staff` and `is_superuser` are those of the token, if Vestibule is set to put these claims into it
    (`VESTIBULE_TOKEN_CLAIMS`); else empty and false.
    """

    identity: Identity | None = None

    is_active: ClassVar[bool] = True

    @property
    def pk(self) -> int | None:
        return self.identity.account_id if self.identity else None

    id = pk

    @property
    def is_authenticated(self) -> bool:
        return self.identity is not None

    @property
    def is_anonymous(self) -> bool:
        return self.identity is None

    @property
    def username(self) -> str:
        return str(self._claim("username") or "")

    @property
    def is_staff(self) -> bool:
        return self._claim("is_staff") is True

    @property
    def is_superuser(self) -> bool:
        return self._claim("is_superuser") is True

    def get_username(self) -> str:
        return self.username

    def __str__(self) -> str:
        return self.username or str(self.pk)

    def _claim(self, name: str) -> object:
        return self.identity.claims.get(name) if self.identity else None


class TokenMiddleware:
    """Sets `request.user` by the bearer token, verified at its first use. Subclass it with a `verifier`.

    `request.user` is a `TokenUser` or what `user_of` of a subclass returns; in asynchronous views `await request.auser()` waits
    for keys without blocking. An invalid token becomes the response 401, or 503 if it cannot be checked now, as soon as a view
    uses the user; other views do not notice. Without a bearer token the user of Django's own middleware stays, or is anonymous.
    """

    sync_capable = async_capable = True
    verifier: ClassVar[Verifier]

    def __init__(self, get_response: View) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def user_of(self, identity: Identity) -> object:
        return TokenUser(identity)

    def __call__(self, request: HttpRequest) -> Any:
        if "Authorization" in request.headers or not hasattr(request, "user"):
            before = getattr(request, "user", None) or TokenUser()
            request.user = SimpleLazyObject(partial(self._user, request, before))
            request.auser = partial(self._user_async, request, before)
        return self._get_response(request)

    def process_exception(self, _: HttpRequest, error: Exception) -> HttpResponse | None:
        return _refused(error) if isinstance(error, Refusal) else None

    def _user(self, request: HttpRequest, before: object) -> object:
        try:
            return self.user_of(self.verifier(token_of(request)))
        except NotAuthenticated:
            return before

    async def _user_async(self, request: HttpRequest, before: object) -> object:
        try:
            identity = await self.verifier.verify(token_of(request))
        except NotAuthenticated:
            return before
        return await sync_to_async(self.user_of)(identity)  # it may ask the database


def token_required(verifier: Verifier) -> Callable[[View], View]:
    """Decorates a view, plain or asynchronous: `@token_required(verifier)` responds with 401 or 503 without a valid token.

    In the view `identity_of(request)` returns the `Identity`. Browsers do not send a bearer token by themselves, so that the
    view needs no CSRF protection: put `@csrf_exempt` above the decorator.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def plain(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                request.vestibule_identity = verifier(token_of(request))
            except Refusal as refusal:
                return _refused(refusal)
            return view(request, *args, **kwargs)

        @wraps(view)
        async def asynchronous(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                request.vestibule_identity = await verifier.verify(token_of(request))
            except Refusal as refusal:
                return _refused(refusal)
            return await view(request, *args, **kwargs)

        return asynchronous if iscoroutinefunction(view) else plain

    return decorate


def identity_of(request: HttpRequest) -> Identity:
    """Returns the `Identity` of the caller of a view that `token_required` decorates."""
    found: object = getattr(request, "vestibule_identity", None)
    if not isinstance(found, Identity):
        raise RuntimeError("The view is not decorated with token_required.")
    return found


def token_of(request: HttpRequest) -> str | None:
    """Returns the bearer token of a request, or None. Raises `InvalidToken` for a malformed header."""
    header = request.headers.get("Authorization")
    return bearer_token([header] if header is not None else [])


def _refused(refusal: Refusal) -> HttpResponse:
    return HttpResponse(refusal.body, status=refusal.status, content_type=MEDIA_TYPE, headers=refusal.headers)
