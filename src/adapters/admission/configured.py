"""Admission by settings."""

from ...application.ports import Applicant
from ...domain.account import Address, AddressKind
from ...domain.errors import FieldError, InvitationRequired, Refusal, RegistrationClosed
from .domains import EmailDomains


class ConfiguredAdmission:
    """Accepts every applicant, only invited ones or none (`open`, `invited`, `closed`), and emails at `domains` alone."""

    may_block = False

    def __init__(self, registration: str = "open", domains: EmailDomains | None = None) -> None:
        self._registration = registration
        self._domains = domains or EmailDomains()

    def address_error(self, address: Address) -> FieldError | None:
        if address.kind is not AddressKind.EMAIL:
            return None
        return self._domains.error(address.canonical.rpartition("@")[2])

    def refusal(self, applicant: Applicant) -> Refusal | None:  # noqa: ARG002 — all applicants are alike
        match self._registration:
            case "closed":
                return RegistrationClosed()
            case "invited":
                return InvitationRequired()
            case _:
                return None
