"""A lock that goes to who has waited longest, and whose holder can tell whether anybody waits."""

from collections import deque
from threading import Lock


class Turns:
    """One at a time. A turn that was taken is handed on, or left."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._is_taken = False
        self._waiting: deque[Lock] = deque()

    def take(self, seconds: float) -> bool:
        """Waits so long for the turn; whether it was to be had."""
        with self._guard:
            if not self._is_taken:
                self._is_taken = True
                return True
            mine = Lock()
            mine.acquire()
            self._waiting.append(mine)
        try:
            return mine.acquire(timeout=seconds) or not self._gives_up(mine)
        except BaseException:
            if not self._gives_up(mine):
                self.leave()
            raise

    def hand_on(self) -> bool:
        """Gives the turn to who has waited longest; False where nobody waits, and then it is still one's own."""
        with self._guard:
            if not self._waiting:
                return False
            self._waiting.popleft().release()
            return True

    def leave(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False

    def _gives_up(self, mine: Lock) -> bool:
        """False where the turn had been given in the last moment."""
        with self._guard:
            if mine not in self._waiting:
                return False
            self._waiting.remove(mine)
            return True
