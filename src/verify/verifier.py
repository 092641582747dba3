"""A token's text turned into who it speaks for."""

import re
from base64 import urlsafe_b64decode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from time import time
from types import MappingProxyType

import jwt

from .identity import Identity
from .keys import Key, KeySource
from .refusals import InvalidToken, NotAuthenticated
from .revocations import Revocations
from .strict_json import read_object

MAX_LENGTH = 4096
MAX_LEEWAY = 30
_MAX_ACCOUNT_ID = 2**63 - 1

_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+", re.ASCII)
_SUBJECT = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_SESSION_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_TYPES = frozenset({"at+jwt", "application/at+jwt"})


@dataclass(frozen=True, slots=True)
class _Good:
    """A token that was verified by this key; whether now is its time is looked at each time."""

    identity: Identity
    key: Key
    good_from: float


class Verifier:
    """Checks access tokens (RFC 9068) of one issuer, offline. Call it, or from a coroutine await `verify`.

    Checked are, in this order: at most 4096 bytes of the alphabet of a JWT, `typ`, `kid`, the signature by the algorithm that
    the key itself is for, `iss`, `aud`, the account and the session, the time, and whether `revocations` tells that the session
    has ended. `audience` is the issuer where none is given, as Vestibule signs it. `leeway` (0 to 30 seconds) is how far ahead
    the issuer's clock may be; an end is never put off. `keep` is how many verified tokens are remembered, so that one seen
    again costs no signature check; what is answered is the same with and without.

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
        keep: int = 10_000,
        clock: Callable[[], float] = time,
    ) -> None:
        if not issuer or audience == "":
            raise ValueError("access tokens have an issuer and an audience")
        if not 0 <= leeway <= MAX_LEEWAY:
            raise ValueError(f"the leeway is 0 to {MAX_LEEWAY} seconds, not {leeway}")
        self._issuer = issuer
        self._audience = audience if audience is not None else issuer
        self._keys = keys
        self._revocations = revocations
        self._leeway = leeway
        self._keep = keep
        self._clock = clock
        self._reader = _reader()
        self._verified: OrderedDict[str, _Good] = OrderedDict()
        self._lock = Lock()

    def __call__(self, token: str | None) -> Identity:
        """Raises `NotAuthenticated` without a token, `InvalidToken` for a bad one, `Unavailable` where it cannot be told.

        May wait for seconds where keys have to be fetched.
        """
        known = self._known(token)
        kid = known.key.kid if known else _kid(token)
        return self._judge(token or "", known, self._keys.find(kid))

    async def verify(self, token: str | None) -> Identity:
        """The same without holding up the event loop."""
        known = self._known(token)
        kid = known.key.kid if known else _kid(token)
        return self._judge(token or "", known, await self._keys.find_awaited(kid))

    def _known(self, token: str | None) -> _Good | None:
        return self._verified.get(token) if token else None

    def _judge(self, token: str, known: _Good | None, key: Key | None) -> Identity:
        if key is None:
            raise InvalidToken
        good = known if known is not None and known.key is key else self._good(token, key)
        now = self._clock()
        if now >= good.identity.expires_at:
            self._verified.pop(token, None)
            raise InvalidToken("The access token has expired.")
        if now < good.good_from:
            raise InvalidToken("The access token is not valid yet.")
        if self._revocations is not None and self._revocations.include(good.identity.session_id):
            raise InvalidToken("The session has ended.")
        if good is not known:
            self._remember(token, good)
        return good.identity

    def _good(self, token: str, key: Key) -> _Good:
        try:
            said = self._reader.decode(
                token, key.public, algorithms=[key.algorithm], issuer=self._issuer, audience=self._audience
            )
            identity = _identity(said)
        except Exception:  # noqa: BLE001 — whatever the decoder stumbles over, it is no token of the issuer
            raise InvalidToken from None
        begins = said["nbf"]
        if type(begins) is not int:
            raise InvalidToken
        return _Good(identity, key, max(begins, identity.issued_at) - self._leeway)

    def _remember(self, token: str, good: _Good) -> None:
        with self._lock:
            self._verified[token] = good
            while len(self._verified) > self._keep:
                self._verified.popitem(last=False)


def _kid(token: str | None) -> str:
    """Which key the token says to be of. Raises `InvalidToken` for what is no access token, before anything else is done."""
    if not token:
        raise NotAuthenticated
    shape = _SHAPE.fullmatch(token) if len(token) <= MAX_LENGTH else None
    if shape is None:
        raise InvalidToken
    try:
        header = read_object(_decoded(shape[1]))
        read_object(_decoded(shape[2]))
    except ValueError:
        raise InvalidToken from None
    kid, kind = header.get("kid"), header.get("typ")
    if not isinstance(kid, str) or not isinstance(kind, str) or kind not in _TYPES or "crit" in header:
        raise InvalidToken
    return kid


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _identity(said: Mapping[str, object]) -> Identity:
    """Raises `ValueError` where a claim is not of its kind."""
    subject, session_id, issued_at, expires_at = said["sub"], said["sid"], said["iat"], said["exp"]
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject) or int(subject) > _MAX_ACCOUNT_ID:
        raise ValueError("sub")
    if not isinstance(session_id, str) or not _SESSION_ID.fullmatch(session_id):
        raise ValueError("sid")
    if type(issued_at) is not int or type(expires_at) is not int:
        raise ValueError("iat, exp")
    return Identity(
        account_id=int(subject),
        session_id=session_id,
        issued_at=issued_at,
        expires_at=expires_at,
        claims=MappingProxyType(dict(said)),
    )


def _reader() -> jwt.PyJWT:
    """Looks at everything but the time: PyJWT asks the wall clock, and the clock is given."""
    return jwt.PyJWT(
        {
            "require": ["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "sid"],
            "strict_aud": True,
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
        }
    )
