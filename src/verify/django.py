"""Views of Django that are for those with a good token."""

from collections.abc import Awaitable, Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from django.http import HttpRequest, HttpResponse

from .bearer import bearer_token
from .identity import Identity
from .refusals import MEDIA_TYPE, Refusal
from .verifier import Verifier

View = Callable[..., Any]


def token_required(verifier: Verifier) -> Callable[[View], View]:
    """`@token_required(verifier)` on a view, plain or asynchronous: without a good token it answers 401 or 503 in its stead.

    `identity_of(request)` then tells who calls. A token is no cookie, so that the view needs no protection against forged
    requests of other sites: `@csrf_exempt` goes above it.
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
        async def awaited(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                request.vestibule_identity = await verifier.verify(_token(request))
            except Refusal as refusal:
                return _refused(refusal)
            answer: Awaitable[Any] = view(request, *args, **kwargs)
            return await answer

        return awaited if iscoroutinefunction(view) else plain

    return decorate


def identity_of(request: HttpRequest) -> Identity:
    """Who calls a view that `token_required` guards."""
    found: object = getattr(request, "vestibule_identity", None)
    if not isinstance(found, Identity):
        raise RuntimeError("This view is not guarded by token_required.")
    return found


def _token(request: HttpRequest) -> str | None:
    header = request.headers.get("Authorization")
    return bearer_token([header] if header is not None else [])


def _refused(refusal: Refusal) -> HttpResponse:
    return HttpResponse(refusal.body, status=refusal.status, content_type=MEDIA_TYPE, headers=refusal.headers)
