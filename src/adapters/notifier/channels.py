"""The choice of a notifier by the message's channel."""

from dataclasses import dataclass
from typing import assert_never

from ...application.ports import Channel, Notifier, OutgoingMessage, TemporaryFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelNotifier:
    """Passes each message to the notifier of its channel; `webhook` is optional."""

    email: Notifier
    mobile: Notifier
    webhook: Notifier | None = None

    def send(self, message: OutgoingMessage) -> None:
        self._notifier(message.channel).send(message)

    def send_decoy(self, message: OutgoingMessage) -> None:
        self._notifier(message.channel).send_decoy(message)

    def _notifier(self, channel: Channel) -> Notifier:
        match channel:
            case Channel.EMAIL:
                return self.email
            case Channel.MOBILE:
                return self.mobile
            case Channel.WEBHOOK:
                return self._configured_webhook()
            case _:
                assert_never(channel)

    def _configured_webhook(self) -> Notifier:
        """Raises `TemporaryFailure` and not `PermanentFailure`: messages stay queued if a process runs without the webhook."""
        if self.webhook is None:
            raise TemporaryFailure("no webhook is configured")
        return self.webhook
