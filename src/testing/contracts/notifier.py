"""The contract of the port `Notifier`."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ...application.delivery import DECOY_RECIPIENTS
from ...application.ports import Channel, Notifier, OutgoingMessage, PermanentFailure

CODE = "482193"
ALICE = "alice@example.com"
PHONE = "+12025550123"
VALUES = {"code": CODE, "reference": "K7P2", "minutes": "5", "service": "Vestibule", "purpose": "otp"}


def mail_message(number: int = 1, **changed: Any) -> OutgoingMessage:
    message = OutgoingMessage(
        id=f"01hzy3v7q8r9s0t1u2w3x4y5{number:02}", channel=Channel.EMAIL, recipient=ALICE, template="code", values=VALUES
    )
    return replace(message, **changed)


def sms_message(number: int = 1, **changed: Any) -> OutgoingMessage:
    return mail_message(number, **{"channel": Channel.MOBILE, "recipient": PHONE} | changed)


@dataclass(frozen=True)
class NotifierHarness:
    """A notifier and its next hop, such as a mail server.

    `message` creates its messages: `mail_message` or `sms_message`. `arrived` returns the recipient and the text of each
    message, in the order in which the next hop accepted them. After `break_down` the next hop accepts nothing until `repair`.
    """

    notifier: Notifier
    message: Callable[..., OutgoingMessage]
    arrived: Callable[[], list[tuple[str, str]]]
    break_down: Callable[[], None]
    repair: Callable[[], None] = lambda: None


class NotifierContract:
    """The promises of every `Notifier`.

    Define the fixture `harness`: a new `NotifierHarness` for each test.
    """

    def test_message_has_arrived_when_send_returns(self, harness: NotifierHarness) -> None:
        message = harness.message()
        harness.notifier.send(message)
        [(recipient, text)] = harness.arrived()
        assert recipient == message.recipient
        assert CODE in text
        assert "K7P2" in text

    def test_messages_arrive_in_order(self, harness: NotifierHarness) -> None:
        codes = [f"10000{number}" for number in range(5)]
        for number, code in enumerate(codes):
            harness.notifier.send(harness.message(number, values={**VALUES, "code": code}))
        assert [next(code for code in codes if code in text) for _, text in harness.arrived()] == codes

    def test_concurrent_messages_all_arrive(self, harness: NotifierHarness) -> None:
        codes = {f"2000{number:02}" for number in range(12)}
        messages = [harness.message(number, values={**VALUES, "code": code}) for number, code in enumerate(codes)]
        with ThreadPoolExecutor(6) as threads:
            list(threads.map(harness.notifier.send, messages))
        texts = [text for _, text in harness.arrived()]
        assert {code for code in codes for text in texts if code in text} == codes
        assert len(texts) == len(codes)

    def test_decoy_arrives_nowhere(self, harness: NotifierHarness) -> None:
        harness.notifier.send(harness.message(1))
        harness.notifier.send_decoy(replace(harness.message(2), recipient=DECOY_RECIPIENTS[harness.message().channel]))
        assert len(harness.arrived()) == 1

    def test_failure_is_temporary_and_reveals_no_secret(self, harness: NotifierHarness) -> None:
        harness.break_down()
        with pytest.raises(Exception) as failure:
            harness.notifier.send(harness.message())
        assert not isinstance(failure.value, PermanentFailure)
        assert CODE not in str(failure.value)
        assert harness.message().recipient not in str(failure.value)
        harness.repair()
        harness.notifier.send(harness.message())
        assert len(harness.arrived()) == 1
