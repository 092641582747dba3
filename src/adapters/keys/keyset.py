"""The key set of a deployment: a private JSON Web Key set (RFC 7517) of four kinds of keys."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache, partial
from hashlib import sha256
from secrets import token_bytes
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from jwt import InvalidKeyError
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.utils import base64url_encode

from ...application.ports import SIGNING_ALGORITHMS
from ...verify.keys import ALGORITHMS, MIN_RSA_BITS

SECRET_BYTES = 32
MAX_SECRET_BYTES = 1024
MAX_NUMBER = 9999
_MIN_DIFFERENT_BYTES = 10
_MAX_MOMENT = 2**53

_NO_KEY = "not a private key for EdDSA (kty OKP, crv Ed25519), ES256 (kty EC, crv P-256) or RS256 (kty RSA, 2048 bits or more)"

ALWAYS = 0.0
"""The `active_from` of a key whose entry has no `nbf`."""


PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey
PublicKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey

DEFAULT_ALGORITHM = SIGNING_ALGORITHMS[0]
_GENERATE: Mapping[str, Callable[[], PrivateKey]] = {
    "EdDSA": Ed25519PrivateKey.generate,
    "ES256": partial(ec.generate_private_key, ec.SECP256R1()),
    "RS256": partial(rsa.generate_private_key, 65537, MIN_RSA_BITS),
}
_JWK: Mapping[str, Any] = {"EdDSA": OKPAlgorithm, "ES256": ECAlgorithm, "RS256": RSAAlgorithm}


class KeyKind(StrEnum):
    """The purposes of keys: signing access tokens, deriving codes, authenticating refresh tokens, keying digests."""

    SIGNING = "signing"
    CODES = "codes"
    REFRESH = "refresh"
    DIGESTS = "digests"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair that signs from `active_from` on, by the one algorithm that its type has.

    `kid` is the RFC 7638 thumbprint of its public half.
    """

    kid: str
    algorithm: str
    private: PrivateKey = field(repr=False, compare=False)
    public: PublicKey = field(repr=False, compare=False)
    number: int = 1
    active_from: float = ALWAYS

    @classmethod
    def generate(cls, number: int = 1, active_from: float = ALWAYS, algorithm: str = DEFAULT_ALGORITHM) -> "SigningKey":
        return cls._of(_GENERATE[algorithm](), algorithm, number, active_from)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any], number: int, active_from: float) -> "SigningKey":
        """Raises `ValueError` for anything but a private key of one of the algorithms, whose public half is its own."""
        try:
            algorithm = ALGORITHMS[jwk["kty"], jwk.get("crv")]
            private = _JWK[algorithm].from_jwk(dict(jwk))
            public = _members(private.public_key(), algorithm)
        except (InvalidKeyError, ValueError, TypeError, KeyError, AttributeError):  # a public key has no public half
            raise ValueError(_NO_KEY) from None
        is_weak = isinstance(private, RSAPrivateKey) and private.key_size < MIN_RSA_BITS
        if is_weak or jwk.get("alg", algorithm) != algorithm or public != {name: jwk.get(name) for name in public}:
            raise ValueError(_NO_KEY)
        return cls._of(private, algorithm, number, active_from)

    def public_jwk(self) -> dict[str, str]:
        """The public half as a JSON Web Key (RFC 7517, RFC 8037)."""
        return {**_members(self.public, self.algorithm), "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def private_jwk(self) -> dict[str, str]:
        return {**self.public_jwk(), **_members(self.private, self.algorithm)}

    @classmethod
    def _of(cls, private: PrivateKey, algorithm: str, number: int, active_from: float) -> "SigningKey":
        public = private.public_key()
        members = json.dumps(_members(public, algorithm), separators=(",", ":"), sort_keys=True)
        kid = base64url_encode(sha256(members.encode()).digest()).decode()
        return cls(kid, algorithm, private, public, number, active_from)


@dataclass(frozen=True, slots=True)
class SymmetricKey:
    """32 to 1024 random bytes that make new values from `active_from` on.

    Values made with a secret carry its number (1 to 9999), which selects the secret that verifies them.

    Raises `ValueError` for a number or a length out of range, and for bytes that are plainly not random.
    """

    number: int
    key: bytes = field(repr=False)
    active_from: float = ALWAYS

    def __post_init__(self) -> None:
        _require_number(self.number)
        if not SECRET_BYTES <= len(self.key) <= MAX_SECRET_BYTES:
            raise ValueError(f"a secret has {SECRET_BYTES} to {MAX_SECRET_BYTES} bytes, this one has {len(self.key)}")
        if len(set(self.key)) < _MIN_DIFFERENT_BYTES:
            raise ValueError("a secret is random, this one has too few different bytes")

    @classmethod
    def generate(cls, number: int = 1, active_from: float = ALWAYS) -> "SymmetricKey":
        return cls(number, token_bytes(SECRET_BYTES), active_from)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any], number: int, active_from: float) -> "SymmetricKey":
        """Raises `ValueError` for anything but a symmetric key in base64url without padding."""
        try:
            key = HMACAlgorithm.from_jwk(dict(jwk))
        except (InvalidKeyError, ValueError, TypeError, KeyError):
            key = b""
        if not key or base64url_encode(key).decode() != jwk["k"]:
            raise ValueError("not a secret (kty oct, k in base64url without padding)")
        return cls(number, key, active_from)

    def private_jwk(self) -> dict[str, str]:
        return {"kty": "oct", "k": base64url_encode(self.key).decode()}


