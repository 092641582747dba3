"""Access tokens as JWT (RFC 7519, profile of RFC 9068) signed with Ed25519, and refresh tokens beside them."""

import re
from math import floor
from secrets import token_urlsafe
from typing import Any

import jwt

from ...application.ports import Claims
from .keys import Keys, SigningKey
from .refresh import SESSION_ID, RefreshTokens
from .verified import Good, VerifiedTokens

ALGORITHM = "EdDSA"
TYPE = "at+jwt"
MAX_LENGTH = 4096
MAX_LEEWAY = 30
MAX_ACCESS_SECONDS = 3600
MAX_ACCOUNT_ID = 2**63 - 1

_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}", re.ASCII)
_SUBJECT = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_JTI_BYTES = 16


class JwtTokens:
    """The port `Tokens`. Raises `ValueError` for settings out of range.

    `access_seconds` (1 to 3600) is an access token's life. `leeway` (0 to 30 seconds) is how far ahead the clock of another
    node that signed it may be; an end is never put off. `keep` is how many verified tokens are remembered, so that one
    seen again costs no signature check; what is answered is the same with and without.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        issuer: str,
        audience: str,
        access_seconds: int = 300,
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
        self._current = keys.signing[-1]
        self._by_header = {_header(key): key for key in keys.signing}
        self._reader = _reader()
        self._leeway = leeway
        self._verified = VerifiedTokens(keep)
        self._refresh = RefreshTokens(keys.refresh)

    @property
    def access_seconds(self) -> int:
        return self._access_seconds

    def access(self, account_id: int, session_id: str, now: float) -> str:
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
        return _signed(claims, self._current)

    def read_access(self, text: str, now: float) -> Claims | None:
        known = self._verified.find(text)
        if known is None:
            known = self._verify(text)
            if known is None:
                return None
            self._verified.add(text, known)
        claims, good_from = known
        return claims if good_from <= now < claims.expires_at else None

    def refresh(self, session_id: str, generation: int) -> str:
        return self._refresh.make(session_id, generation)

    def read_refresh(self, text: str) -> tuple[str, int] | None:
        return self._refresh.read(text)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public halves of all signing keys, as a JWK set (RFC 7517)."""
        return {"keys": [key.jwk() for key in self._by_header.values()]}

    def _verify(self, text: str) -> Good | None:
        """What a token of ours says, and from when to when; whether that is now is not looked at."""
        shape = _SHAPE.fullmatch(text) if len(text) <= MAX_LENGTH else None
        # A header is looked up as it is spelled: type, algorithm and key id are ours, or nothing is even parsed.
        key = self._by_header.get(shape[1]) if shape else None
        if key is None:
            return None
        try:
            said = self._reader.decode(text, key.public, algorithms=[ALGORITHM], issuer=self._issuer, audience=self._audience)
            return _good(said, self._leeway)
        except Exception:  # noqa: BLE001 — whatever the decoder stumbles over, it is no token of ours
            return None


def _good(said: dict[str, Any], leeway: int) -> Good | None:
    subject, session_id = said["sub"], said["sid"]
    moments = [said[name] for name in ("iat", "nbf", "exp")]
    if not _SUBJECT.fullmatch(subject) or int(subject) > MAX_ACCOUNT_ID or not SESSION_ID.fullmatch(session_id):
        return None
    if any(type(moment) is not int for moment in moments):
        return None
    return Claims(int(subject), session_id, float(moments[2])), float(max(moments[:2]) - leeway)


def _reader() -> jwt.PyJWT:
    """Looks at everything but the time: PyJWT asks the wall clock, and the caller has its own."""
    return jwt.PyJWT(
        {
            "require": ["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "sid"],
            "strict_aud": True,
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
        }
    )


def _signed(claims: dict[str, Any], key: SigningKey) -> str:
    return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid, "typ": TYPE})


def _header(key: SigningKey) -> str:
    """The first part of every token that this key signs."""
    return _signed({}, key).partition(".")[0]
