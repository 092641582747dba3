"""Which access tokens were found good lately: checking a signature costs hundreds of times what looking it up does."""

from collections import OrderedDict
from threading import Lock

from ...application.ports import AccessClaims

Good = tuple[AccessClaims, float, float]
"""What a verified token says, the first moment at which it is good, and the first at which it no longer is."""


class VerifiedTokens:
    """Remembers the latest `most` tokens that were added. Whether one is good *now* is left to who asks."""

    def __init__(self, limit: int) -> None:
        self._most = limit
        self._tokens: OrderedDict[str, Good] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._tokens)

    def find(self, text: str) -> Good | None:
        return self._tokens.get(text)

    def add(self, text: str, good: Good) -> None:
        with self._lock:
            self._tokens[text] = good
            if len(self._tokens) > self._most:
                self._tokens.popitem(last=False)
