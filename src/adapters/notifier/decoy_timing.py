"""How long letters take, so that one to nobody takes as long."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep

_AT_FIRST = 0.1
_MOST = 1.0


class Pace:
    """The duration of the last letter that was taken; a tenth of a second until there was one."""

    def __init__(self) -> None:
        self._seconds = _AT_FIRST

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Notes how long the block takes, unless it fails."""
        begun = monotonic()
        yield
        self._seconds = monotonic() - begun

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Waits after the block until that much time is over, but no more than a second: real letters wait behind this one."""
        begun = monotonic()
        yield
        sleep(max(0.0, min(self._seconds, _MOST) - (monotonic() - begun)))
