"""Real requests through each framework."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from io import BytesIO
from types import ModuleType
from typing import Annotated, Any
from wsgiref.util import setup_testing_defaults

import httpx
import pytest
from django.http import JsonResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path
from fastapi import Depends, FastAPI
from litestar import Litestar, Request, get
from litestar.di import NamedDependency, Provide
from litestar.testing import TestClient
from tests.verify.signing import DOWN, Signer, verifier_of

from vestibule.verify import Identity, Refusal, Verifier, asgi, wsgi
from vestibule.verify import django as of_django
from vestibule.verify.fastapi import TokenIdentity, install_error_handlers
from vestibule.verify.litestar import TokenGuard, identity_of, refused

SIGNER = Signer()
VERIFIER = verifier_of(SIGNER)
GOOD = f"Bearer {SIGNER.token()}"


Call = Callable[[Verifier, str | None], tuple[int, dict[str, str], Any]]


def lowered(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


def over_asgi(app: Any, header: str | None) -> tuple[int, dict[str, str], Any]:
    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
            return await client.get("/", headers={"authorization": header} if header else {})

    response = asyncio.run(send())
    return response.status_code, dict(response.headers), response.json()


def plain_asgi(verifier: Verifier, header: str | None) -> tuple[int, dict[str, str], Any]:
    async def app(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        body = json.dumps({"account": scope["state"]["identity"].account_id}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return over_asgi(asgi.TokenMiddleware(app, verifier), header)


def plain_wsgi(verifier: Verifier, header: str | None) -> tuple[int, dict[str, str], Any]:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [json.dumps({"account": environ["vestibule.identity"].account_id}).encode()]

    environ: dict[str, Any] = {"wsgi.input": BytesIO(), **({"HTTP_AUTHORIZATION": header} if header else {})}
    setup_testing_defaults(environ)
    received: list[Any] = []
    body = b"".join(wsgi.TokenMiddleware(app, verifier)(environ, lambda *arguments: received.extend(arguments)))  # type: ignore[arg-type]  # the app uses no return value of start_response
    return int(received[0].split()[0]), lowered(received[1]), json.loads(body)


def fastapi(verifier: Verifier, header: str | None) -> tuple[int, dict[str, str], Any]:
    app = FastAPI()
    install_error_handlers(app)

    @app.get("/")
    async def account(identity: Annotated[Identity, Depends(TokenIdentity(verifier))]) -> dict[str, int]:
        return {"account": identity.account_id}

    return over_asgi(app, header)


def litestar(verifier: Verifier, header: str | None) -> tuple[int, dict[str, str], Any]:
    @get("/", guards=[TokenGuard(verifier)])
    async def account(identity: NamedDependency[Identity], request: Request[Any, Any, Any]) -> dict[str, int]:
        assert identity_of(request) is identity
        return {"account": identity.account_id}

    app = Litestar(
        [account],
        dependencies={"identity": Provide(identity_of, sync_to_thread=False)},
        exception_handlers={Refusal: refused},
        openapi_config=None,
    )
    with TestClient(app) as client:
        response = client.get("/", headers={"authorization": header} if header else {})
    return response.status_code, dict(response.headers), response.json()


def urls_of(verifier: Verifier, *, asynchronous: bool) -> Any:
    @of_django.token_required(verifier)
    def plain(request: Any) -> Any:
        return JsonResponse({"account": of_django.identity_of(request).account_id})

    @of_django.token_required(verifier)
    async def asynchronous_view(request: Any) -> Any:
        return JsonResponse({"account": of_django.identity_of(request).account_id})

    urls: Any = ModuleType("urls")
    urls.urlpatterns = [path("", asynchronous_view if asynchronous else plain)]
    return urls


def django_view(verifier: Verifier, header: str | None) -> tuple[int, dict[str, str], Any]:
    with override_settings(ROOT_URLCONF=urls_of(verifier, asynchronous=False)):
        response = Client().get("/", headers={"authorization": header} if header else {})
    return response.status_code, lowered(response.headers.items()), response.json()


def django_async_view(verifier: Verifier, header: str | None) -> tuple[int, dict[str, str], Any]:
    async def send() -> Any:
        return await AsyncClient().get("/", headers={"authorization": header} if header else {})

    with override_settings(ROOT_URLCONF=urls_of(verifier, asynchronous=True)):
        response = asyncio.run(send())
    return response.status_code, lowered(response.headers.items()), response.json()


EVERY = pytest.mark.parametrize("call", [plain_asgi, plain_wsgi, fastapi, litestar, django_view, django_async_view])


@EVERY
def test_valid_token_identifies_the_caller(call: Call) -> None:
    assert call(VERIFIER, GOOD)[::2] == (200, {"account": 7})
    assert call(VERIFIER, GOOD.replace("Bearer", "bEARER "))[0] == 200


@EVERY
def test_missing_or_invalid_token_gets_the_response_of_rfc_6750(call: Call) -> None:
    for header in (None, "Basic YTpi"):
        status, headers, body = call(VERIFIER, header)
        assert (status, headers["www-authenticate"], headers["content-type"]) == (401, "Bearer", "application/problem+json")
        assert body["type"] == "urn:vestibule:problem:not-authenticated"
    for header in ("Bearer", "Bearer x", f"{GOOD}, {GOOD}", f"Bearer {Signer().token()}"):
        status, headers, body = call(VERIFIER, header)
        assert (status, body["type"]) == (401, "urn:vestibule:problem:invalid-token")
        assert headers["www-authenticate"].startswith('Bearer error="invalid_token", error_description="')
        assert headers["cache-control"] == "no-store"


@EVERY
def test_missing_keys_are_a_503_and_not_a_401(call: Call) -> None:
    status, headers, body = call(DOWN, GOOD)
    assert (status, headers["retry-after"], body["status"]) == (503, "7", 503)


def test_optional_token_may_be_missing_but_not_invalid() -> None:
    seen: list[Any] = []

    async def app(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        seen.append(scope["state"]["identity"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    def app_of_wsgi(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(environ["vestibule.identity"])
        return []

    optional = asgi.TokenMiddleware(app, VERIFIER, optional=True)
    assert [over_asgi(optional, header)[0] for header in (None, GOOD, "Bearer x")] == [200, 200, 401]
    wsgi.TokenMiddleware(app_of_wsgi, VERIFIER, optional=True)({}, lambda *_: None)  # type: ignore[arg-type]  # as above
    assert [identity and identity.account_id for identity in seen] == [None, 7, None]


@pytest.mark.parametrize(("header", "sent"), [(b"Bearer x", ["websocket.close"]), (GOOD.encode(), [])])
def test_websocket_opens_only_with_a_valid_token(header: bytes, sent: list[str]) -> None:
    reached: list[str] = []
    received: list[str] = []

    async def app(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        reached.append(scope["type"])

    async def receive() -> asgi.Message:
        return {"type": "websocket.connect"}

    async def send(message: asgi.Message) -> None:
        received.append(message["type"])

    middleware = asgi.TokenMiddleware(app, VERIFIER)
    asyncio.run(coroutine(middleware({"type": "websocket", "headers": [(b"authorization", header)]}, receive, send)))
    asyncio.run(coroutine(middleware({"type": "lifespan"}, receive, send)))
    assert received == sent
    assert reached == (["lifespan"] if sent else ["websocket", "lifespan"])


async def coroutine(awaitable: Awaitable[None]) -> None:
    await awaitable


def test_openapi_document_of_fastapi_requires_a_token() -> None:
    app = FastAPI()

    @app.get("/")
    async def account(identity: Annotated[Identity, Depends(TokenIdentity(VERIFIER))]) -> None:
        """Nothing."""

    document = app.openapi()
    assert document["paths"]["/"]["get"]["security"] == [{"HTTPBearer": []}]
    assert "parameters" not in document["paths"]["/"]["get"]
