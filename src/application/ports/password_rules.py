"""Rules for new passwords, besides those of the policy."""

from collections.abc import Sequence
from typing import Protocol

from ...domain.errors import FieldError

__all__ = ["PasswordRules"]


class PasswordRules(Protocol):
    """Judges a password that is to be set, after the policy has accepted it; a login does not ask.

    Calls are outside of transactions and event loops, and may wait for another machine.
    """

    def __call__(self, password: str, /) -> Sequence[FieldError]:
        """The violations by a password in NFKC; empty if there are none."""
