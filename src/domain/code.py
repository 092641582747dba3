"""One-time codes: their challenges, and the proofs that a verification leaves."""

from dataclasses import dataclass, replace
from enum import StrEnum

from .account import Address, AddressKind

MAX_FAILED_ATTEMPTS = 5
PROOF_LIFETIME = 3600.0


class CodePurpose(StrEnum):
    """The purpose of a code; a code for one purpose is refused for the other. The values are stored, and are HTTP paths.

    A `GENERAL` code verifies its address, logs in to an account that has the address, or resets the password there.
    """

    GENERAL = "otp"
    REGISTER_OR_LOGIN = "otpreglogin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A code sent to an address. The digits are not stored: they are derived from `id` under a key.

    `on_behalf_of` is set for a companion mail alone: the canonical form of the mobile that the code was requested for.
    `reference` is the short tag that the response and the message share. `is_decoy` is true if no message was sent: such a
    code is never accepted. Times are seconds since the epoch.
    """

    id: str
    purpose: CodePurpose
    address: Address
    on_behalf_of: str | None = None
    reference: str
    is_decoy: bool = False
    sent_at: float
    expires_at: float
    failed_attempts: int = 0
    used_at: float | None = None

    def is_open(self, now: float) -> bool:
        """Returns whether an attempt is still accepted."""
        return self.used_at is None and self.failed_attempts < MAX_FAILED_ATTEMPTS and self.sent_at <= now < self.expires_at

    def with_failed_attempt(self) -> "Challenge":
        return replace(self, failed_attempts=self.failed_attempts + 1)

    def as_used(self, now: float) -> "Challenge":
        return replace(self, used_at=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A verification of `address` by a code; `digest` is the keyed digest of the text that its bearer holds."""

    digest: str
    address: Address
    verified_at: float


def decoy_address(kind: AddressKind, instead_of: str) -> Address:
    """The address of a decoy: no account has it, and no request can name it."""
    return Address(kind, "", f"decoy:{instead_of}")
