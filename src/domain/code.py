"""A one-time code's life: sent, guessed at, used, replaced."""

from dataclasses import dataclass, replace
from enum import StrEnum

from .account import Address, AddressKind

MAX_FAILED_ATTEMPTS = 5
PROOF_LIFETIME = 3600.0


class CodePurpose(StrEnum):
    """What a code serves; one sent for one flow is worth nothing in the other."""

    OTP = "otp"
    REGISTER_OR_LOGIN = "otpreglogin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What an address is asked to send back. The code itself is not in it: it is derived from `id` under a key.

    `beside` is the key of the destination that was asked for, where this code went to another address than that.
    `is_decoy` is true if no message was sent: such a code is never accepted. Times are seconds since the epoch.
    """

    id: str
    purpose: CodePurpose
    address: Address
    requested_for: str | None = None
    reference: str
    is_decoy: bool = False
    sent_at: float
    expires_at: float
    failed_attempts: int = 0
    used_at: float | None = None

    def is_open(self, now: float) -> bool:
        """Whether a guess at it is still taken."""
        return self.used_at is None and self.failed_attempts < MAX_FAILED_ATTEMPTS and self.sent_at <= now < self.expires_at

    def with_failed_attempt(self) -> "Challenge":
        """After a wrong guess."""
        return replace(self, failed_attempts=self.failed_attempts + 1)

    def used(self, now: float) -> "Challenge":
        return replace(self, used_at=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """That a code sent to `address` came back at `proven_at`. `digest` is of the text its bearer holds."""

    digest: str
    address: Address
    verified_at: float


def decoy_address(kind: AddressKind, instead_of: str) -> Address:
    """The address of a decoy, where there is no address to send a code to."""
    return Address(kind, "", f"nobody:{instead_of}")