Key = SigningKey | SymmetricKey


@dataclass(frozen=True, slots=True)
class KeySet:
    """All keys of a deployment, each kind oldest first.

    The secret of keyed digests is not rotated: digests are compared for as long as they are stored.
    """

    signing: tuple[SigningKey, ...] = ()
    codes: tuple[SymmetricKey, ...] = ()
    refresh: tuple[SymmetricKey, ...] = ()
    digests: tuple[SymmetricKey, ...] = ()

    @classmethod
    def generate(cls, active_from: float = ALWAYS, algorithm: str = DEFAULT_ALGORITHM) -> "KeySet":
        """Returns new keys that are stored nowhere: for tests, and for host applications with a storage of their own."""
        return cls().completed(active_from, algorithm)

    @classmethod
    def from_json(cls, document: bytes) -> "KeySet":
        """Raises `ValueError`, one line that names the key and reveals none of it, if a key is invalid."""
        return _read_set(document)

    def to_json(self) -> bytes:
        entries = [_entry(kind, key) for kind in KeyKind for key in self.of(kind)]
        return json.dumps({"keys": entries}, indent=1).encode() + b"\n"

    def of(self, kind: KeyKind) -> tuple[Key, ...]:
        keys: tuple[Key, ...] = getattr(self, kind.value)
        return keys

    def completed(self, active_from: float, algorithm: str = DEFAULT_ALGORITHM) -> "KeySet":
        """Returns the set with a new key of each kind that has none. Times are stored in whole seconds."""
        active_from = float(int(active_from))
        keys: dict[str, Any] = {kind.value: self.of(kind) or (_generate(kind, 1, active_from, algorithm),) for kind in KeyKind}
        return KeySet(**keys)

    def activated(self, kind: KeyKind, number: int, active_from: float, algorithm: str = DEFAULT_ALGORITHM) -> "KeySet":
        """Returns the set with that key active from then on, instead of later; a key that does not exist is generated."""
        existing = next((key for key in self.of(kind) if key.number == number), None)
        activated = existing or _generate(kind, number, active_from, algorithm)
        others = self.without(kind, number).of(kind)
        return _with(self, kind, [*others, replace(activated, active_from=float(int(active_from)))])

    def without(self, kind: KeyKind, number: int) -> "KeySet":
        return _with(self, kind, [key for key in self.of(kind) if key.number != number])

    def require_complete(self) -> "KeySet":
        """Returns the set itself. Raises `ValueError` if a kind has no key."""
        missing = [kind for kind in KeyKind if not self.of(kind)]
        if missing:
            raise ValueError(f"there is no key of the kind {', '.join(missing)}")
        return self

    def current(self) -> "KeySet":
        """Returns the set itself: keys that never change are their own `KeySource`."""
        return self


