"""Access tokens as JWT (RFC 7519, profile of RFC 9068), signed by EdDSA, ES256 or RS256."""

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from math import floor
from secrets import token_urlsafe
from time import time
from typing import Any, NamedTuple

import jwt

from ...application.ports import AccessClaims
from ...domain.session import MAX_ACCESS_SECONDS
from ...verify.claims import MAX_ACCOUNT_ID, MAX_LEEWAY, MAX_TOKEN_LENGTH, SESSION_ID, claims_decoder, read_claims
from .keyset import KeyKind, KeySet, KeySource, SigningKey
from .lifecycle import ACCESS_SECONDS, VALUE_LIFETIME, active_key, lifetimes
from .refresh_tokens import RefreshTokens

TYPE = "at+jwt"

_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_JTI_BYTES = 16
_JWS = jwt.PyJWS()


class VerifiedToken(NamedTuple):
    """The claims of a token with a valid signature, which is accepted from `not_before` until just before `end`."""

    claims: AccessClaims
    not_before: float
    end: float


class KeyRing:
    """A key set prepared for use. `by_header` maps the encoded JWT header to its signing key and the key's expiry.

    The cache `verified` belongs to this key set: the latest `cache_size` results of `verify`, because checking a signature
    costs hundreds of times a look-up. Exceptions are not kept: no invalid token takes the place of a valid one.
    """

    def __init__(self, keys: KeySet, verify: Callable[["KeyRing", str], VerifiedToken], *, cache_size: int) -> None:
        self.keys = keys.require_complete()
        lifetime = VALUE_LIFETIME[KeyKind.SIGNING]
        self.by_header = {_header(life.key): (life.key, life.expires_at(lifetime)) for life in lifetimes(keys.signing)}
        self.verified = lru_cache(cache_size)(partial(verify, self))
        self.refresh = RefreshTokens(keys.refresh)


class JwtTokens:
    """The port `Tokens`. Raises `ValueError` for settings out of range.

    `access_seconds` (1 to 3600) is the lifetime of an access token. `leeway` (0 to 30 seconds) is how far ahead the clock of
    the node that signed it may be; it never extends the lifetime. `cache_size` is the number of verified tokens whose
    signature is not checked again; results are the same with and without.

    A signing key is published before it signs, and verifies for as long as a token that it signed can be valid. Keys that the
    source no longer has verify nothing from then on.
    """

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str,
        audience: str,
        clock: Callable[[], float] = time,
        access_seconds: int = ACCESS_SECONDS,
        leeway: int = MAX_LEEWAY,
        cache_size: int = 10_000,
    ) -> None:
        if not issuer or not audience:
            raise ValueError("issuer and audience must not be empty")
        if not 1 <= access_seconds <= MAX_ACCESS_SECONDS:
            raise ValueError(f"access_seconds must be 1 to {MAX_ACCESS_SECONDS}, not {access_seconds}")
        if not 0 <= leeway <= MAX_LEEWAY:
            raise ValueError(f"leeway must be 0 to {MAX_LEEWAY} seconds, not {leeway}")
        self.access_seconds = access_seconds
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._decoder = claims_decoder()
        self._leeway = leeway
        self._cache_size = cache_size
        self._source = keys
        self._latest = self._ring_of(keys.current())

    def issue_access(self, account_id: int, session_id: str, now: float, claims: Mapping[str, object] | None = None) -> str:
        """Raises `ValueError` for an account id or a session id that no token can carry."""
        if not 1 <= account_id <= MAX_ACCOUNT_ID or not SESSION_ID.fullmatch(session_id):
            raise ValueError(f"account_id must be 1 to {MAX_ACCOUNT_ID}, session_id must match {SESSION_ID.pattern}")
        issued_at = floor(now)
        payload = {
            **(claims or {}),
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(account_id),
            "iat": issued_at,
            "nbf": issued_at,
            "exp": issued_at + self.access_seconds,
            "jti": token_urlsafe(_JTI_BYTES),
            "sid": session_id,
        }
        return _signed(payload, active_key(self._ring().keys.signing, now))

    def verify_access(self, text: str, now: float) -> AccessClaims | None:
        try:
            claims, not_before, end = self._ring().verified(text)
        except ValueError:
            return None
        return claims if not_before <= now < end else None

    def issue_refresh(self, session_id: str, generation: int) -> str:
        return self._ring().refresh.issue(session_id, generation, self._clock())

    def verify_refresh(self, text: str) -> tuple[str, int] | None:
        return self._ring().refresh.verify(text, self._clock())

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public halves of the signing keys that are not expired, as a JWK set (RFC 7517)."""
        now = self._clock()
        return {"keys": [key.public_jwk() for key, expires_at in self._ring().by_header.values() if now < expires_at]}

    def _ring(self) -> KeyRing:
        """A changed key set gets a new ring, with an empty cache."""
        keys, ring = self._source.current(), self._latest
        if ring.keys is not keys:
            ring = self._latest = self._ring_of(keys)
        return ring

    def _ring_of(self, keys: KeySet) -> KeyRing:
        return KeyRing(keys, self._verify, cache_size=self._cache_size)

    def _verify(self, ring: KeyRing, text: str) -> VerifiedToken:
        """Verifies everything but the time. Raises `ValueError`."""
        shape = _SHAPE.fullmatch(text) if len(text) <= MAX_TOKEN_LENGTH else None
        # The header is looked up by its exact spelling: type, algorithm and key id belong together, or nothing is parsed.
        if shape is None or shape[1] not in ring.by_header:
            raise ValueError
        key, expires_at = ring.by_header[shape[1]]
        try:
            payload = self._decoder.decode(
                text, key.public, algorithms=[key.algorithm], issuer=self._issuer, audience=self._audience
            )
            claims = read_claims(payload)
            end = float(claims.expires_at)
            not_before = float(max(claims.issued_at, claims.not_before) - self._leeway)
        except Exception:  # noqa: BLE001 — any error means that the token is not one of ours, as an `exp` beyond any float
            raise ValueError from None
        return VerifiedToken(AccessClaims(claims.account_id, claims.session_id, end), not_before, min(end, expires_at))


def _signed(claims: dict[str, Any], key: SigningKey) -> str:
    payload = json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode()  # names of any script stay short
    return _JWS.encode(payload, key.private, algorithm=key.algorithm, headers={"kid": key.kid, "typ": TYPE})


def _header(key: SigningKey) -> str:
    return _signed({}, key).partition(".")[0]
