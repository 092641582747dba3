"""Rules for new passwords, besides those of the policy."""

from .pwned import AcceptingWhenUnavailable, PwnedPasswords, no_further_rules

__all__ = ["AcceptingWhenUnavailable", "PwnedPasswords", "no_further_rules"]
