"""Messages kept in memory, for tests and for programs that import Vestibule and send messages by themselves."""

from collections import deque

from ...application.ports import OutgoingMessage


class MemoryNotifier:
    """Keeps messages in the order of `send`, each once even if it is sent again."""

    def __init__(self) -> None:
        self._messages: dict[str, OutgoingMessage] = {}
        self._failures: deque[Exception] = deque()

    @property
    def messages(self) -> tuple[OutgoingMessage, ...]:
        return tuple(self._messages.values())

    def fail_next(self, failure: Exception, *, times: int = 1) -> None:
        """Makes the next `times` calls of `send` raise `failure`."""
        self._failures.extend([failure] * times)

    def send(self, message: OutgoingMessage) -> None:
        if self._failures:
            raise self._failures.popleft()
        self._messages.setdefault(message.id, message)

    def send_decoy(self, message: OutgoingMessage) -> None:
        """Keeps nothing."""
