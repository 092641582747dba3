"""A lock that goes to who has waited longest, and whose holder can tell whether anybody waits."""

from collections import deque
from threading import Lock, get_ident


class Turns:
    """One thread at a time. A turn that was taken is handed on, or left.

    A thread that takes it while it has it has it: an interrupt may have come between the turn and who was to hold it.
    """

    def __init__(self) -> None:
        self._guard = Lock()
        self._holder: int | None = None
        self._waiting: deque[tuple[Lock, int]] = deque()

    def take(self, seconds: float) -> bool:
        """Waits so long for the turn; whether it was to be had."""
        thread = get_ident()
        with self._guard:
            if self._holder in {None, thread}:
                self._holder = thread
                return True
            gate = Lock()
            gate.acquire()
            mine = gate, thread
            self._waiting.append(mine)
        try:
            return gate.acquire(timeout=seconds) or not self._gives_up(mine)
        except BaseException:
            if not self._gives_up(mine):
                self.leave()
            raise

    def hand_on(self) -> bool:
        """Gives the turn to who has waited longest; False where nobody waits, and then it is still one's own."""
        with self._guard:
            if not self._waiting:
                return False
            self._give()
            return True

    def leave(self) -> None:
        with self._guard:
            if self._waiting:
                self._give()
            else:
                self._holder = None

    def _give(self) -> None:
        gate, self._holder = self._waiting.popleft()
        gate.release()

    def _gives_up(self, mine: tuple[Lock, int]) -> bool:
        """False where the turn had been given in the last moment."""
        with self._guard:
            if mine not in self._waiting:
                return False
            self._waiting.remove(mine)
            return True
