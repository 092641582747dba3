"""Email addresses that mail can be sent to: plain ASCII before the `@`, a public domain after it."""

import re

from email_validator import EmailNotValidError, ValidatedEmail, validate_email

from ...application.ports import InvalidText
from ...domain.account import Address, AddressKind
from .texts import trimmed

MAX_LENGTH = 254
_INNER_UNDERSCORE = re.compile(r"(?<=[a-z0-9])_(?=[a-z0-9][^.]*\.)", re.IGNORECASE)
_SPECIAL_USE = re.compile(r"(?:(?<=\.)|^)(?:localhost|local|invalid)$", re.IGNORECASE)


def read_email(text: str, *, special_use_domains: bool) -> Address:
    """Its key is the lower-cased local part and the domain's IDNA A-labels.

    Its text is what was written; where that is not the key but for case, the form that any mail server understands.
    """
    written = trimmed(text)
    if len(written) > MAX_LENGTH:
        raise InvalidText(f"An email has at most {MAX_LENGTH} characters.")
    sendable = _sendable(written, special_use_domains)
    key = sendable.lower()
    is_as_written = written.isascii() and written.lower() == key
    return Address(AddressKind.EMAIL, written if is_as_written else sendable, key)


def _sendable(written: str, special_use_domains: bool) -> str:
    """The address in ASCII, as it goes to a mail server."""
    local, at, domain = written.rpartition("@")
    judged = _judged(domain, special_use_domains)
    try:
        read = _validated(local + at + judged, special_use_domains)
    except (EmailNotValidError, ValueError):
        raise InvalidText("This is no email that mail can be sent to; one looks like name@example.com.") from None
    return f"{read.ascii_local_part}@{read.ascii_domain if judged == domain else domain}"


def _validated(text: str, special_use_domains: bool) -> ValidatedEmail:
    return validate_email(
        text,
        check_deliverability=False,
        allow_smtputf8=False,
        allow_quoted_local=False,
        allow_domain_literal=False,
        allow_display_name=False,
        strict=True,
        test_environment=special_use_domains,
    )


def _judged(domain: str, special_use_domains: bool) -> str:
    """The domain as the library is shown it.

    It refuses every underscore, though there are hosts with one inside a label, and the API's own examples have one;
    and it can be told to accept `.test`, but no other name that is only good for development.
    """
    if not domain.isascii():
        return domain
    plain = _INNER_UNDERSCORE.sub("x", domain)
    return _SPECIAL_USE.sub("test", plain) if special_use_domains else plain
