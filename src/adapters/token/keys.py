"""The keys of one deployment: what signs access tokens, what derives codes, what seals refresh tokens."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_bytes

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from jwt.algorithms import OKPAlgorithm

SECRET_BYTES = 32
MAX_SECRET_BYTES = 1024
MAX_SECRET_NUMBER = 9999
_MIN_DIFFERENT_BYTES = 10


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key pair; `kid` is the RFC 7638 thumbprint of its public half."""

    kid: str
    private: Ed25519PrivateKey = field(repr=False)
    public: Ed25519PublicKey = field(repr=False)

    @classmethod
    def generate(cls) -> "SigningKey":
        return cls._of(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes) -> "SigningKey":
        """Raises `ValueError` for anything but an unencrypted Ed25519 private key."""
        try:
            private = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            private = None
        if not isinstance(private, Ed25519PrivateKey):
            raise ValueError("not an unencrypted Ed25519 private key in PEM (PKCS #8)")
        return cls._of(private)

    def pem(self) -> bytes:
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def jwk(self) -> dict[str, str]:
        """The public half as a JSON Web Key (RFC 8037)."""
        return {**_public_members(self.public), "kid": self.kid, "use": "sig", "alg": "EdDSA"}

    @classmethod
    def _of(cls, private: Ed25519PrivateKey) -> "SigningKey":
        public = private.public_key()
        members = json.dumps(_public_members(public), separators=(",", ":"), sort_keys=True)
        return cls(kid=_base64url(sha256(members.encode()).digest()), private=private, public=public)


@dataclass(frozen=True, slots=True)
class Secret:
    """32 to 1024 random bytes, and the number (1 to 9999) by which what they made tells which of several it was.

    Raises `ValueError` for a number or a length out of range, and for bytes that are plainly not random.
    """

    number: int
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.number <= MAX_SECRET_NUMBER:
            raise ValueError(f"the number of a secret is 1 to {MAX_SECRET_NUMBER}")
        if not SECRET_BYTES <= len(self.key) <= MAX_SECRET_BYTES:
            raise ValueError(f"a secret has {SECRET_BYTES} to {MAX_SECRET_BYTES} bytes, this one has {len(self.key)}")
        if len(set(self.key)) < _MIN_DIFFERENT_BYTES:
            raise ValueError("a secret is random, this one has too few different bytes")

    @classmethod
    def generate(cls, number: int = 1) -> "Secret":
        return cls(number, token_bytes(SECRET_BYTES))

    @classmethod
    def from_text(cls, number: int, text: str) -> "Secret":
        """Reads base64url, with or without its padding. Raises `ValueError` for any other text."""
        spelled = text.strip().rstrip("=")
        try:
            key = urlsafe_b64decode(spelled + "=" * (-len(spelled) % 4))
        except ValueError:
            key = b""
        if not key or _base64url(key) != spelled:
            raise ValueError("a secret is spelled in base64url, this one is not")
        return cls(number, key)

    def text(self) -> str:
        return _base64url(self.key)


@dataclass(frozen=True, slots=True)
class Keys:
    """All keys of a deployment, each kind oldest first: the last makes what is new, all verify what is old."""

    signing: tuple[SigningKey, ...]
    codes: tuple[Secret, ...]
    refresh: tuple[Secret, ...]

    def __post_init__(self) -> None:
        if not (self.signing and self.codes and self.refresh):
            raise ValueError("a deployment needs at least one key of each kind")

    @classmethod
    def generate(cls) -> "Keys":
        """New keys that are kept nowhere: for tests, and for importers that keep their own."""
        return cls(signing=(SigningKey.generate(),), codes=(Secret.generate(),), refresh=(Secret.generate(),))


def _public_members(public: Ed25519PublicKey) -> dict[str, str]:
    return OKPAlgorithm.to_jwk(public, as_dict=True)


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
