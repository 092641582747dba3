"""Verification of an access token: from its text to the identity that it belongs to."""

import re
from base64 import urlsafe_b64decode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from time import time
from types import MappingProxyType

from jwt import PyJWK

from .. import forks
from .claims import MAX_LEEWAY, MAX_TOKEN_LENGTH, claims_decoder, json_object, read_claims
from .keys import KeySource
from .refusals import InvalidToken, NotAuthenticated
from .revocations import Revocations

_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_TYPES = frozenset({"at+jwt", "application/at+jwt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An account and its session, as of the signing of the token. Times are seconds since the epoch.

    `claims` holds all claims of the token. Callers share the mapping, so that it is read-only.
    """

    account_id: int
    session_id: str
    issued_at: int
    expires_at: int
    claims: Mapping[str, object] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token whose signature `key` has verified. Its lifetime is checked at each use."""

    identity: Identity
    key: PyJWK
    kid: str
    valid_from: float


class Verifier:
    """Verifies access tokens (RFC 9068) of one issuer, offline. Call it, or await `verify` in a coroutine.

    The checks, in this order: at most 8192 bytes of a JWT's alphabet, `typ`, `kid`, the signature by the algorithm of the key
    itself, `iss`, `aud`, the account and the session, the time, and whether `revocations` lists the session.

    `audience` is the issuer by default, as Vestibule signs it. `leeway` (0 to 30 seconds) is how far ahead the issuer's clock
    may be; it never extends the expiry. `cache_size` verified tokens are remembered, so that one that comes again costs no
    signature check; the result is the same with and without.

    Raises `ValueError` for settings out of range.
    """

    def __init__(
        self,
        *,
        issuer: str,
        keys: KeySource,
        audience: str | None = None,
        revocations: Revocations | None = None,
        leeway: int = MAX_LEEWAY,
        cache_size: int = 10_000,
        clock: Callable[[], float] = time,
    ) -> None:
        if not issuer or audience == "":
            raise ValueError("the issuer and the audience must not be empty")
        if not 0 <= leeway <= MAX_LEEWAY:
            raise ValueError(f"the leeway must be 0 to {MAX_LEEWAY} seconds, not {leeway}")
        self._issuer = issuer
        self._audience = audience if audience is not None else issuer
        self._keys = keys
        self._revocations = revocations
        self._leeway = leeway
        self._clock = clock
        self._decoder = claims_decoder()
        self._cache_size = cache_size
        self._cache: OrderedDict[str, _Verified] = OrderedDict()
        self.renew()
        forks.watch(self)

    def renew(self) -> None:
        self._lock = Lock()

    def __call__(self, token: str | None) -> Identity:
        """May block for seconds while keys are fetched.

        Raises `NotAuthenticated` without a token, `InvalidToken` for a bad one, `Unavailable` without the keys to decide.
        """
        cached = self._cache.get(token or "")
        return self._check(token or "", cached, self._keys.find(cached.kid if cached else _kid(token)))

    async def verify(self, token: str | None) -> Identity:
        """Does the same without blocking the event loop."""
        cached = self._cache.get(token or "")
        return self._check(token or "", cached, await self._keys.find_async(cached.kid if cached else _kid(token)))

    def _check(self, token: str, cached: _Verified | None, key: PyJWK | None) -> Identity:
        if key is None:
            raise InvalidToken
        verified = cached if cached is not None and cached.key is key else self._verified(token, key)
        now = self._clock()
        if now >= verified.identity.expires_at:
            self._cache.pop(token, None)
            raise InvalidToken("The access token has expired.")
        if now < verified.valid_from:
            raise InvalidToken("The access token is not valid yet.")
        if self._revocations is not None and self._revocations.is_revoked(verified.identity.session_id):
            raise InvalidToken("The session has ended.")
        if verified is not cached:
            with self._lock:
                self._cache[token] = verified
                while len(self._cache) > self._cache_size:
                    self._cache.popitem(last=False)
        return verified.identity

    def _verified(self, token: str, key: PyJWK) -> _Verified:
        try:
            payload = self._decoder.decode(
                token, key, algorithms=[key.algorithm_name], issuer=self._issuer, audience=self._audience
            )
            claims = read_claims(payload)
        except Exception:  # noqa: BLE001 — any error of the decoder means that the token is invalid
            raise InvalidToken from None
        identity = Identity(
            account_id=claims.account_id,
            session_id=claims.session_id,
            issued_at=claims.issued_at,
            expires_at=claims.expires_at,
            claims=MappingProxyType(dict(payload)),
        )
        return _Verified(identity, key, key.key_id or "", max(claims.not_before, claims.issued_at) - self._leeway)


def _kid(token: str | None) -> str:
    """Returns the key id of the token's header. Raises `InvalidToken` for a header that is not that of an access token."""
    if not token:
        raise NotAuthenticated
    shape = _SHAPE.fullmatch(token) if len(token) <= MAX_TOKEN_LENGTH else None
    if shape is None:
        raise InvalidToken
    try:
        header = json_object(urlsafe_b64decode(shape[1] + "=" * (-len(shape[1]) % 4)))
    except ValueError:
        raise InvalidToken from None
    kid, token_type = header.get("kid"), header.get("typ")
    if not isinstance(kid, str) or not isinstance(token_type, str) or token_type not in _TYPES or "crit" in header:
        raise InvalidToken
    return kid
