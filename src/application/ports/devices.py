"""Names of devices, for people."""

from typing import Protocol

__all__ = ["Devices"]


class Devices(Protocol):
    """Names the device of a user agent; two versions of one browser on one system have the same name."""

    def name(self, user_agent: str | None) -> str | None:
        """A name such as "Firefox on Linux", or None if nothing in the user agent is known.

        A name has at most 80 characters, all printable and none that a client chose: a user agent selects among names that the
        adapter knows. Takes any text, of any length, in a time that its length does not change much. The first call may take
        longer, so it belongs before a transaction.
        """
