"""A decorator for Django views that require a valid token."""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from django.http import HttpRequest, HttpResponse

from .bearer import bearer_token
from .refusals import MEDIA_TYPE, Refusal
from .verifier import Identity, Verifier

View = Callable[..., Any]


def token_required(verifier: Verifier) -> Callable[[View], View]:
    """Decorates a view, plain or asynchronous: `@token_required(verifier)` responds with 401 or 503 without a valid token.

    In the view `identity_of(request)` returns the `Identity`. Browsers do not send a bearer token by themselves, so that the
    view needs no CSRF protection: put `@csrf_exempt` above the decorator.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def plain(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                request.vestibule_identity = verifier(_token(request))
            except Refusal as refusal:
                return _refused(refusal)
            return view(request, *args, **kwargs)

        @wraps(view)
        async def asynchronous(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                request.vestibule_identity = await verifier.verify(_token(request))
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


def _token(request: HttpRequest) -> str | None:
    header = request.headers.get("Authorization")
    return bearer_token([header] if header is not None else [])


def _refused(refusal: Refusal) -> HttpResponse:
    return HttpResponse(refusal.body, status=refusal.status, content_type=MEDIA_TYPE, headers=refusal.headers)
