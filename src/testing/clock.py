"""The time, in the hand of a test."""

START = 1_800_000_000.0
"""2027-01-15, 08:00 UTC."""


class ManualClock:
    """Fills the port `Clock`: it stands still until it is moved."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0) -> None:
        """On by so long; back where it is less than nothing, as a clock that is set right goes."""
        self.now += seconds + 60 * minutes + 3600 * hours + 86_400 * days
