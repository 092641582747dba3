"""Which way a letter goes."""

from dataclasses import dataclass
from typing import assert_never

from ...application.ports import Letter, Notifier
from ...domain.account import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelNotifier:
    """Sends mails one way and SMS another."""

    email: Notifier
    mobile: Notifier

    def send(self, letter: Letter) -> None:
        self._way(letter.kind).send(letter)

    def pretend(self, letter: Letter) -> None:
        self._way(letter.kind).pretend(letter)

    def _way(self, kind: Kind) -> Notifier:
        match kind:
            case Kind.EMAIL:
                return self.email
            case Kind.MOBILE:
                return self.mobile
            case _:
                assert_never(kind)
