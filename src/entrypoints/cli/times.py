"""Times on the command line: a date, a time, or a number of days, hours or minutes."""

import re
from datetime import UTC, datetime
from time import time

import click

_SPAN = re.compile(r"([1-9][0-9]{0,5})(min|h|d|w)", re.ASCII)
_SECONDS = {"min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}
_FORMAT = "the format is 2026-11-23, 2026-11-23T16:05, or a span such as 30min, 12h, 7d or 2w"


class Moment(click.ParamType[float]):
    """A time in seconds since the epoch; of a span, that long ago, or from now with `ahead`. Times are in UTC by default."""

    name = "time"

    def __init__(self, *, ahead: bool = False) -> None:
        self._direction = 1.0 if ahead else -1.0

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value)
        if span := _SPAN.fullmatch(text):
            return time() + self._direction * int(span[1]) * _SECONDS[span[2]]
        try:
            parsed = datetime.fromisoformat(text)
        except ValueError:
            self.fail(_FORMAT, param, ctx)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


AGO = Moment()
AHEAD = Moment(ahead=True)
