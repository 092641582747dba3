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
        match letter.kind:
            case Kind.EMAIL:
                self.email.send(letter)
            case Kind.MOBILE:
                self.mobile.send(letter)
            case _:
                assert_never(letter.kind)
