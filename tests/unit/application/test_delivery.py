import logging
from itertools import pairwise
from typing import Any

import pytest
from tests.support.world import World

from vestibule.adapters.notifier import MemoryNotifier
from vestibule.application.delivery import DECOY_RECIPIENTS
from vestibule.application.ports import Channel, Message, OutgoingMessage, PermanentFailure, TemporaryFailure

ANN = "ann@mail.example.com"


def deliver(world: World) -> int:
    """Delivers until no message is due; returns the number of attempts."""
    attempts = 0
    while count := world.deliver_messages():
        attempts += count
    return attempts


def add_notice(world: World, name: str, lifetime: float = 10_000.0, *, is_urgent: bool = False) -> None:
    """Puts a message into the outbox that holds no code."""
    with world.database.begin() as tx:
        tx.outbox.add(
            Message(
                id=name,
                channel=Channel.EMAIL,
                recipient=ANN,
                template="notice",
                not_before=world.clock(),
                expires_at=world.clock() + lifetime,
                is_urgent=is_urgent,
            )
        )


class HookedNotifier(MemoryNotifier):
    """A notifier that calls `during` before each message."""

    def __init__(self) -> None:
        super().__init__()
        self.during: Any = None

    def send(self, outgoing: OutgoingMessage) -> None:
        if self.during:
            self.during()
        super().send(outgoing)


def hooked_world() -> tuple[World, HookedNotifier]:
    notifier = HookedNotifier()
    return World(notifier=notifier), notifier


def test_message_is_sent_once_and_deleted() -> None:
    world = World()
    world.request_code(destination=ANN)

    assert deliver(world) == 1
    assert deliver(world) == 0

    [outgoing] = world.notifier.messages
    assert (outgoing.channel, outgoing.recipient, outgoing.template) == (Channel.EMAIL, ANN, "code")
    assert outgoing.values["service"] == "Vestibule"
    assert [*world.messages, *world.failed_messages] == []


def test_outgoing_message_hides_its_values_in_repr() -> None:
    world = World()
    code = world.send(ANN)

    assert code not in repr(world.notifier.messages)


def test_message_without_a_challenge_has_no_code() -> None:
    world = World()
    add_notice(world, "welcome")

    assert deliver(world) == 1

    assert dict(world.notifier.messages[0].values) == {"service": "Vestibule"}


def test_code_is_derived_when_the_message_is_sent() -> None:
    world = World()
    world.request_code(destination=ANN)
    world.clock.advance(299)

    assert world.verify_code(destination=ANN, verify_otp=world.code_for(ANN)).proof


def test_expired_code_is_not_delivered() -> None:
    world = World()
    world.request_code(destination=ANN)
    world.clock.advance(300)

    assert deliver(world) == 1

    assert world.notifier.messages == ()
    assert world.messages == ()


def test_expired_message_without_a_code_is_not_delivered() -> None:
    world = World()
    add_notice(world, "in time", lifetime=11)
    add_notice(world, "too late", lifetime=10)
    world.clock.advance(10)

    assert deliver(world) == 2

    assert [outgoing.id for outgoing in world.notifier.messages] == ["in time"]
    assert world.messages == ()


@pytest.mark.parametrize("by", ["replacement", "change"])
def test_replaced_or_revoked_code_is_not_delivered(by: str) -> None:
    world = World()
    world.create_account("ann")
    identity = world.log_in_as("ann")
    world.request_code(destination=ANN)
    world.clock.advance(60)
    if by == "replacement":
        world.request_code(destination=ANN)
    else:
        world.change_account(identity=identity, email="new@mail.example.com")

    deliver(world)

    assert len(world.codes_at(ANN)) == (1 if by == "replacement" else 0)
    if by == "replacement":
        assert world.verify_code(destination=ANN, verify_otp=world.code_for(ANN)).proof


