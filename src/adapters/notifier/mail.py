"""Messages as emails (RFC 5322) with a plain text and an HTML part."""

from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses

from email_validator import EmailNotValidError, validate_email

from ...application.ports import OutgoingMessage, PermanentFailure
from .templates import Templates

_POLICY = SMTP.clone(cte_type="7bit")  # every server accepts it, with or without 8BITMIME
_UNWRITABLE = (ValueError, MessageError, IndexError)
"""Errors of the parser of headers; it raises `IndexError` for an address without a part."""

_BOUNDARY = "=_alternative_part_of_the_message_="
"""Without digits, so that the code is the first number in the body of the raw file."""


def read_sender(text: str) -> Address:
    """Parses `Name <address>` or an address. Raises `ValueError` for any other text."""
    try:
        [(name, address)] = getaddresses([text]) if text.isprintable() else []
        return Address(name, addr_spec=_ascii(address))
    except _UNWRITABLE:
        raise ValueError("the sender is neither an email address nor 'Name <address>'") from None


def write_mail(message: OutgoingMessage, templates: Templates, sender: Address, now: float) -> EmailMessage:
    """Returns the email, dated `now`. Raises `PermanentFailure` for an address or a value that no header can contain.

    Its Message-ID is the message's `id`, so that a mail that is sent again after a lost answer can be recognised.
    """
    texts = templates.mail(message)
    mail = EmailMessage(_POLICY)
    try:
        mail["From"] = sender
        mail["To"] = Address(addr_spec=_ascii(message.recipient))
        mail["Subject"] = texts.subject
        mail["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
        mail["Message-ID"] = f"<{message.id}@{sender.domain}>"
    except _UNWRITABLE as error:
        raise PermanentFailure(f"invalid header: {type(error).__name__}") from None
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(texts.text, charset="utf-8")
    mail.add_alternative(texts.html, subtype="html", charset="utf-8")
    mail.set_boundary(_BOUNDARY)
    return mail


def _ascii(address: str) -> str:
    """Returns the address with its domain in ASCII (IDNA), for servers without SMTPUTF8. Raises `ValueError`.

    An address in ASCII, as accounts have them, is left to the parser of headers: a rule of a library that accounts are not held
    to, such as one for underscores, would stop their mail.
    """
    if address.isascii():
        return address
    try:
        read = validate_email(address, check_deliverability=False, allow_smtputf8=False, globally_deliverable=False)
    except EmailNotValidError:
        raise ValueError("not an email address") from None
    assert read.ascii_email is not None  # noqa: S101 — only None if SMTPUTF8 is allowed
    return read.ascii_email
