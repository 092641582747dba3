"""One-time codes: their challenges, and the proofs that a verification leaves."""

from dataclasses import dataclass, replace
from enum import StrEnum

from .account import Address, AddressKind

PROOF_LIFETIME = 3600.0
MAX_PROOFS = 4


class CodePurpose(StrEnum):
    """The purpose of a code; a code for one purpose is refused for the other. The values are stored, and are HTTP paths.

    A `GENERAL` code verifies its address, logs in to an account that has the address, or resets the password there.
    """

    GENERAL = "otp"
    REGISTER_OR_LOGIN = "otpreglogin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A code sent to an address. The digits are not stored: they are derived from `id` under a key.

    `network` is that of the caller who asked for it, and `from_known_network` whether the account of the address knew it: an
    address has one code of each kind for each purpose. `on_behalf_of` is set for a companion mail alone: the canonical form of
    the mobile that the code was requested for. `reference` is the short tag that the response and the message share. `is_decoy`
    is true if no message was sent: such a code is never accepted. Times are seconds since the epoch.
    """

    id: str
    purpose: CodePurpose
    address: Address
    from_known_network: bool = False
    network: str | None = None
    on_behalf_of: str | None = None
    reference: str
    is_decoy: bool = False
    sent_at: float
    expires_at: float
    failed_attempts: int = 0
    """Those from `network`."""
    failed_attempts_elsewhere: int = 0
    """Those from all other networks: they must not use up the attempts of the caller who asked for the code."""
    used_at: float | None = None

    def is_open(self, now: float, network: str | None, max_failed_attempts: int) -> bool:
        """Returns whether an attempt from that network is still accepted."""
        failed_attempts = self.failed_attempts if network == self.network else self.failed_attempts_elsewhere
        return self.used_at is None and failed_attempts < max_failed_attempts and self.sent_at <= now < self.expires_at

    def with_failed_attempt(self, network: str | None) -> "Challenge":
        if network == self.network:
            return replace(self, failed_attempts=self.failed_attempts + 1)
        return replace(self, failed_attempts_elsewhere=self.failed_attempts_elsewhere + 1)

    def as_used(self, now: float) -> "Challenge":
        return replace(self, used_at=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A verification of `address` by a code from `network`; `digest` is the keyed digest of the text that its bearer holds."""

    digest: str
    address: Address
    verified_at: float
    network: str | None = None


def decoy_address(kind: AddressKind, instead_of: str) -> Address:
    """The address of a decoy: no account has it, and no request can name it."""
    return Address(kind, "", f"decoy:{instead_of}")
