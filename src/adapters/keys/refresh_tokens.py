"""Refresh tokens: a session's id and a generation under a MAC, so that nothing secret is stored.

The text is `vst_rt_`, then base64url of: secret's number (2 bytes), generation (4), session id (ASCII), MAC (16).
"""

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

from ...domain.session import MAX_LIFETIME_SECONDS
from ...verify.claims import SESSION_ID
from .keyset import Secret
from .lifecycle import active_key, terms

PREFIX = "vst_rt_"
MAX_GENERATION = 2**32 - 1

_DOMAIN = b"vestibule refresh token 1\0"
_HEAD = struct.Struct(">HI")
_MAC_BYTES = 16
_MAX_LENGTH = 160


class RefreshTokens:
    """Makes and reads refresh tokens; the secret in use makes them, and one that was reads them while a session can live."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        self._secrets = tuple(secrets)
        self._terms = {term.key.number: term for term in terms(self._secrets)}

    def make(self, session_id: str, generation: int, now: float) -> str:
        """Raises `ValueError` for a session id or a generation that no token can carry."""
        if not SESSION_ID.fullmatch(session_id) or not 0 <= generation <= MAX_GENERATION:
            raise ValueError("a session id has 1 to 64 letters and digits, and a generation 32 bits")
        secret = active_key(self._secrets, now)
        said = _HEAD.pack(secret.number, generation) + session_id.encode("ascii")
        return _spelled(said + _mac(secret.key, said))

    def read(self, text: str, now: float) -> tuple[str, int] | None:
        """The session id and generation, for the one spelling that `make` gave; None for any other text."""
        sealed = _unspelled(text)
        if sealed is None or len(sealed) <= _HEAD.size + _MAC_BYTES:
            return None
        said, mac = sealed[:-_MAC_BYTES], sealed[-_MAC_BYTES:]
        number, generation = _HEAD.unpack_from(said)
        term = self._terms.get(number)
        if term is None or now >= term.ends(MAX_LIFETIME_SECONDS) or not hmac.compare_digest(mac, _mac(term.key.key, said)):
            return None
        return said[_HEAD.size :].decode("ascii"), generation


def _mac(key: bytes, said: bytes) -> bytes:
    return hmac.digest(key, _DOMAIN + said, "sha256")[:_MAC_BYTES]


def _spelled(sealed: bytes) -> str:
    return PREFIX + urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")


def _unspelled(text: str) -> bytes | None:
    if len(text) > _MAX_LENGTH or not text.startswith(PREFIX):
        return None
    body = text.removeprefix(PREFIX)
    try:
        sealed = urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except ValueError:
        return None
    # The decoder skips what is not base64 and ignores spare bits: only what it would spell so itself is a token.
    return sealed if _spelled(sealed) == text else None
