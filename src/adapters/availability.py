"""The availability of a remote service, logged when it changes and not at every call. Shared by the adapter folders."""

from logging import Logger
from threading import Lock

from .. import forks


class Availability:
    """Available until `mark_down`. `name` is the service in the log, `meanwhile` the consequence of its absence."""

    def __init__(self, log: Logger, name: str, meanwhile: str) -> None:
        self._log = log
        self._name = name
        self._meanwhile = meanwhile
        self.is_down = False
        self.reason = ""
        """The reason of the last failure, as it is logged; it holds no secret."""
        self.renew()
        forks.watch(self)

    def renew(self) -> None:
        self._lock = Lock()

    def mark_down(self, reason: str) -> None:
        with self._lock:
            was_down, self.is_down, self.reason = self.is_down, True, reason
        if not was_down:
            self._log.warning("%s is unavailable (%s): %s", self._name, reason, self._meanwhile)

    def mark_up(self) -> None:
        if not self.is_down:
            return
        with self._lock:
            was_down, self.is_down = self.is_down, False
        if was_down:
            self._log.warning("%s is available again", self._name)
