"""Admission by settings: registration open or not, and the domains of emails."""

from .configured import ConfiguredAdmission
from .domains import EmailDomains

__all__ = ["ConfiguredAdmission", "EmailDomains"]
