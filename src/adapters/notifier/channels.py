"""The choice of a notifier by the message's channel."""

from dataclasses import dataclass

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
        notifier = {Channel.EMAIL: self.email, Channel.MOBILE: self.mobile, Channel.WEBHOOK: self.webhook}[channel]
        if notifier is None:  # not `PermanentFailure`: messages stay queued if a process runs without the webhook
            raise TemporaryFailure("no webhook is configured")
        return notifier
