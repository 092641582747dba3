"""Sender and templates for tests, and functions that parse sent mails."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from vestibule.adapters.notifier import Templates

SENDER = "Vestibule <no-reply@example.com>"
TEMPLATES = Templates()


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
