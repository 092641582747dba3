"""The log: lines for people or JSON for machines, on standard error, and in neither what somebody sent.

A record of Vestibule's own holds no secret and nobody's address. What libraries say is kept to warnings, and to the first
line; the text of an exception is left out, for it may repeat a value.
"""

import json
import logging
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from traceback import format_tb

from ..settings import Settings

OURS = "vestibule"
ACCESS = "vestibule.access"

_log = logging.getLogger("vestibule.server")
_NUMBERS = ("strerror", "sqlite_errorname", "sqlstate")
"""What tells of a fault and is nobody's text."""


def configure_logs(settings: Settings) -> None:
    """For a process of one's own: all that is logged goes to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.log_format == "json" else Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root.setLevel(max(logging.WARNING, level))
    logging.getLogger(OURS).setLevel(level)
    logging.getLogger(ACCESS).setLevel(logging.INFO)
    logging.captureWarnings(True)
    threading.excepthook = _thread_died


class Lines(logging.Formatter):
    """For people: the time in UTC, the level, who says it and what; then what belongs to it, as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        fields = (f" {name}={'-' if value is None else value}" for name, value in _fields(record).items())
        said = f"{_time(record, 'seconds')} {record.levelname} {record.name}: {_said(record)}{''.join(fields)}"
        return "\n".join([said, *_told(record)])


class JsonLines(logging.Formatter):
    """For machines: an object a line, in ASCII: `ts` (RFC 3339), `level`, `logger`, `message`, and what belongs to it."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "ts": _time(record, "milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _said(record),
            **_fields(record),
        }
        if told := "\n".join(_told(record)):
            line["exception"] = told
        return json.dumps(line, default=str)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """What was given as `extra={"fields": …}`."""
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, dict) else {}


def _time(record: logging.LogRecord, to: str) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec=to).replace("+00:00", "Z")


def _said(record: logging.LogRecord) -> str:
    message = record.getMessage()
    if record.name != OURS and not record.name.startswith(f"{OURS}."):
        message = message.partition("\n")[0]
    return message if message.isprintable() else message.encode("unicode_escape").decode()


def _told(record: logging.LogRecord) -> Iterator[str]:
    return _story(record.exc_info[1]) if record.exc_info and record.exc_info[1] else iter(())


def _story(fault: BaseException) -> Iterator[str]:
    """Where an exception came from and what kind it is, and before that likewise what caused it."""
    cause = fault.__cause__ or (None if fault.__suppress_context__ else fault.__context__)
    if cause is not None:
        yield from _story(cause)
        yield "which led to"
    yield from (frame.rstrip() for frame in format_tb(fault.__traceback__))
    number = next((str(found) for name in _NUMBERS if (found := getattr(fault, name, None))), None)
    yield type(fault).__qualname__ + (f" ({number})" if number else "")


def _thread_died(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit:
        name = args.thread.name if args.thread else None
        _log.error("a thread ended by a fault", extra={"fields": {"thread": name}}, exc_info=args.exc_value)
