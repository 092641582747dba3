"""Authentication by access tokens for Django REST framework."""

from typing import ClassVar

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request

from .django import TokenUser, token_of
from .refusals import NotAuthenticated, Refusal, Unavailable
from .verifier import Identity, Verifier


class TokenAuthentication(BaseAuthentication):  # type: ignore[misc]  # the framework has no type information
    """Authenticates a request by its bearer token. Subclass it with a `verifier`, and name the subclass in the settings.

    `request.user` is the `TokenUser` or what `user_of` of a subclass returns, and `request.auth` the `Identity`. A request
    without a bearer token is anonymous, and a permission such as `IsAuthenticated` refuses it. An invalid token is a 401, and
    a token that cannot be checked now a 503.
    """

    verifier: ClassVar[Verifier]

    def user_of(self, identity: Identity) -> object:
        return TokenUser(identity)

    def authenticate(self, request: Request) -> tuple[object, Identity] | None:
        try:
            identity = self.verifier(token_of(request))
        except NotAuthenticated:
            return None
        except Unavailable as refusal:
            raise _service_unavailable(refusal) from None
        except Refusal as refusal:
            request.vestibule_refusal = refusal
            raise AuthenticationFailed(refusal.detail) from None
        return self.user_of(identity), identity

    def authenticate_header(self, request: Request) -> str:
        """Returns the challenge (RFC 6750 § 3); the framework calls it on another object than `authenticate`."""
        refusal: Refusal = getattr(request, "vestibule_refusal", None) or NotAuthenticated()
        return refusal.headers["WWW-Authenticate"]


def _service_unavailable(refusal: Unavailable) -> APIException:
    error = APIException(refusal.detail, refusal.slug)
    error.status_code = 503
    error.wait = refusal.retry_after  # the framework makes the header Retry-After of it
    return error
