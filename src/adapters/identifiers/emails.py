"""Deliverable email addresses: ASCII before the `@`, a public domain after it."""

import re
import unicodedata
from functools import lru_cache
from urllib.parse import unquote

from email_validator import EmailNotValidError, validate_email
from email_validator.syntax import validate_email_local_part

from ...application.ports import InvalidText
from ...domain.account import Address, AddressKind
from ...domain.errors import ErrorCode
from ...domain.texts import INVISIBLE
from .texts import too_long, trimmed

MAX_LENGTH = 254
_MAX_INPUT_LENGTH = 2 * MAX_LENGTH
_MAX_LABEL = 63
_SCHEME = "mailto:"
_WIDTHS = str.maketrans({0xFEE0 + number: number for number in range(0x21, 0x7F)} | {0xFE6B: 0x40})
"""Full-width forms of ASCII, which input methods of East Asia produce, and the small `@`."""

_AT_SIGNS = "@\uff20\ufe6b"
_NO_PART = re.compile(f"(?![\u200c\u200d])[{INVISIBLE}]")
"""Invisible characters that no address contains. Joiners tell some international domains apart, so none is dropped."""

_TEST_DOMAIN = re.compile(r"(?:^|\.)(?:test|localhost|local|invalid)$", re.IGNORECASE)
_DOTS = re.compile("[.\u3002\uff0e\uff61]")
_UNDELIVERABLE = "This is not a valid email address. A valid one looks like name@example.com."
_FOR_TESTS = "No mail reaches this domain, which is reserved for tests."
_INNER_UNDERSCORE = re.compile(r"(?<=[a-z0-9])_(?=[a-z0-9][^.]*\.)", re.IGNORECASE)
_SPECIAL_USE = re.compile(r"(?:(?<=\.)|^)(?:localhost|local|invalid)$", re.IGNORECASE)


def read_email(text: str, *, special_use_domains: bool) -> Address:
    """Returns an address whose canonical form is the lower-cased local part and the domain's IDNA A-labels.

    Its text is the input if that differs from the canonical form only by case, else the ASCII form, which every mail server
    accepts. Full-width forms, invisible characters and `mailto:` (RFC 6068) are read as that address.
    """
    written = _as_pasted(trimmed(text))
    if len(written) > MAX_LENGTH:
        raise too_long("An email address", MAX_LENGTH)
    sendable = _sendable(written, special_use_domains)
    canonical = sendable.lower()
    is_as_written = written.isascii() and written.lower() == canonical
    return Address(AddressKind.EMAIL, written if is_as_written else sendable, canonical)


def looks_like_email(text: str) -> bool:
    return any(at in text for at in _AT_SIGNS)


def _as_pasted(text: str) -> str:
    """Returns the address in a text that people paste. The length is judged first, as IDNA's work grows with its square."""
    if len(text) > _MAX_INPUT_LENGTH:
        raise too_long("An email address", MAX_LENGTH)
    if not text.isascii():
        text = _NO_PART.sub("", text).translate(_WIDTHS)
    if text[: len(_SCHEME)].lower() == _SCHEME:
        text = unquote(text[len(_SCHEME) :].partition("?")[0])
    return text


def _sendable(written: str, special_use_domains: bool) -> str:
    """Returns the address in ASCII, as it is sent to a mail server."""
    local, _, domain = written.rpartition("@")
    try:
        # With `validate_email` each address would pay for its domain again: 40 µs instead of one.
        validate_email_local_part(local, allow_smtputf8=False, strict=True)
        ascii_domain = _sendable_domain(domain, special_use_domains)
    except (EmailNotValidError, ValueError):
        if not special_use_domains and _TEST_DOMAIN.search(domain):
            raise InvalidText(_FOR_TESTS, ErrorCode.TEST_DOMAIN) from None
        raise InvalidText(_UNDELIVERABLE) from None
    sendable = f"{local}@{ascii_domain}"
    if len(sendable) > MAX_LENGTH:  # as A-labels a domain is longer
        raise InvalidText(_UNDELIVERABLE)
    return sendable


@lru_cache(maxsize=4096)
def _sendable_domain(domain: str, special_use_domains: bool) -> str:
    """Returns the domain in ASCII. Raises `ValueError` or `InvalidText` for one to which no mail can be sent.

    Most people share the domains of a few providers. The cache tells how recently a domain was typed, by anyone, and so
    nothing about accounts.
    """
    _check_labels(domain)
    checked = _as_checked(domain, special_use_domains)
    read = validate_email(
        f"name@{checked}",
        check_deliverability=False,
        allow_smtputf8=False,
        allow_quoted_local=False,
        allow_domain_literal=False,
        allow_display_name=False,
        strict=True,
        test_environment=special_use_domains,
    )
    return str(read.ascii_domain) if checked == domain else domain


def _check_labels(domain: str) -> None:
    """Raises `InvalidText` for a label that is too long in any encoding: IDNA's work on one grows with its square."""
    if any(len(label) > _MAX_LABEL for label in _DOTS.split(unicodedata.normalize("NFKC", domain))):
        raise InvalidText(_UNDELIVERABLE)


def _as_checked(domain: str, special_use_domains: bool) -> str:
    """Returns the domain as it is passed to email-validator.

    The library rejects every underscore, although real hosts have some inside a label, as have the API's own examples. Of the
    domains for development it can accept `.test`, but no other.
    """
    if not domain.isascii():
        return domain
    plain = _INNER_UNDERSCORE.sub("x", domain)
    return _SPECIAL_USE.sub("test", plain) if special_use_domains else plain
