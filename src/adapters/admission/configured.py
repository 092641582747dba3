"""Admission by settings."""

from ...application.ports import Applicant
from ...domain.account import Address, AddressKind
from ...domain.errors import FieldError, Refusal, RegistrationClosed
from .domains import EmailDomains


class ConfiguredAdmission:
    """Accepts every applicant unless `registration` is `closed`, and emails at `domains` alone; all by default."""

    may_block = False

    def __init__(self, registration: str = "open", domains: EmailDomains | None = None) -> None:
        self._registration = registration
        self._domains = domains or EmailDomains()

    def address_error(self, address: Address) -> FieldError | None:
        if address.kind is not AddressKind.EMAIL:
            return None
        return self._domains.error(address.canonical.rpartition("@")[2])

    def refusal(self, applicant: Applicant) -> Refusal | None:  # noqa: ARG002 — all applicants are alike
        return RegistrationClosed() if self._registration == "closed" else None