def test_used_code_is_not_delivered() -> None:
    world, notifier = hooked_world()
    world.request_code(destination=ANN)
    notifier.fail_next(ConnectionError())
    deliver(world)
    [message] = world.messages
    assert message.challenge is not None
    world.verify_code(destination=ANN, verify_otp=world.codes.code(*message.challenge))
    world.clock.advance(6)

    assert deliver(world) == 1

    assert notifier.messages == ()


class DecoyRecorder(MemoryNotifier):
    """Records decoys, and fails at the first one."""

    def __init__(self) -> None:
        super().__init__()
        self.decoys: list[OutgoingMessage] = []

    def send_decoy(self, outgoing: OutgoingMessage) -> None:
        self.decoys.append(outgoing)
        if self.decoys[1:]:
            super().send_decoy(outgoing)
        else:
            raise ConnectionError("the server of real messages is down")


def test_decoy_takes_every_step_except_sending() -> None:
    """Otherwise the timing of the next call would reveal that nothing was sent."""
    notifier = DecoyRecorder()
    world = World(notifier=notifier)
    world.request_code(destination=ANN, is_login=True)

    assert deliver(world) == 1
    [waiting] = world.messages
    assert waiting.failed_attempts == 1
    world.clock.advance(6)
    assert deliver(world) == 1

    assert notifier.messages == ()
    assert world.messages == ()
    assert {outgoing.template for outgoing in notifier.decoys} == {"code"}
    assert {outgoing.recipient for outgoing in notifier.decoys} == {DECOY_RECIPIENTS[Channel.EMAIL]}


def attempts(world: World) -> list[float]:
    """Delivers until nothing waits; returns the seconds from the beginning to each attempt, of which all must fail."""
    begun, at = world.clock(), []
    while world.messages:
        world.clock.advance(max(0.0, world.messages[0].not_before - world.clock()))
        at.append(world.clock() - begun)
        world.deliver_messages()
    return at


def test_refused_notice_is_tried_for_a_day_at_most_every_half_hour() -> None:
    world = World()
    add_notice(world, "changed", lifetime=86_400)
    world.notifier.fail_next(TemporaryFailure("greylisted"), times=999)

    tried = attempts(world)

    waits = [after - before for before, after in pairwise(tried)]
    for waited, wanted in zip(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800], strict=False):
        assert wanted <= waited <= wanted * 1.1
    assert max(waits) <= 1800 * 1.1
    assert 86_400 - 1800 * 1.1 <= tried[-1] < 86_400
    [(message, reason)] = world.failed_messages
    assert (message.id, reason) == ("changed", "TemporaryFailure: greylisted")


def test_refused_code_is_tried_to_its_end_at_most_every_minute() -> None:
    world = World()
    world.request_code(destination=ANN)
    world.notifier.fail_next(TemporaryFailure("greylisted"), times=999)

    tried = attempts(world)

    assert max(after - before for before, after in pairwise(tried)) <= 66
    assert 300 - 66 <= tried[-1] < 300


@pytest.mark.parametrize("failure", [ConnectionError(ANN), TemporaryFailure("no answer", may_have_arrived=True)])
def test_message_that_may_have_arrived_is_tried_less_often(failure: Exception) -> None:
    world = World()
    add_notice(world, "welcome", lifetime=86_400)
    world.request_code(destination="ada@example.org")
    world.notifier.fail_next(failure, times=999)

    while world.messages:
        world.deliver_messages()
        world.clock.advance(60)

    attempts = {message.template: message.failed_attempts + 1 for message, _ in world.failed_messages}
    assert attempts == {"notice": 7, "code": 3}
    assert all(ANN not in reason for _, reason in world.failed_messages)


def test_outage_uses_up_one_attempt_and_not_those_of_all_messages() -> None:
    world = World()
    for number in range(25):
        add_notice(world, f"message {number:02}")
    world.notifier.fail_next(TemporaryFailure("down", concerns_all=True), times=3)

    for _ in range(3):
        assert world.deliver_messages() == 0

    assert sorted(message.failed_attempts for message in world.messages) == [0] * 22 + [1] * 3
    assert deliver(world) == 22
    world.clock.advance(6)
    assert deliver(world) == 3


