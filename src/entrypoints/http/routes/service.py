"""Endpoints for infrastructure: liveness, readiness, public keys."""

from typing import Annotated, Any

from litestar import get
from msgspec import Meta, Struct

from ..dependencies import HttpRequest, use_cases
from ..openapi import Operation
from ..responses import AsgiResponse, StatusResponse

_OK = StatusResponse("ok")


class JwksResponse(Struct):
    """Public keys (RFC 7517)."""

    keys: Annotated[list[dict[str, Any]], Meta(description="Each is a JWK; `kid` in a token names the one that signed it.")]


@get("/healthz", operation=Operation("Service", "Check liveness", (StatusResponse,)), sync_to_thread=False)
def healthz() -> AsgiResponse:
    return AsgiResponse(200, _OK)


@get(
    "/readyz",
    operation=Operation(
        "Service", "Check readiness", (StatusResponse,), detail="503 unless the database is up and its schema is right."
    ),
)
async def readyz(request: HttpRequest) -> AsgiResponse:
    await use_cases(request).check()
    return AsgiResponse(200, _OK)


@get("/.well-known/jwks.json", operation=Operation("Service", "Read the keys that verify access tokens", (JwksResponse,)))
async def jwks(request: HttpRequest) -> AsgiResponse:
    keys = await use_cases(request).jwks()
    return AsgiResponse(200, keys, cache_control="public, max-age=3600", cross_origin_resource_policy="cross-origin")
