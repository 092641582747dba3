"""What every notifier promises."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest

from ...application.delivery import NOBODY
from ...application.ports import Channel, Notifier, OutgoingMessage, Undeliverable

CODE = "482193"
ALICE = "alice@example.com"
PHONE = "+12025550123"
VALUES = {"code": CODE, "reference": "K7P2", "minutes": "5", "service": "Vestibule", "purpose": "otp"}


def mail_letter(number: int = 1, *, sent_to: str = ALICE, values: Mapping[str, str] = VALUES) -> OutgoingMessage:
    return OutgoingMessage(
        id=f"01hzy3v7q8r9s0t1u2w3x4y5{number:02}", channel=Channel.EMAIL, recipient=sent_to, template="code", values=values
    )


def sms_letter(number: int = 1, *, sent_to: str = PHONE, values: Mapping[str, str] = VALUES) -> OutgoingMessage:
    return OutgoingMessage(
        id=f"01hzy3v7q8r9s0t1u2w3x4y5{number:02}", channel=Channel.MOBILE, recipient=sent_to, template="code", values=values
    )


def nothing_to_repair() -> None:
    """It fails once and works again."""


@dataclass(frozen=True)
class Post:
    """A notifier, with what lies beyond it.

    `letter` makes what it carries: `mail_letter` or `sms_letter`. `arrived` answers the address and the text of each letter, in
    the order in which the next hop took them. After `break_down` the next hop takes nothing until `repair`.
    """

    notifier: Notifier
    letter: Callable[..., OutgoingMessage]
    arrived: Callable[[], list[tuple[str, str]]]
    break_down: Callable[[], None]
    repair: Callable[[], None] = nothing_to_repair


class NotifierContract:
    """What every `Notifier` promises.

    Fill the fixture `post`: a `Post` to which nothing has been sent, another for each test.
    """

    def test_a_letter_has_arrived_when_send_returns(self, post: Post) -> None:
        letter = post.letter()
        post.notifier.send(letter)
        [(sent_to, text)] = post.arrived()
        assert sent_to == letter.recipient
        assert CODE in text
        assert "K7P2" in text

    def test_letters_arrive_in_the_order_of_sending(self, post: Post) -> None:
        codes = [f"10000{number}" for number in range(5)]
        for number, code in enumerate(codes):
            post.notifier.send(post.letter(number, values={**VALUES, "code": code}))
        assert [next(code for code in codes if code in text) for _, text in post.arrived()] == codes

    def test_letters_sent_at_once_arrive_each(self, post: Post) -> None:
        codes = {f"2000{number:02}" for number in range(12)}
        letters = [post.letter(number, values={**VALUES, "code": code}) for number, code in enumerate(codes)]
        with ThreadPoolExecutor(6) as threads:
            list(threads.map(post.notifier.send, letters))
        texts = [text for _, text in post.arrived()]
        assert {code for code in codes for text in texts if code in text} == codes
        assert len(texts) == len(codes)

    def test_a_pretended_letter_arrives_nowhere(self, post: Post) -> None:
        post.notifier.send(post.letter(1))
        post.notifier.send_decoy(replace(post.letter(2), recipient=NOBODY[post.letter().channel]))
        assert len(post.arrived()) == 1

    def test_while_the_next_hop_is_down_a_letter_fails_for_now_and_says_no_secret(self, post: Post) -> None:
        post.break_down()
        with pytest.raises(Exception) as failure:
            post.notifier.send(post.letter())
        assert not isinstance(failure.value, Undeliverable)
        assert CODE not in str(failure.value)
        assert post.letter().recipient not in str(failure.value)
        post.repair()
        post.notifier.send(post.letter())
        assert len(post.arrived()) == 1
