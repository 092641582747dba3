"""The duration of deliveries, so that a decoy takes as long as a message that is sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep

_INITIAL_SECONDS = 0.1
_MAX_SECONDS = 1.0


class DecoyTiming:
    """The duration of the last successful delivery; a tenth of a second before the first."""

    def __init__(self) -> None:
        self._seconds = _INITIAL_SECONDS

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Records how long the block takes, unless it fails."""
        begun = monotonic()
        yield
        self._seconds = monotonic() - begun

    @contextmanager
    def imitated(self) -> Iterator[None]:
        """Sleeps after the block until the recorded duration has passed; for a second at most, since real messages wait."""
        begun = monotonic()
        yield
        sleep(max(0.0, min(self._seconds, _MAX_SECONDS) - (monotonic() - begun)))
