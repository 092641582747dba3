"""Recognises services that read revoked sessions: they send a secret that they share with this service."""

import hmac

from litestar.types import HTTPScope

from ....application import InvalidToken
from ...settings import Settings
from ..authentication import bearer_token

PATH = "/revocations"


class RevocationClients:
    """The calls of those services, which no rate limit counts: they call often, and several share one IP address."""

    def __init__(self, settings: Settings) -> None:
        self._secret = settings.revocations_secret
        prefixes = ("", settings.api_prefix) if self._secret else ()
        self._paths = frozenset(f"{prefix}{PATH}{slash}" for prefix in prefixes for slash in ("", "/"))

    def include(self, scope: HTTPScope) -> bool:
        return scope["path"] in self._paths and sends_secret(scope, self._secret)


def sends_secret(scope: HTTPScope, secret: str | None) -> bool:
    try:
        token = bearer_token(scope["headers"])
    except InvalidToken:
        return False
    return secret is not None and token is not None and hmac.compare_digest(token.encode(), secret.encode())
