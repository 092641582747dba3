"""Rules for new passwords, besides those of the policy."""

from .pwned import PwnedPasswords, no_further_rules

__all__ = ["PwnedPasswords", "no_further_rules"]
