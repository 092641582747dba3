"""The keys of one deployment: what signs access tokens, derives codes, seals refresh tokens and blinds what is counted."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_bytes
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from jwt.algorithms import OKPAlgorithm

SECRET_BYTES = 32
MAX_SECRET_BYTES = 1024
MAX_SECRET_NUMBER = 9999
_MIN_DIFFERENT_BYTES = 10

ALWAYS = 0.0
"""When a key began that does not say when."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key pair; `kid` is the RFC 7638 thumbprint of its public half. It signs from the moment `starts`."""

    kid: str
    private: Ed25519PrivateKey = field(repr=False, compare=False)
    public: Ed25519PublicKey = field(repr=False, compare=False)
    number: int = 1
    starts: float = ALWAYS

    @classmethod
    def generate(cls, number: int = 1, starts: float = ALWAYS) -> "SigningKey":
        return cls._of(Ed25519PrivateKey.generate(), number, starts)

    @classmethod
    def from_pem(cls, pem: bytes, number: int = 1, starts: float = ALWAYS) -> "SigningKey":
        """Raises `ValueError` for anything but an unencrypted Ed25519 private key."""
        try:
            private = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            private = None
        if not isinstance(private, Ed25519PrivateKey):
            raise ValueError("not an unencrypted Ed25519 private key in PEM (PKCS #8)")
        return cls._of(private, number, starts)

    def pem(self) -> bytes:
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def jwk(self) -> dict[str, str]:
        """The public half as a JSON Web Key (RFC 8037)."""
        return {**_public_members(self.public), "kid": self.kid, "use": "sig", "alg": "EdDSA"}

    @classmethod
    def _of(cls, private: Ed25519PrivateKey, number: int, starts: float) -> "SigningKey":
        public = private.public_key()
        members = json.dumps(_public_members(public), separators=(",", ":"), sort_keys=True)
        kid = _base64url(sha256(members.encode()).digest())
        return cls(kid=kid, private=private, public=public, number=number, starts=starts)


@dataclass(frozen=True, slots=True)
class Secret:
    """32 to 1024 random bytes, used for what is new from the moment `starts`.

    What they made tells by their number (1 to 9999) which of several they were.

    Raises `ValueError` for a number or a length out of range, and for bytes that are plainly not random.
    """

    number: int
    key: bytes = field(repr=False)
    starts: float = ALWAYS

    def __post_init__(self) -> None:
        if not 1 <= self.number <= MAX_SECRET_NUMBER:
            raise ValueError(f"the number of a secret is 1 to {MAX_SECRET_NUMBER}")
        if not SECRET_BYTES <= len(self.key) <= MAX_SECRET_BYTES:
            raise ValueError(f"a secret has {SECRET_BYTES} to {MAX_SECRET_BYTES} bytes, this one has {len(self.key)}")
        if len(set(self.key)) < _MIN_DIFFERENT_BYTES:
            raise ValueError("a secret is random, this one has too few different bytes")

    @classmethod
    def generate(cls, number: int = 1, starts: float = ALWAYS) -> "Secret":
        return cls(number, token_bytes(SECRET_BYTES), starts)

    @classmethod
    def from_text(cls, number: int, text: str, starts: float = ALWAYS) -> "Secret":
        """Reads base64url, with or without its padding. Raises `ValueError` for any other text."""
        spelled = text.strip().rstrip("=")
        try:
            key = urlsafe_b64decode(spelled + "=" * (-len(spelled) % 4))
        except ValueError:
            key = b""
        if not key or _base64url(key) != spelled:
            raise ValueError("a secret is spelled in base64url, this one is not")
        return cls(number, key, starts)

    def text(self) -> str:
        return _base64url(self.key)


@dataclass(frozen=True, slots=True)
class Keys:
    """All keys of a deployment, each kind oldest first; `terms` tells which makes what is new and which verifies what is old.

    The blinding secret has no term: what it blinded is compared for as long as it is kept, so it is not rotated.
    """

    signing: tuple[SigningKey, ...]
    codes: tuple[Secret, ...]
    refresh: tuple[Secret, ...]
    blinding: tuple[Secret, ...]

    def __post_init__(self) -> None:
        if not (self.signing and self.codes and self.refresh and self.blinding):
            raise ValueError("a deployment needs at least one key of each kind")

    @classmethod
    def generate(cls) -> "Keys":
        """New keys that are kept nowhere: for tests, and for importers that keep their own."""
        signing, codes, refresh, blinding = SigningKey.generate(), Secret.generate(), Secret.generate(), Secret.generate()
        return cls((signing,), (codes,), (refresh,), (blinding,))

    def current(self) -> "Keys":
        """These, always: keys that are not read again are their own source."""
        return self


class KeySource(Protocol):
    """Where keys come from that may be rotated while they are in use."""

    def current(self) -> Keys:
        """The keys as they are now; the same object for as long as they are the same."""
        ...


def _public_members(public: Ed25519PublicKey) -> dict[str, str]:
    return OKPAlgorithm.to_jwk(public, as_dict=True)


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
