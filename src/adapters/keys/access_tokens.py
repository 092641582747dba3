"""Access tokens as JWT (RFC 7519, profile of RFC 9068) signed with Ed25519, and refresh tokens beside them."""

import re
from collections.abc import Callable
from math import floor
from secrets import token_urlsafe
from time import time

from ...application.ports import AccessClaims
from ...verify.claims import MAX_ACCOUNT_ID, MAX_LEEWAY, MAX_TOKEN_LENGTH, SESSION_ID, claims_decoder, read_claims
from .keyset import KeySource
from .lifecycle import ACCESS_SECONDS, active_key
from .ring import ALGORITHM, Ring, signed
from .token_cache import Good

MAX_ACCESS_SECONDS = 3600

_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}", re.ASCII)
_JTI_BYTES = 16


class JwtTokens:
    """The port `Tokens`. Raises `ValueError` for settings out of range.

    `access_seconds` (1 to 3600) is an access token's life. `leeway` (0 to 30 seconds) is how far ahead the clock of another
    node that signed it may be; an end is never put off. `keep` is how many verified tokens are remembered, so that one
    seen again costs no signature check; what is answered is the same with and without.

    A signing key is published before it signs, and verifies for as long as a token that it signed can be good. Keys that the
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
        keep: int = 10_000,
    ) -> None:
        if not issuer or not audience:
            raise ValueError("access tokens need an issuer and an audience")
        if not 1 <= access_seconds <= MAX_ACCESS_SECONDS:
            raise ValueError(f"access tokens live 1 to {MAX_ACCESS_SECONDS} seconds, not {access_seconds}")
        if not 0 <= leeway <= MAX_LEEWAY:
            raise ValueError(f"the leeway is 0 to {MAX_LEEWAY} seconds, not {leeway}")
        self._access_seconds = access_seconds
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._decoder = claims_decoder()
        self._leeway = leeway
        self._keep = keep
        self._source = keys
        self._latest = Ring(keys.current(), keep=keep, grace=access_seconds + leeway)

    @property
    def access_seconds(self) -> int:
        return self._access_seconds

    def issue_access(self, account_id: int, session_id: str, now: float) -> str:
        """Raises `ValueError` for an account id or a session id that no token can carry."""
        if not 1 <= account_id <= MAX_ACCOUNT_ID or not SESSION_ID.fullmatch(session_id):
            raise ValueError("an access token is for a stored account and a session of it")
        issued_at = floor(now)
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(account_id),
            "iat": issued_at,
            "nbf": issued_at,
            "exp": issued_at + self._access_seconds,
            "jti": token_urlsafe(_JTI_BYTES),
            "sid": session_id,
        }
        return signed(claims, active_key(self._ring().keys.signing, now))

    def verify_access(self, text: str, now: float) -> AccessClaims | None:
        ring = self._ring()
        known = ring.verified.find(text)
        if known is None:
            known = self._verify(text, ring)
            if known is None:
                return None
            ring.verified.add(text, known)
        claims, good_from, good_until = known
        return claims if good_from <= now < good_until else None

    def issue_refresh(self, session_id: str, generation: int) -> str:
        return self._ring().refresh.make(session_id, generation, self._clock())

    def verify_refresh(self, text: str) -> tuple[str, int] | None:
        return self._ring().refresh.read(text, self._clock())

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public halves of the signing keys that wait, sign or still verify, as a JWK set (RFC 7517)."""
        now = self._clock()
        return {"keys": [key.jwk() for key, ends in self._ring().by_header.values() if now < ends]}

    def _ring(self) -> Ring:
        """What the keys are good for; made anew, with nothing remembered, when they have changed."""
        keys, ring = self._source.current(), self._latest
        if ring.keys is not keys:
            ring = self._latest = Ring(keys, keep=self._keep, grace=self._access_seconds + self._leeway)
        return ring

    def _verify(self, text: str, ring: Ring) -> Good | None:
        """What a token of ours says, and from when to when; whether that is now is not looked at."""
        shape = _SHAPE.fullmatch(text) if len(text) <= MAX_TOKEN_LENGTH else None
        # A header is looked up as it is spelled: type, algorithm and key id are ours, or nothing is even parsed.
        held = ring.by_header.get(shape[1]) if shape else None
        if held is None:
            return None
        key, ends = held
        try:
            payload = self._decoder.decode(
                text, key.public, algorithms=[ALGORITHM], issuer=self._issuer, audience=self._audience
            )
            claims = read_claims(payload)
        except Exception:  # noqa: BLE001 — any error of the decoder means that the token is not one of ours
            return None
        expires_at = float(claims.expires_at)
        valid_from = float(max(claims.issued_at, claims.not_before) - self._leeway)
        return AccessClaims(claims.account_id, claims.session_id, expires_at), valid_from, min(expires_at, ends)
