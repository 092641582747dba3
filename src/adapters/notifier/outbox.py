"""Letters as files in a directory: what a newcomer reads instead of a mailbox."""

import os
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile

from ...application.ports import Channel, OutgoingMessage, Undeliverable
from ..files import sync_directory, sync_file, write_atomically
from .mail import read_sender, write_mail
from .templates import Templates
from .text import one_line

KEPT_SECONDS = 7 * 86400
_STALE_SECONDS = 3600
"""Longer than any letter takes to write: what is older and unfinished belongs to a process that died."""

_TIME = "%Y-%m-%dT%H-%M-%S.%f"
_ID = re.compile(r"[\w-]{1,100}", re.ASCII)
_NAME = re.compile(
    r"\.?(?P<time>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{6})Z-(?P<id>[\w-]+)\.(eml|txt)(?P<unfinished>\.\w+\.unfinished)?",
    re.ASCII,
)


class OutboxNotifier:
    """Writes each mail as `<time>-<id>.eml` and each SMS as `.txt` into `directory`, for the owner's eyes only.

    Names sort by time. A letter that is sent again is written once. Letters older than seven days are removed, and what a
    crash left half-written. `echo` is called with a line that shows the letter and its file.
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
        self._make_directory()
        directory.chmod(0o700)  # it may have been there

    def send(self, letter: OutgoingMessage) -> None:
        """Returns when the file is durable."""
        if not _ID.fullmatch(letter.id):
            raise Undeliverable("the letter's id cannot be part of a file name")
        self._make_directory()
        now = self._clock()
        content = self._content(letter, now)
        if self._is_written(letter.id, now):
            return
        file = self._directory / f"{datetime.fromtimestamp(now, UTC):{_TIME}}Z-{letter.id}{_suffix(letter)}"
        write_atomically(file, content)
        if self._echo is not None:
            what = "Mail" if letter.channel is Channel.EMAIL else "SMS"
            self._echo(one_line(f"{what} to {letter.recipient}: {self._templates.sms(letter)} [{file}]"))

    def send_decoy(self, letter: OutgoingMessage) -> None:
        """Writes as much, as durably, into a file that has no name."""
        self._make_directory()
        now = self._clock()
        content = self._content(letter, now)
        self._is_written(letter.id, now)
        with TemporaryFile(dir=self._directory) as stream:
            stream.write(content)
            sync_file(stream)
        sync_directory(self._directory)

    def _make_directory(self) -> None:
        """Before each letter: an outbox is emptied by removing it."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _content(self, letter: OutgoingMessage, now: float) -> bytes:
        if letter.channel is Channel.EMAIL:
            return bytes(write_mail(letter, self._templates, self._sender, now))
        return f"To: {one_line(letter.recipient)}\n\n{self._templates.sms(letter)}\n".encode()

    def _is_written(self, letter_id: str, now: float) -> bool:
        """Looks through the directory, and removes what is old on the way."""
        oldest, stale = (f"{datetime.fromtimestamp(now - ago, UTC):{_TIME}}" for ago in (KEPT_SECONDS, _STALE_SECONDS))
        found = False
        for name in os.listdir(self._directory):  # noqa: PTH208 — a Path for each of thousands of names is slow
            if match := _NAME.fullmatch(name):
                found = found or (match["id"] == letter_id and not match["unfinished"])
                if match["time"] < (stale if match["unfinished"] else oldest):
                    (self._directory / name).unlink(missing_ok=True)
        return found


def _suffix(letter: OutgoingMessage) -> str:
    return ".eml" if letter.channel is Channel.EMAIL else ".txt"
