"""Letters kept in memory, for tests and for programs that import Vestibule and send in their own way."""

from collections import deque

from ...application.ports import OutgoingMessage


class MemoryNotifier:
    """Keeps what it is given, in order: `letters`. A letter that is sent again is kept once."""

    def __init__(self) -> None:
        self._letters: dict[str, OutgoingMessage] = {}
        self._failures: deque[Exception] = deque()

    @property
    def letters(self) -> tuple[OutgoingMessage, ...]:
        return tuple(self._letters.values())

    def fail_next(self, failure: Exception, *, times: int = 1) -> None:
        """The next `times` letters are not taken: `failure` is raised for each."""
        self._failures.extend([failure] * times)

    def send(self, letter: OutgoingMessage) -> None:
        if self._failures:
            raise self._failures.popleft()
        self._letters.setdefault(letter.id, letter)

    def send_decoy(self, letter: OutgoingMessage) -> None:
        """Keeps nothing."""
