"""Admission: who may have an account, and with which addresses."""

from dataclasses import dataclass
from typing import Protocol

from ...domain.account import Address, Username
from ...domain.errors import FieldError, Refusal
from ...domain.events import Caller

__all__ = ["Admission", "Applicant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicant:
    """The call that asks for an account. A field is None if it is absent or invalid; the call is then refused anyway.

    `username` is None at a registration by code, whose account is named by its mobile.
    """

    username: Username | None = None
    name: str | None
    email: Address | None
    mobile: Address | None
    caller: Caller


class Admission(Protocol):
    """Decides whether an account may come to be, and whether an address may come to an account.

    Calls are outside of transactions. If `may_block`, one may wait for another machine, and so must not run in an event loop.
    Calls of the operator, and a code that puts an address back, do not ask.
    """

    @property
    def may_block(self) -> bool: ...

    def address_error(self, address: Address) -> FieldError | None:
        """The reason why no account may get this address, or None.

        Asked for each address of a registration, of a code for it and of a uniqueness check, and for the new ones of a change.
        The answer depends on the address alone: it must not tell whether an account has it.
        """

    def refusal(self, applicant: Applicant) -> Refusal | None:
        """The refusal of a new account, or None. `InvitationRequired` refuses only those without an invitation.

        Also asked before a code that turns out to log in, where it has no effect.
        """