class KeySource(Protocol):
    """A source of keys that may be rotated while they are in use."""

    def current(self) -> KeySet:
        """Returns the same object for as long as the keys are the same."""
        ...


def _type(kind: KeyKind) -> type[Key]:
    return SigningKey if kind is KeyKind.SIGNING else SymmetricKey


def _generate(kind: KeyKind, number: int, active_from: float, algorithm: str) -> Key:
    if kind is KeyKind.SIGNING:
        return SigningKey.generate(number, active_from, algorithm)
    return SymmetricKey.generate(number, active_from)


@lru_cache(1)
def _read_set(document: bytes) -> KeySet:
    """Reads the same document once: a running server reads it every two seconds, and an RSA key takes 40 ms to check."""
    try:
        entries = json.loads(document)["keys"]
    except (ValueError, TypeError, KeyError, RecursionError):
        entries = None
    if not isinstance(entries, list):
        raise ValueError('not a JSON Web Key set: {"keys": [...]}')
    parsed = [_parsed(place, entry) for place, entry in enumerate(entries)]
    twice = [name for name, count in Counter(f"{kind}-{key.number}" for kind, key in parsed).items() if count > 1]
    if twice:
        raise ValueError(f"{twice[0]} occurs more than once")
    keys = KeySet()
    for kind in KeyKind:
        keys = _with(keys, kind, [key for key_kind, key in parsed if key_kind is kind])
    return keys


def _with(keys: KeySet, kind: KeyKind, new: Iterable[Key]) -> KeySet:
    changed: dict[str, Any] = {kind.value: tuple(sorted(new, key=lambda key: key.number))}
    return replace(keys, **changed)


def _entry(kind: KeyKind, key: Key) -> dict[str, Any]:
    nbf = {} if key.active_from == ALWAYS else {"nbf": int(key.active_from)}
    return {"kind": kind.value, "number": key.number, "kid": f"{kind}-{key.number}", **nbf, **key.private_jwk()}


def _parsed(place: int, entry: Any) -> tuple[KeyKind, Key]:
    """An entry's `kid` is written for its readers; the program derives it from the key."""
    name = f"key {place + 1}"
    try:
        kind, number = KeyKind(entry["kind"]), entry["number"]
        _require_number(number)
    except (ValueError, TypeError, KeyError):
        raise ValueError(f"{name}: its kind is one of {', '.join(KeyKind)}, its number 1 to {MAX_NUMBER}") from None
    try:
        return kind, _type(kind).from_jwk(entry, number, _parse_nbf(entry.get("nbf", ALWAYS)))
    except ValueError as error:
        raise ValueError(f"{kind}-{number}: {error}") from None


def _parse_nbf(value: Any) -> float:
    """Refuses every other value: the key would become active too early."""
    if value != ALWAYS and (type(value) is not int or not 0 <= value <= _MAX_MOMENT):
        raise ValueError("its nbf is the whole number of seconds since 1970 from which it is active")
    return float(value)


def _require_number(number: Any) -> None:
    if type(number) is not int or not 1 <= number <= MAX_NUMBER:
        raise ValueError(f"the number of a key is 1 to {MAX_NUMBER}")


def _members(key: PrivateKey | PublicKey, algorithm: str) -> dict[str, str]:
    """The members of its JWK that make up the key: those of a public one are the ones that RFC 7638 hashes."""
    members: dict[str, Any] = _JWK[algorithm].to_jwk(key, as_dict=True)
    return {name: value for name, value in members.items() if name != "key_ops"}
