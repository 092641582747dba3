"""Messages as files in a directory, for development without a mail server."""

import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from tempfile import TemporaryFile

from ...application.ports import Channel, OutgoingMessage, PermanentFailure
from ..files import STALE_SECONDS, private_directory, sync_directory, sync_file, write_atomically
from .mail import read_sender, write_mail
from .templates import Templates
from .text import one_line

RETENTION_SECONDS = 7 * 86400
MAX_SHOWN = 50
_TIME = "%Y-%m-%dT%H-%M-%S.%f"
_ID = re.compile(r"[\w-]{1,100}", re.ASCII)
_NAME = re.compile(
    r"\.?(?P<time>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{6})Z-(?P<id>[\w-]+)\.(eml|txt)(?P<unfinished>\.\w+\.unfinished)?", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A message that became a file. `code` is empty for a notice, `subject` for an SMS."""

    kind: str
    at: str
    recipient: str
    subject: str
    code: str
    text: str
    file: str


def read_files(directory: Path, digits: int, limit: int = MAX_SHOWN) -> Sequence[StoredMessage]:
    """Reads the latest messages in the directory, the newest first. Files that disappear meanwhile are left out.

    The code is the first number in the text that has so many digits, and is no part of a date, a time or an address.
    """
    code = re.compile(rf"(?<![\w.:+-])[0-9]{{{digits}}}(?![\w:-]|\.\d)")
    try:
        names = sorted((name for name in os.listdir(directory) if _is_message(name)), reverse=True)  # noqa: PTH208
    except OSError:
        return ()
    found = []
    for name in names[:limit]:
        with suppress(OSError):
            found.append(_stored(directory / name, code))
    return found


def _is_message(name: str) -> bool:
    match = _NAME.fullmatch(name)
    return match is not None and not match["unfinished"]


def _stored(file: Path, code: re.Pattern[str]) -> StoredMessage:
    is_mail = file.suffix == ".eml"
    message = message_from_bytes(file.read_bytes(), policy=SMTPUTF8)
    assert isinstance(message, EmailMessage)  # noqa: S101 — by its policy
    body = message.get_body(("plain",)) if is_mail else None
    raw = message.get_payload(decode=True)
    text = body.get_content() if body else raw.decode("utf-8", "replace") if isinstance(raw, bytes) else ""
    date, _, time_of_day = file.name.partition("T")
    return StoredMessage(
        kind="Mail" if is_mail else "SMS",
        at=f"{date} {time_of_day[:8].replace('-', ':')} UTC",
        recipient=str(message["To"]),
        subject=str(message["Subject"] or ""),
        code=found[0] if (found := code.search(text)) else "",
        text=text.strip(),
        file=str(file),
    )


class FileNotifier:
    """Writes each mail as `<time>-<id>.eml` and each SMS as `.txt` into `directory`, readable by its owner alone.

    Names sort by time. A message that is sent again is written once. Files older than seven days are removed, as are
    unfinished files of a crashed process. `echo` is called with one line: the message and its file.
    """

    def __init__(
        self,
        directory: Path,
        templates: Templates,
        sender: str,
        echo: Callable[[str], None] | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._templates = templates
        self._sender = read_sender(sender)
        self._echo = echo
        self._clock = clock
        private_directory(directory)

    def send(self, message: OutgoingMessage) -> None:
        """Returns when the file is durable."""
        if not _ID.fullmatch(message.id):
            raise PermanentFailure("the message's id cannot be part of a file name")
        now, content, is_written = self._prepare(message)
        if is_written:
            return
        kind, suffix = ("Mail", ".eml") if message.channel is Channel.EMAIL else ("SMS", ".txt")
        file = self._directory / f"{datetime.fromtimestamp(now, UTC):{_TIME}}Z-{message.id}{suffix}"
        write_atomically(file, content)
        if self._echo is not None:
            self._echo(one_line(f"{kind} to {message.recipient}: {self._templates.sms(message)} [{file}]"))

    def send_decoy(self, message: OutgoingMessage) -> None:
        """Writes the same content, as durably, to a file without a name."""
        _, content, _ = self._prepare(message)
        with TemporaryFile(dir=self._directory) as stream:
            stream.write(content)
            sync_file(stream)
        sync_directory(self._directory)

    def _prepare(self, message: OutgoingMessage) -> tuple[float, bytes, bool]:
        """Returns the time, the content of the file, and whether the message is written already."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # the operator may have removed it, to empty it
        now = self._clock()
        if message.channel is Channel.EMAIL:
            content = bytes(write_mail(message, self._templates, self._sender, now))
        else:
            content = f"To: {one_line(message.recipient)}\n\n{self._templates.sms(message)}\n".encode()
        return now, content, self._is_written(message.id, now)

    def _is_written(self, message_id: str, now: float) -> bool:
        """Searches the directory for the message, and removes expired files on the way."""
        oldest, stale = (f"{datetime.fromtimestamp(now - ago, UTC):{_TIME}}" for ago in (RETENTION_SECONDS, STALE_SECONDS))
        is_written = False
        for name in os.listdir(self._directory):  # noqa: PTH208 — a Path for each of thousands of names is slow
            if match := _NAME.fullmatch(name):
                is_written = is_written or (match["id"] == message_id and not match["unfinished"])
                if match["time"] < (stale if match["unfinished"] else oldest):
                    (self._directory / name).unlink(missing_ok=True)
        return is_written