def test_outage_of_one_channel_stops_no_other() -> None:
    world = World()
    add_notice(world, "mail 1")
    add_notice(world, "mail 2")
    world.request_code(destination="+4915112345678")
    world.notifier.fail_next(TemporaryFailure("down", concerns_all=True))
    world.notifier.fail_next(TemporaryFailure("busy"))

    assert world.deliver_messages() == 3, "the decoy of a companion mail, and two mails"
    assert [outgoing.id for outgoing in world.notifier.messages] == ["mail 2"]


def test_code_goes_first_after_an_outage() -> None:
    world = World()
    for number in range(3):
        add_notice(world, f"message {number}")
    world.notifier.fail_next(TemporaryFailure("down", concerns_all=True))
    deliver(world)
    world.request_code(destination="ada@example.org")

    deliver(world)

    assert [outgoing.template for outgoing in world.notifier.messages] == ["code", "notice", "notice"]


@pytest.mark.parametrize(("is_misconfiguration", "level"), [(True, logging.ERROR), (False, logging.WARNING)])
def test_refusal_of_the_service_is_logged_as_an_error(
    is_misconfiguration: bool, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    add_notice(world, "welcome")
    world.notifier.fail_next(TemporaryFailure("535 wrong password", is_misconfiguration=is_misconfiguration))
    with caplog.at_level(logging.INFO, "vestibule.delivery"):
        deliver(world)
    [record] = caplog.records
    assert (record.levelno, "535 wrong password" in record.getMessage()) == (level, True)


def test_undeliverable_message_fails_permanently_at_once() -> None:
    world = World()
    world.request_code(destination=ANN)
    world.notifier.fail_next(PermanentFailure("the server refuses the recipient"))

    deliver(world)

    assert world.messages == ()
    [(_, reason)] = world.failed_messages
    assert reason == "PermanentFailure: the server refuses the recipient"


def test_message_whose_next_attempt_is_too_late_fails_permanently() -> None:
    world = World()
    add_notice(world, "welcome", lifetime=5)
    add_notice(world, "wellcome", lifetime=5.5)
    world.notifier.fail_next(ConnectionError(), times=2)

    deliver(world)

    assert [message.id for message, _ in world.failed_messages] == ["welcome"]
    assert [message.id for message in world.messages] == ["wellcome"]


def test_one_bad_message_stops_no_other() -> None:
    world = World()
    world.notifier.fail_next(RuntimeError("a template that does not render"))
    for name in ("bad", "good", "better"):
        add_notice(world, name)

    assert deliver(world) == 3

    assert [outgoing.id for outgoing in world.notifier.messages] == ["good", "better"]
    assert [message.id for message in world.messages] == ["bad"]


def test_leased_message_is_not_taken_by_another_worker() -> None:
    world, notifier = hooked_world()
    add_notice(world, "welcome")
    others: list[int] = []
    notifier.during = lambda: others.append(world.deliver_messages())

    deliver(world)

    assert others == [0]
    assert len(notifier.messages) == 1


def test_message_of_a_dead_worker_is_due_when_its_lease_expires() -> None:
    world, notifier = hooked_world()
    add_notice(world, "welcome")

    def kill() -> None:
        raise KeyboardInterrupt

    notifier.during = kill
    with pytest.raises(KeyboardInterrupt):
        deliver(world)
    notifier.during = None
    world.clock.advance(59)
    assert deliver(world) == 0

    world.clock.advance(1)
    assert deliver(world) == 1
    assert len(notifier.messages) == 1


def test_slow_worker_releases_the_rest_to_other_workers() -> None:
    world, notifier = hooked_world()
    for number in range(8):
        add_notice(world, f"message {number}", is_urgent=True)
    notifier.during = lambda: world.clock.advance(10)

    assert world.deliver_messages() == 8
    assert len(notifier.messages) == 3

    notifier.during = None
    assert deliver(world) == 5
    assert len(notifier.messages) == 8


def test_code_waits_for_no_notice_but_the_one_that_is_being_sent() -> None:
    world, notifier = hooked_world()
    for number in range(9):
        add_notice(world, f"message {number}")

    def request_code_meanwhile() -> None:
        notifier.during = lambda: world.clock.advance(1)
        world.clock.advance(1)
        world.request_code(destination="ada@example.org")

    notifier.during = request_code_meanwhile
    deliver(world)
    assert [outgoing.template for outgoing in notifier.messages] == ["notice", "code", *["notice"] * 8]


def test_more_messages_than_one_batch_are_all_sent() -> None:
    world = World()
    for number in range(25):
        add_notice(world, f"message {number:02}")

    assert deliver(world) == 25
    assert [outgoing.id for outgoing in world.notifier.messages] == [f"message {number:02}" for number in range(25)]


def test_worker_of_one_channel_delivers_no_other() -> None:
    world = World()
    add_notice(world, "a mail")

    assert world.deliver_messages(Channel.MOBILE) == 0
    assert world.deliver_messages(Channel.EMAIL) == 1


def test_stopped_worker_finishes_its_message_and_releases_the_rest() -> None:
    world = World()
    for name in ("one", "two", "three"):
        add_notice(world, name)

    world.deliver_messages(should_stop=lambda: bool(world.notifier.messages))
    assert len(world.notifier.messages) == 1
    assert [message.failed_attempts for message in world.messages] == [0, 0]

    deliver(world)
    assert sorted(outgoing.id for outgoing in world.notifier.messages) == ["one", "three", "two"]


def add_webhook_message(world: World, name: str = "event") -> None:
    """Puts a message to a webhook into the outbox."""
    with world.database.begin() as tx:
        now = world.clock()
        tx.outbox.add(
            Message(
                id=name,
                channel=Channel.WEBHOOK,
                recipient="webhook",
                template="account.registered",
                not_before=now,
                expires_at=now + 30 * 86_400,
            )
        )


def test_failed_webhook_is_retried_for_days_and_then_fails_permanently() -> None:
    world = World()
    add_webhook_message(world)
    world.notifier.fail_next(TemporaryFailure("it is down"), times=10)
    begun, waits = world.clock(), []
    while world.messages:
        assert world.deliver_messages() == 1
        before = world.clock()
        while world.messages and not world.messages[0].not_before <= world.clock():
            world.clock.advance(world.messages[0].not_before - world.clock())
        waits.append(world.clock() - before)

    assert len(waits) == 10
    hours = [5 / 3600, 5 / 60, 0.5, 2, 5, 10, 14, 20, 24, 0]
    for waited, wanted in zip(waits, hours, strict=True):
        assert wanted * 3600 <= waited <= wanted * 3600 * 1.1
    assert 3 < (world.clock() - begun) / 86_400 < 4
    assert [posted.message.id for posted in world.list_messages(failed=True)] == ["event"]

    world.retry_messages(["event"])
    assert deliver(world) == 1
    assert [outgoing.id for outgoing in world.notifier.messages] == ["event"]


def test_retry_after_of_the_next_hop_is_respected_up_to_a_day() -> None:
    world = World()
    add_webhook_message(world)
    for wanted, waited in ((1800.0, 1800.0), (1e9, 86_400.0)):
        world.notifier.fail_next(TemporaryFailure("too many", retry_after=wanted))
        assert world.deliver_messages() == 1
        assert world.messages[0].not_before == world.clock() + waited
        world.clock.advance(waited)


def test_retries_of_webhooks_have_jitter() -> None:
    world = World()
    for number in range(9):
        add_webhook_message(world, f"event {number}")
    world.notifier.fail_next(TemporaryFailure("it is down"), times=9)
    deliver(world)
    assert len({message.not_before for message in world.messages}) > 5
