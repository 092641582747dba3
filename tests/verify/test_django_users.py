"""The users that tokens make in a Django project: middleware, plain and asynchronous views, and Django REST framework."""

import asyncio
from types import ModuleType
from typing import Any

import pytest
from django.http import HttpRequest, JsonResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path
from rest_framework.permissions import IsAdminUser, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from tests.verify.signing import DOWN, Signer, verifier_of

from vestibule.verify import Identity
from vestibule.verify.django import TokenMiddleware, TokenUser
from vestibule.verify.rest_framework import TokenAuthentication

SIGNER = Signer()
VERIFIER = verifier_of(SIGNER)
STAFF = SIGNER.token(username="ada", is_staff=True)
BEARER = {"authorization": f"Bearer {SIGNER.token()}"}
INVALID = {"authorization": f"Bearer {Signer().token()}"}


class Users(TokenMiddleware):
    verifier = VERIFIER


class UsersWithoutKeys(TokenMiddleware):
    verifier = DOWN


class Named(TokenMiddleware):
    verifier = VERIFIER

    def user_of(self, identity: Identity) -> object:
        return f"user {identity.account_id}"


class Tokens(TokenAuthentication):
    verifier = VERIFIER


class TokensWithoutKeys(TokenAuthentication):
    verifier = DOWN


def described(user: Any) -> dict[str, Any]:
    return {"id": user.pk, "name": user.get_username(), "in": user.is_authenticated, "staff": user.is_staff}


def who(request: Any) -> JsonResponse:
    return JsonResponse(described(request.user))


async def who_async(request: Any) -> JsonResponse:
    return JsonResponse(described(await request.auser()))


def named(request: Any) -> JsonResponse:
    return JsonResponse({"user": str(request.user)})


def open_to_all(request: HttpRequest) -> JsonResponse:
    return JsonResponse({})


class Who(APIView):  # type: ignore[misc]  # the framework has no type information
    authentication_classes = (Tokens,)
    permission_classes = (IsAuthenticated,)

    def get(self, request: Any) -> Response:
        assert isinstance(request.auth, Identity)
        return Response(described(request.user))


class Staff(Who):
    permission_classes = (IsAdminUser,)


class WithoutKeys(Who):
    authentication_classes = (TokensWithoutKeys,)


urls: Any = ModuleType("urls_of_users")
urls.urlpatterns = [
    path("who", who),
    path("who-async", who_async),
    path("named", named),
    path("open", open_to_all),
    path("rest", Who.as_view()),
    path("staff", Staff.as_view()),
    path("without-keys", WithoutKeys.as_view()),
]
ANONYMOUS = {"id": None, "name": "", "in": False, "staff": False}


def get(where: str, headers: dict[str, str], middleware: type[TokenMiddleware] = Users) -> Any:
    """The response of a view that is plain, or is asynchronous in an asynchronous server."""
    name = f"{middleware.__module__}.{middleware.__name__}"
    with override_settings(ROOT_URLCONF=urls, MIDDLEWARE=[name]):
        if where.endswith("async"):
            return asyncio.run(got(where, headers))
        return Client().get(f"/{where}", headers=headers)


async def got(where: str, headers: dict[str, str]) -> Any:
    return await AsyncClient().get(f"/{where}", headers=headers)


EVERY_VIEW = pytest.mark.parametrize("where", ["who", "who-async"])


@EVERY_VIEW
def test_user_is_the_account_of_the_token(where: str) -> None:
    assert get(where, BEARER).json() == {"id": 7, "name": "", "in": True, "staff": False}
    staff = {"authorization": f"Bearer {STAFF}"}
    assert get(where, staff).json() == {"id": 7, "name": "ada", "in": True, "staff": True}


@EVERY_VIEW
def test_user_without_a_token_is_anonymous(where: str) -> None:
    for headers in ({}, {"authorization": "Basic YTpi"}):
        assert get(where, headers).json() == ANONYMOUS


@EVERY_VIEW
def test_invalid_token_is_refused_by_a_view_that_uses_the_user(where: str) -> None:
    answer = get(where, INVALID)
    assert (answer.status_code, answer.headers["Content-Type"]) == (401, "application/problem+json")
    assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
    assert get("open", INVALID).status_code == 200
    answer = get(where, BEARER, UsersWithoutKeys)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")


def test_project_chooses_its_own_user() -> None:
    assert get("named", BEARER, Named).json() == {"user": "user 7"}


def test_user_of_django_stays_without_a_bearer_token() -> None:
    def respond(request: Any) -> Any:
        return request.user

    def user(**headers: str) -> Any:
        request = HttpRequest()
        request.META.update({f"HTTP_{name.upper()}": value for name, value in headers.items()})
        request.user = "a user of Django"
        return Users(respond)(request)

    assert user() == user(authorization="Basic YTpi") == "a user of Django"
    assert TokenUser(user(**BEARER).identity).id == 7


def test_rest_framework_gets_user_and_identity() -> None:
    assert get("rest", BEARER).json() == {"id": 7, "name": "", "in": True, "staff": False}
    assert get("staff", BEARER).status_code == 403
    assert get("staff", {"authorization": f"Bearer {STAFF}"}).status_code == 200


def test_rest_framework_refuses_with_the_challenge_of_rfc_6750() -> None:
    missing = get("rest", {})
    assert (missing.status_code, missing.headers["WWW-Authenticate"]) == (401, "Bearer")
    for headers in (INVALID, {"authorization": "Bearer"}):
        invalid = get("rest", headers)
        assert (invalid.status_code, invalid.json()) == (401, {"detail": "The access token is not valid."})
        assert invalid.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')


def test_rest_framework_answers_503_without_keys() -> None:
    down = get("without-keys", BEARER)
    assert (down.status_code, down.headers["Retry-After"]) == (503, "7")
