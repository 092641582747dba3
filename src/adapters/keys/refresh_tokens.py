"""Refresh tokens: a session id and a generation with a MAC, so that the database stores no secret.

The text is `vst_rt_`, then base64url of: secret's number (2 bytes), generation (4), session id (ASCII), MAC (16).
"""

import hmac
import struct
from collections.abc import Sequence

from jwt.utils import base64url_decode, base64url_encode

from ...verify.claims import SESSION_ID
from .keyset import KeyKind, SymmetricKey
from .lifecycle import VALUE_LIFETIME, active_key, lifetimes

PREFIX = "vst_rt_"
MAX_GENERATION = 2**32 - 1

_DOMAIN = b"vestibule refresh token 1\0"
_HEAD = struct.Struct(">HI")
_MAC_BYTES = 16
_MAX_LENGTH = 160


class RefreshTokens:
    """Issues refresh tokens with the active secret, and verifies those of a retired one for the lifetime of a session."""

    def __init__(self, secrets: Sequence[SymmetricKey]) -> None:
        self._secrets = tuple(secrets)
        self._lifetimes = {lifetime.key.number: lifetime for lifetime in lifetimes(self._secrets)}

    def issue(self, session_id: str, generation: int, now: float) -> str:
        """Raises `ValueError` for a session id or a generation that no token can carry."""
        if not SESSION_ID.fullmatch(session_id) or not 0 <= generation <= MAX_GENERATION:
            raise ValueError("a session id has 1 to 64 letters and digits, and a generation 32 bits")
        secret = active_key(self._secrets, now)
        payload = _HEAD.pack(secret.number, generation) + session_id.encode("ascii")
        return _encode(payload + _mac(secret.key, payload))

    def verify(self, text: str, now: float) -> tuple[str, int] | None:
        """Returns the session id and generation, or None for any text but the exact one that `issue` returned."""
        token = _decode(text)
        if token is None or len(token) <= _HEAD.size + _MAC_BYTES:
            return None
        payload, mac = token[:-_MAC_BYTES], token[-_MAC_BYTES:]
        number, generation = _HEAD.unpack_from(payload)
        lifetime = self._lifetimes.get(number)
        if lifetime is None or now >= lifetime.expires_at(VALUE_LIFETIME[KeyKind.REFRESH]):
            return None
        if not hmac.compare_digest(mac, _mac(lifetime.key.key, payload)):
            return None
        return payload[_HEAD.size :].decode("ascii"), generation


def _mac(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, _DOMAIN + payload, "sha256")[:_MAC_BYTES]


def _encode(token: bytes) -> str:
    return PREFIX + base64url_encode(token).decode("ascii")


def _decode(text: str) -> bytes | None:
    if len(text) > _MAX_LENGTH:
        return None
    try:
        token = base64url_decode(text.removeprefix(PREFIX))
    except ValueError:
        return None
    # The decoder skips characters outside the alphabet and ignores spare bits: only the canonical spelling is a token.
    return token if _encode(token) == text else None
