"""A clock that tests set."""

START = 1_800_000_000.0
"""2027-01-15, 08:00 UTC."""


class ManualClock:
    """Implements the port `Clock`. The time changes only by `advance`, or by setting `now`."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0) -> None:
        """Moves the time forward; a negative duration moves it back, as a correction of a system clock does."""
        self.now += seconds + 60 * minutes + 3600 * hours + 86_400 * days
