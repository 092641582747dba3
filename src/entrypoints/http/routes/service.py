"""Endpoints for infrastructure: liveness, readiness, public keys and where they are."""

from typing import Annotated, Any

from litestar import get
from msgspec import Meta, Struct, field

from ....domain.networks import read_host
from ...container.operator import HEADER
from ...settings import Settings
from ..dependencies import HttpRequest, caller_of, use_cases
from ..openapi import Operation
from ..responses import AsgiResponse, StatusResponse

_OK = StatusResponse("ok")
_FORWARDED = (b"x-forwarded-for", b"forwarded")


class JwksResponse(Struct):
    """Public keys (RFC 7517)."""

    keys: Annotated[list[dict[str, Any]], Meta(description="Each is a JWK; `kid` in a token names the one that signed it.")]


class IssuerResponse(Struct):
    """The issuer and its keys, for services that verify access tokens (OpenID Connect Discovery 1.0)."""

    issuer: Annotated[
        str, Meta(description="The issuer and the audience of every access token.", examples=["https://accounts.example.org"])
    ]
    jwks_uri: Annotated[str, Meta(description="The public keys.", extra_json_schema={"format": "uri"})]
    id_token_signing_alg_values_supported: Annotated[
        list[str], Meta(description="The algorithms of the public keys: EdDSA, ES256 or RS256.", examples=[["EdDSA"]])
    ]
    subject_types_supported: Annotated[list[str], Meta(description="All services see the same ids of accounts.")] = field(
        default_factory=lambda: ["public"]
    )


_PUBLIC: dict[str, Any] = {"cache_control": "public, max-age=3600", "cross_origin_resource_policy": "cross-origin"}


@get("/healthz", operation=Operation("Service", "Check liveness", (StatusResponse,)), sync_to_thread=False)
def healthz(request: HttpRequest) -> AsgiResponse:
    token = request.headers.get(HEADER)
    if token is not None and use_cases(request).blocking.is_operator(token):
        return AsgiResponse(200, _seen(request))
    return AsgiResponse(200, _OK)


def _seen(request: HttpRequest) -> dict[str, object]:
    """What the server sees of this call, for `vestibule doctor`: strangers have no key to make the token with."""
    settings, client = use_cases(request).blocking.settings, caller_of(request).ip_address or ""
    peer = request.scope["client"][0] if request.scope["client"] else ""
    header = settings.client_address_header
    names = _FORWARDED if header is None else (header.lower().encode(),)
    return {
        "status": "ok",
        "client": client,
        "peer": peer,
        "trusted": [address for address in (peer, client) if _is_trusted(address, settings)],
        "host": request.headers.get("host", ""),
        "forwarded": [name.decode() for name, _ in request.scope["headers"] if name in names],
        "url": settings.url,
    }


def _is_trusted(address: str, settings: Settings) -> bool:
    host = read_host(address)
    return host is not None and any(host in network for network in settings.trusted_proxies)


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
    return AsgiResponse(200, await use_cases(request).jwks(), **_PUBLIC)


@get(
    "/.well-known/openid-configuration",
    operation=Operation("Service", "Read the issuer, and where the keys are that verify access tokens", (IssuerResponse,)),
)
async def issuer(request: HttpRequest) -> AsgiResponse:
    called = use_cases(request)
    keys: Any = (await called.jwks())["keys"]
    return AsgiResponse(
        200,
        IssuerResponse(
            issuer=called.settings.url,
            jwks_uri=f"{called.settings.url}{called.settings.api_prefix}/.well-known/jwks.json",
            id_token_signing_alg_values_supported=sorted({key["alg"] for key in keys if "alg" in key}),
        ),
        **_PUBLIC,
    )
