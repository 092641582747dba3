"""Which way a letter goes."""

from dataclasses import dataclass
from typing import assert_never

from ...application.ports import Channel, DeliveryFailed, Notifier, OutgoingMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelNotifier:
    """Sends mails one way, SMS another, and to a webhook a third, where there is one."""

    email: Notifier
    mobile: Notifier
    webhook: Notifier | None = None

    def send(self, letter: OutgoingMessage) -> None:
        self._way(letter.channel).send(letter)

    def send_decoy(self, letter: OutgoingMessage) -> None:
        self._way(letter.channel).send_decoy(letter)

    def _way(self, kind: Channel) -> Notifier:
        match kind:
            case Channel.EMAIL:
                return self.email
            case Channel.MOBILE:
                return self.mobile
            case Channel.WEBHOOK:
                return self._set_webhook()
            case _:
                assert_never(kind)

    def _set_webhook(self) -> Notifier:
        """What waits for one is not lost where a process is run without it."""
        if self.webhook is None:
            raise DeliveryFailed("no webhook is set")
        return self.webhook
