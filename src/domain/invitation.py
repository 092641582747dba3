"""Invitations: proofs of addresses that are sent ahead."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from .account import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """An invitation of `address` to register; an address has one at most.

    Its token is derived from `id` under a key and stored nowhere; `digest` is its keyed digest, as that of a proof.
    `invited_by` is the account that invited, None for the operator. Times are seconds since the epoch.
    """

    id: str = field(repr=False)
    digest: str = field(repr=False)
    address: Address
    invited_at: float
    expires_at: float
    invited_by: int | None = None


def invited_by(invitations: Iterable[Invitation]) -> str:
    """The detail of the event of a registration: who invited, if it was invited."""
    for invitation in invitations:
        return "invited" if invitation.invited_by is None else f"invited by {invitation.invited_by}"
    return ""
