"""What machines ask of the service itself: is it alive, is it ready, which keys does it sign with."""

from typing import Annotated, Any

from litestar import get
from msgspec import Meta, Struct

from ..dependencies import UseCases
from ..operations import described
from ..responses import Answer, StatusAnswer

_OK = StatusAnswer("ok")


class KeySet(Struct):
    """Public keys (RFC 7517)."""

    keys: Annotated[list[dict[str, Any]], Meta(description="Each a JWK; `kid` tells which one signed a token.")]


@get("/healthz", opt=described("Service", "Is it alive?", StatusAnswer), sync_to_thread=False)
def healthz() -> Answer:
    return Answer(200, _OK)


@get(
    "/readyz",
    opt=described("Service", "Is it ready?", StatusAnswer, detail="503 unless the database answers, with the right schema."),
)
async def readyz(vestibule: UseCases) -> Answer:
    await vestibule.check()
    return Answer(200, _OK)


@get(
    "/.well-known/jwks.json",
    opt=described("Service", "The keys that access tokens are signed with", KeySet),
)
async def jwks(vestibule: UseCases) -> Answer:
    keys = await vestibule.jwks()
    return Answer(200, keys, cache_control="public, max-age=3600", cross_origin_resource_policy="cross-origin")
