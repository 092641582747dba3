"""The log on standard error: lines for people, or JSON for machines, without text that a caller sent.

Vestibule's own records hold no secret, email or mobile. Libraries log warnings only, cut to their first line. The text of an
exception is left out, because it may repeat a value.
"""

import json
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from logging.handlers import MemoryHandler
from traceback import format_tb
from urllib.parse import quote

from ..settings import Settings

OURS = "vestibule"
ACCESS = "vestibule.access"

_log = logging.getLogger("vestibule.server")
_MAX_HELD = 1000
_MAX_ERRORS = 20
_MAX_FRAMES = 40
_PATH = "/%:@!$&'()*+,;=~"
_MAX_PATH = 200
_CODES = ("strerror", "sqlite_errorname", "sqlstate")
"""Attributes that identify an error without text of a caller."""


def configure_logs(settings: Settings) -> None:
    """Configures the root logger of Vestibule's own processes."""
    handler = logging.StreamHandler(sys.stderr)
    is_watched = settings.dev or sys.stderr.isatty()
    handler.setFormatter(JsonLines() if settings.log_format == "json" else Lines(short_calls=is_watched))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root.setLevel(max(logging.WARNING, level))
    logging.getLogger(OURS).setLevel(level)
    logging.getLogger(ACCESS).setLevel(logging.INFO)
    logging.captureWarnings(True)
    threading.excepthook = _log_thread_error


@contextmanager
def records_after(announce: Callable[[], None]) -> Iterator[None]:
    """Holds records of the block back, and then calls `announce` first, unless the block raises."""
    root = logging.getLogger()
    (handler,) = root.handlers
    held = MemoryHandler(_MAX_HELD, flushLevel=logging.CRITICAL + 1, target=handler)
    root.handlers[:] = [held]
    try:
        yield
        root.handlers[:] = [handler]
        announce()
    finally:
        root.handlers[:] = [handler]
        held.close()


class Lines(logging.Formatter):
    """Formats for people: time in UTC, level, logger and message, then the record's fields as name=value.

    With `short_calls`, for a terminal, a call is its method, path, status, duration and the beginning of its request id.
    """

    def __init__(self, *, short_calls: bool = False) -> None:
        super().__init__()
        self._short_calls = short_calls

    def format(self, record: logging.LogRecord) -> str:
        if self._short_calls and record.name == ACCESS:
            return _call(record)
        fields = (f" {name}={'-' if value is None else value}" for name, value in _fields(record).items())
        line = f"{_time(record, 'seconds')} {record.levelname} {record.name}: {_message(record)}{''.join(fields)}"
        return "\n".join([line, *_traceback(record.exc_info[1] if record.exc_info else None)])


def _call(record: logging.LogRecord) -> str:
    fields = _fields(record)
    path = quote(str(getattr(record, "path", "")), safe=_PATH)  # so that no path can look like more than one word
    shown = path if len(path) <= _MAX_PATH else f"{path[:_MAX_PATH]}…"
    status = fields.get("status") or "-"
    request_id = str(fields.get("request_id", "-"))[:8]
    return f"{_time(record, 'seconds')} {fields.get('method')} {shown} {status} {fields.get('ms')} ms {request_id}"


class JsonLines(logging.Formatter):
    """Formats for machines: one ASCII object a line with `ts` (RFC 3339), `level`, `logger`, `message` and its fields."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "ts": _time(record, "milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            **_fields(record),
        }
        if record.exc_info and record.exc_info[1]:
            line["exception"] = "\n".join(_traceback(record.exc_info[1]))
        return json.dumps(line, default=str)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """The fields that were logged with `extra={"fields": …}`."""
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, dict) else {}


def _time(record: logging.LogRecord, to: str) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec=to).replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    message = record.getMessage()
    if record.name != OURS and not record.name.startswith(f"{OURS}."):
        message = message.partition("\n")[0]
    return message if message.isprintable() else message.encode("unicode_escape").decode()


def _traceback(error: BaseException | None) -> Iterator[str]:
    """The frames and the class of an exception, after those of its cause, and with those in a group.

    Each exception is written once: causes may form a cycle, and an error may be its own cause. At most `_MAX_ERRORS` are
    written, and the last `_MAX_FRAMES` frames of each.
    """
    found: deque[BaseException] = deque()
    waiting = [] if error is None else [error]
    while waiting and len(found) < _MAX_ERRORS:
        error = waiting.pop()
        if all(error is not other for other in found):
            found.appendleft(error)
            waiting += _causes(error)
    for number, error in enumerate(found):
        if number:
            yield "which led to"
        yield from (frame.rstrip() for frame in format_tb(error.__traceback__, limit=-_MAX_FRAMES))
        code = _code(error)
        yield type(error).__qualname__ + (f" ({code})" if code else "")


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield cause
    if isinstance(error, BaseExceptionGroup):
        yield from reversed(error.exceptions)


def _code(error: BaseException) -> str | None:
    with suppress(Exception):  # an exception's own code may raise
        return next((str(value) for name in _CODES if (value := getattr(error, name, None))), None)
    return None


def _log_thread_error(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit:
        name = args.thread.name if args.thread else None
        _log.error("unhandled exception in thread", extra={"fields": {"thread": name}}, exc_info=args.exc_value)
