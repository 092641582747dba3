"""A letter as an email (RFC 5322), plain text and HTML side by side."""

from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses

from email_validator import EmailNotValidError, validate_email

from ...application.ports import OutgoingMessage, Undeliverable
from .templates import Templates

_POLICY = SMTP.clone(cte_type="7bit")  # every server takes it, whether or not it offers 8BITMIME
_BOUNDARY = "=_the_other_half_of_the_letter_="
"""Without digits, so that the code is the first number in the body for whoever reads the raw file."""


def read_sender(text: str) -> Address:
    """The sender from `Name <address>` or an address alone. Raises `ValueError` for anything else."""
    try:
        [(name, address)] = getaddresses([text]) if text.isprintable() else []
        return Address(name, addr_spec=_ascii(address))
    except (ValueError, MessageError):
        raise ValueError("the sender is neither an email address nor 'Name <address>'") from None


def write_mail(letter: OutgoingMessage, templates: Templates, sender: Address, now: float) -> EmailMessage:
    """The email, dated `now`. Raises `Undeliverable` for an address or a value that no header can hold.

    Its Message-ID is the letter's `id`: what is sent twice after a lost answer can be recognised.
    """
    words = templates.mail(letter)
    message = EmailMessage(_POLICY)
    try:
        message["From"] = sender
        message["To"] = Address(addr_spec=_ascii(letter.recipient))
        message["Subject"] = words.subject
        message["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
        message["Message-ID"] = f"<{letter.id}@{sender.domain}>"
    except (ValueError, MessageError) as error:
        raise Undeliverable(f"no header can hold it: {type(error).__name__}") from None
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(words.text, charset="utf-8")
    message.add_alternative(words.html, subtype="html", charset="utf-8")
    message.set_boundary(_BOUNDARY)
    return message


def recipient(message: EmailMessage) -> str:
    """The one address that it goes to, as it is written on the envelope."""
    address: Address = message["To"].addresses[0]
    return address.addr_spec


def _ascii(address: str) -> str:
    """The address with its domain in ASCII (IDNA), as servers without SMTPUTF8 want it. Raises `ValueError`."""
    try:
        read = validate_email(address, check_deliverability=False, allow_smtputf8=False, globally_deliverable=False)
    except EmailNotValidError:
        raise ValueError("no email address") from None
    assert read.ascii_email is not None  # noqa: S101 — it is there unless SMTPUTF8 is allowed
    return read.ascii_email
