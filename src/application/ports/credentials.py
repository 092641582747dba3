"""One-time codes, tokens and password hashes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...domain.code import CodePurpose

__all__ = ["SIGNING_ALGORITHMS", "AccessClaims", "Codes", "HashKind", "Hasher", "KeyRotation", "Tokens"]

SIGNING_ALGORITHMS = ("EdDSA", "ES256", "RS256")
"""The algorithms that access tokens can be signed by (RFC 7518 § 3.1, RFC 8037): by Ed25519, P-256, or RSA of 2048 bits."""


class Codes(Protocol):
    """Derives codes and digests under a key that is not in the database."""

    def new_challenge_id(self, challenge_id: str) -> str:
        """The id for a new challenge; it names the key of its code, so that the code survives a key rotation."""

    def code(self, challenge_id: str, purpose: CodePurpose, canonical: str, /) -> str:
        """The decimal digits of the code for a challenge to that canonical address; the same at each call."""

    def keyed_digest(self, text: str) -> str:
        """A short keyed digest: without the key it reveals only whether two texts are equal."""


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """The claims of a verified access token."""

    account_id: int
    session_id: str
    expires_at: float


class Tokens(Protocol):
    """Access tokens (JWT, RFC 9068) and refresh tokens (opaque)."""

    @property
    def access_seconds(self) -> int: ...

    def issue_access(self, account_id: int, session_id: str, now: float, claims: Mapping[str, object] | None = None, /) -> str:
        """A token with claims of its own and these of the account, whose values are texts and booleans."""

    def verify_access(self, text: str, now: float) -> AccessClaims | None:
        """The claims of a valid access token; None for any other text."""

    def issue_refresh(self, session_id: str, generation: int) -> str: ...

    def verify_refresh(self, text: str) -> tuple[str, int] | None:
        """The session id and generation of a refresh token that was issued here; None for any other text."""


class KeyRotation(Protocol):
    """Replaces the keys of codes and tokens."""

    def rotate_due(self, *, by_age: bool) -> Sequence[str]:
        """Adds each key that is due, to be used once others can know it, and returns a text for each change.

        With `by_age` keys are due by their age too, otherwise only by the settings. Raises `Unavailable`.
        """


@dataclass(frozen=True, slots=True)
class HashKind:
    """The kind of a text that another system has in the place of a password hash.

    `name` is the name of its format, such as `pbkdf2_sha256`. It is `unusable` for a text that marks an account without a
    password, such as the empty one, and `unknown` for a text in no known format, which may be the password itself. If no
    password can be verified by it, `is_usable` is false, and `reason` says why; it continues "the hash …". A hash that
    `is_weak` is computed so fast that an attacker who has it finds most passwords.
    """

    name: str
    is_usable: bool
    is_weak: bool = False
    reason: str = ""


class Hasher(Protocol):
    """Hashes passwords slowly (Argon2id, RFC 9106), a bounded number at a time; raises `Overloaded` above that.

    All Unicode forms of a password are the same password (NFKC). A hasher may verify the hashes of other systems too; these
    were made from the password as it was typed, which is tried as well.
    """

    def hash(self, password: str) -> str: ...

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Returns whether the password matches; False after the same time if the hash is None or malformed."""

    def needs_rehash(self, password_hash: str) -> bool:
        """Returns whether the hash is in another format or was made with other parameters than the current ones."""

    def kind_of(self, password_hash: str) -> HashKind:
        """Tells what a text from another system is, in little time and without verifying a password by it."""
