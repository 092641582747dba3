"""The public keys that verify tokens, by their key ids (`kid`)."""

from collections.abc import Mapping
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK

from .claims import json_object

MAX_BYTES = 64 * 1024
MAX_KEYS = 100
MIN_RSA_BITS = 2048

ALGORITHMS = {("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256", ("RSA", None): "RS256"}
"""The one algorithm of each type of key (`kty`) and curve (`crv`)."""

Keys = Mapping[str, PyJWK]
"""Public keys by their ids. The type of a key determines its one algorithm; a token with another `alg` is invalid."""


class KeySource(Protocol):
    """A source of keys. It returns the same object for a key for as long as the key is valid."""

    def find(self, kid: str) -> PyJWK | None:
        """Returns the key; blocks on a fetch for a few seconds at most.

        Raises `Unavailable` while it cannot know whether the key exists.
        """
        ...

    async def find_async(self, kid: str) -> PyJWK | None:
        """Does the same without blocking the event loop."""
        ...


class StaticKeys:
    """The keys of a JWK set (RFC 7517) that the caller has. Raises `ValueError` for a set without a usable key."""

    def __init__(self, jwks: bytes | str) -> None:
        self._keys = read_keys(jwks.encode() if isinstance(jwks, str) else jwks)

    def find(self, kid: str) -> PyJWK | None:
        return self._keys.get(kid)

    async def find_async(self, kid: str) -> PyJWK | None:
        return self.find(kid)


def read_keys(data: bytes, before: Keys | None = None) -> Keys:
    """Returns the keys of a JWK set that verify signatures by a supported algorithm, and ignores others (RFC 7517 § 5).

    A key that is in `before` too stays the same object. Raises `ValueError` for malformed data, for more than 64 KiB, and for
    a set without a usable key: an issuer always has one.
    """
    if len(data) > MAX_BYTES:
        raise ValueError("the key set is too large")
    entries = json_object(data).get("keys")
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise ValueError("the response is not a key set")
    found: dict[str, PyJWK] = {}
    for entry in entries:
        key = _key(entry) if isinstance(entry, dict) else None
        if key is not None and key.key_id is not None:
            known = (before or {}).get(key.key_id)
            found.setdefault(key.key_id, known if known is not None and known.key == key.key else key)
    if not found:
        raise ValueError("the key set has no usable key")
    return found


def _key(jwk: dict[str, object]) -> PyJWK | None:
    """Returns None for a key that is unusable."""
    kid, kty, crv, use = jwk.get("kid"), jwk.get("kty"), jwk.get("crv"), jwk.get("use", "sig")
    if not isinstance(kid, str) or not isinstance(kty, str) or not (crv is None or isinstance(crv, str)):
        return None
    algorithm = ALGORITHMS.get((kty, crv))
    operations = jwk.get("key_ops", ["verify"])
    may_verify = use == "sig" and isinstance(operations, list) and "verify" in operations
    if algorithm is None or jwk.get("alg", algorithm) != algorithm or not may_verify or "d" in jwk:
        return None
    try:
        key = PyJWK(jwk, algorithm)
    except Exception:  # noqa: BLE001 — any error of the library means that the key is unusable
        return None
    return None if isinstance(key.key, RSAPublicKey) and key.key.key_size < MIN_RSA_BITS else key
