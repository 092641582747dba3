"""Letters to send in tests, and how what was sent is read."""

from collections.abc import Mapping
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from vestibule.adapters.notifier import Templates
from vestibule.application.ports import Channel, Letter

CODE = "482193"
ALICE = "alice@example.com"
PHONE = "+12025550123"
SENDER = "Vestibule <no-reply@example.com>"
VALUES = {"code": CODE, "reference": "K7P2", "minutes": "5", "service": "Vestibule", "purpose": "otp"}
TEMPLATES = Templates()


def mail_letter(number: int = 1, *, sent_to: str = ALICE, values: Mapping[str, str] = VALUES) -> Letter:
    return Letter(
        id=f"01hzy3v7q8r9s0t1u2w3x4y5{number:02}", kind=Channel.EMAIL, sent_to=sent_to, template="code", values=values
    )


def sms_letter(number: int = 1, *, sent_to: str = PHONE, values: Mapping[str, str] = VALUES) -> Letter:
    return Letter(
        id=f"01hzy3v7q8r9s0t1u2w3x4y5{number:02}", kind=Channel.MOBILE, sent_to=sent_to, template="code", values=values
    )


def parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, subtype: str) -> str:
    body = message.get_body((subtype,))
    assert body is not None
    text = body.get_content()
    assert isinstance(text, str)
    return text.replace("\r\n", "\n")


def only_file(directory: Path) -> Path:
    [file] = directory.iterdir()
    return file
