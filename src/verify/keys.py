"""The public keys that tokens are checked with, by their ids."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from .refusals import Unavailable
from .strict_json import read_object

MOST_BYTES = 64 * 1024
MOST_KEYS = 100
_LEAST_RSA_BITS = 2048
_LOOK_EVERY = 2.0

_ALGORITHMS = {("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256", ("RSA", None): "RS256"}


@dataclass(frozen=True, slots=True)
class Key:
    """A public key. The one algorithm that it serves follows from its own kind, and never from a token."""

    kid: str
    jwk: Mapping[str, object] = field(repr=False)
    public: jwt.PyJWK = field(repr=False, compare=False)

    @property
    def algorithm(self) -> str:
        return self.public.algorithm_name


Keys = Mapping[str, Key]


class KeySource(Protocol):
    """Where keys come from. The same key is answered as the same object for as long as it is good."""

    def find(self, kid: str) -> Key | None:
        """May wait for another machine, for seconds at most. Raises `Unavailable` where it cannot tell whether there is one."""
        ...

    async def find_awaited(self, kid: str) -> Key | None:
        """The same without holding up the event loop."""
        ...


class GivenKeys:
    """The keys of a JWK set (RFC 7517) that is at hand. Raises `ValueError` where none of them is of use."""

    def __init__(self, jwks: bytes | str) -> None:
        self._keys = read_keys(jwks.encode() if isinstance(jwks, str) else jwks)

    def find(self, kid: str) -> Key | None:
        return self._keys.get(kid)

    async def find_awaited(self, kid: str) -> Key | None:
        return self.find(kid)


class FileKeys:
    """The keys of a JWK set in a file, which is looked at again every two seconds and read again when it was changed.

    While it is not there or cannot be read, the keys that it had last go on serving; `Unavailable` where it never had any.
    """

    def __init__(self, path: Path | str, *, clock: Callable[[], float] = monotonic) -> None:
        self._path = Path(path)
        self._clock = clock
        self._lock = Lock()
        self._looked_at = float("-inf")
        self._seen: tuple[int, int, int] | None = None
        self._keys: Keys = {}

    def find(self, kid: str) -> Key | None:
        if self._clock() - self._looked_at >= _LOOK_EVERY:
            with self._lock:
                self._look()
        if not self._keys:
            raise Unavailable
        return self._keys.get(kid)

    async def find_awaited(self, kid: str) -> Key | None:
        return self.find(kid)

    def _look(self) -> None:
        self._looked_at = self._clock()
        try:
            now = self._path.stat()
            seen = (now.st_mtime_ns, now.st_size, now.st_ino)
            if seen != self._seen:
                with self._path.open("rb") as file:
                    self._keys = read_keys(file.read(MOST_BYTES + 1), self._keys)
                self._seen = seen
        except (OSError, ValueError):
            return


def read_keys(data: bytes, before: Keys | None = None) -> Keys:
    """The keys of a JWK set that are for signatures of a kind known here; others are passed over (RFC 7517 § 5).

    A key that was there before stays the object that it was. Raises `ValueError` where it is no such set, is larger than
    64 KiB, or has no key of use: nobody signs with none.
    """
    if len(data) > MOST_BYTES:
        raise ValueError("the key set is too large")
    entries = read_object(data).get("keys")
    if not isinstance(entries, list) or len(entries) > MOST_KEYS:
        raise ValueError("it is no key set")
    found: dict[str, Key] = {}
    for key in _readable(entries):
        known = (before or {}).get(key.kid)
        found.setdefault(key.kid, known if known == key and known is not None else key)
    if not found:
        raise ValueError("the key set has no key of use")
    return found


def _readable(entries: list[object]) -> Iterator[Key]:
    for entry in entries:
        if isinstance(entry, dict):
            key = _key({str(name): value for name, value in entry.items()})
            if key is not None:
                yield key


def _key(jwk: dict[str, object]) -> Key | None:
    kid, kty, crv, use = jwk.get("kid"), jwk.get("kty"), jwk.get("crv"), jwk.get("use", "sig")
    if not isinstance(kid, str) or not isinstance(kty, str) or not (crv is None or isinstance(crv, str)):
        return None
    algorithm = _ALGORITHMS.get((kty, crv))
    operations = jwk.get("key_ops", ["verify"])
    may_verify = use == "sig" and isinstance(operations, list) and "verify" in operations
    if algorithm is None or jwk.get("alg", algorithm) != algorithm or not may_verify or "d" in jwk:
        return None
    try:
        public = jwt.PyJWK(jwk, algorithm)
    except Exception:  # noqa: BLE001 — whatever the library stumbles over, it is no key of use
        return None
    if isinstance(public.key, RSAPublicKey) and public.key.key_size < _LEAST_RSA_BITS:
        return None
    return Key(kid, jwk, public)
