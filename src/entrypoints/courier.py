"""A thread that carries messages out of the outbox as they come."""

import logging
import threading
from time import monotonic

from ..application import DeliverMessages, Purge, Unavailable

PAUSE = 5.0
PURGE_PAUSE = 3600.0

_log = logging.getLogger("vestibule.courier")


class CourierThread:
    """Delivers whenever `wake` is called, and looks every five seconds for what other processes or a pause left behind.

    Every hour it clears away what has ended long ago.
    """

    def __init__(self) -> None:
        self._due = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        self._due.set()

    def start(self, deliver: DeliverMessages, purge: Purge) -> None:
        self._thread = threading.Thread(target=self._run, args=(deliver, purge), name="courier", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 15.0) -> None:
        """Finishes the message at hand."""
        self._stopped = True
        self._due.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self, deliver: DeliverMessages, purge: Purge) -> None:
        purge_at = 0.0
        while not self._stopped:
            self._due.clear()
            try:
                while not self._stopped and deliver():
                    pass
                if monotonic() >= purge_at:
                    purge_at = monotonic() + PURGE_PAUSE
                    purge()
            except Unavailable:
                _log.warning("the outbox cannot be read now; again in %.0f s", PAUSE)
            except Exception:  # noqa: BLE001 — whatever it is, the courier goes on
                _log.exception("the courier stumbled; again in %.0f s", PAUSE)
            self._due.wait(PAUSE)
