from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.support.world import World

from vestibule.adapters.database import MemoryDatabase
from vestibule.adapters.database.database import SqlTransaction
from vestibule.application import DropMessages, NoSuchMessage, NotRetryable, RetryMessages
from vestibule.application.outbox import BATCH
from vestibule.application.ports import AuditQuery, Channel, Message, PermanentFailure
from vestibule.domain.events import EventType
from vestibule.testing import ManualClock

ANN = "ann@mail.example.com"


class Meanwhile(MemoryDatabase):
    """A database where another transaction commits between a read and the next transaction."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Any] = []

    @contextmanager
    def begin(self) -> Iterator[SqlTransaction]:
        while self.meanwhile:
            self.meanwhile.pop()()
        with super().begin() as tx:
            yield tx


def put(world: World, *names: str, attempts: int = 0) -> None:
    with world.database.begin() as tx:
        for name in names:
            now = world.clock()
            one = Message(
                id=name, channel=Channel.EMAIL, recipient=ANN, template="notice", not_before=now, expires_at=now + 9_000
            )
            tx.outbox.add(one)
            for _ in range(attempts):
                tx.outbox.count_failure(name, now + 600)


def mark_failed(world: World, *names: str) -> None:
    put(world, *names)
    with world.database.begin() as tx:
        for name in names:
            tx.outbox.mark_failed(name, "PermanentFailure")


def lying(world: World, *, dead: bool = False) -> list[str]:
    return [one.message.id for one in world.list_messages(failed=dead)]


def recorded(world: World) -> list[str]:
    return [event.detail for event in world.events(EventType.OUTBOX_CHANGED)]


def given_up_code(world: World) -> str:
    """Asks for a code whose mail is refused; answers the message's id."""
    world.request_code(destination=ANN)
    world.notifier.fail_next(PermanentFailure("refused"))
    world.deliver_messages()
    [dead] = world.list_messages(failed=True)
    return dead.message.id


def test_waiting_and_failed_messages_are_listed_in_order() -> None:
    world = World()
    put(world, "a")
    mark_failed(world, "b")
    put(world, "c")
    assert lying(world) == ["a", "b", "c"]
    assert lying(world, dead=True) == ["b"]


def test_outbox_is_listed_beyond_one_batch() -> None:
    world = World()
    wanted = [f"{number:04}" for number in range(2 * BATCH + 1)]
    put(world, *wanted)
    assert lying(world) == wanted


def test_failed_message_can_be_retried_and_that_is_recorded() -> None:
    world = World()
    message_id = given_up_code(world)

    assert world.retry_messages([message_id, message_id]) == 1

    assert len(world.codes_at(ANN)) == 1
    assert lying(world) == []
    assert recorded(world) == [f"retried {message_id}"]


def test_message_waiting_after_a_failure_can_be_retried_at_once() -> None:
    world = World()
    put(world, "a", attempts=3)
    world.retry_messages(["a"])
    assert [message.failed_attempts for message in world.messages] == [0]
    assert len(world.messages_to(ANN)) == 1


@pytest.mark.parametrize("by", ["its end", "a replacement", "its use"])
def test_expired_or_used_code_is_not_retryable(by: str) -> None:
    world = World()
    message_id = given_up_code(world)
    if by == "its end":
        world.clock.advance(300)
    else:
        world.clock.advance(60)
        code = world.send(ANN)
        if by == "its use":
            world.verify_code(destination=ANN, verify_otp=code)

    with pytest.raises(NotRetryable, match=f"{message_id}: It has expired"):
        world.retry_messages([message_id])
    assert world.retry_messages() == 0
    assert lying(world) == [message_id]
    assert recorded(world) == []


def test_leased_message_is_not_retryable() -> None:
    world = World()
    put(world, "a", attempts=1)
    world.clock.advance(600)
    with world.database.begin() as tx:
        tx.outbox.lease(world.clock(), seconds=60, limit=1)

    with pytest.raises(NotRetryable, match="a: A delivery worker is sending it"):
        world.retry_messages(["a"])
    assert world.retry_messages() == 0

    world.clock.advance(60)
    assert world.retry_messages(["a"]) == 1


def test_several_messages_are_all_retried_or_none() -> None:
    world = World()
    mark_failed(world, "a")
    with pytest.raises(NoSuchMessage, match="There is no message b"):
        world.retry_messages(["a", "b"])
    assert lying(world, dead=True) == ["a"]


def test_all_failed_messages_are_retried_and_waiting_ones_keep_their_time() -> None:
    world = World()
    put(world, "first")
    put(world, "failed", attempts=2)
    mark_failed(world, "dead", *[f"{number:04}" for number in range(BATCH)])
    world.clock.advance(1)

    assert world.retry_messages() == BATCH + 2

    assert {one.message.not_before for one in world.list_messages() if one.message.id == "first"} == {world.clock() - 1}
    assert lying(world, dead=True) == []
    assert recorded(world) == [f"retried {BATCH - 1} messages", "retried 3 messages"]


@pytest.mark.parametrize("ends", ["sent", "retried"])
def test_message_sent_or_retried_meanwhile_is_neither_retried_nor_dropped(ends: str) -> None:
    database = Meanwhile()
    drop, retry = (make(database=database, clock=ManualClock()) for make in (DropMessages, RetryMessages))
    now = retry.clock()
    dead = Message(id="a", channel=Channel.EMAIL, recipient=ANN, template="notice", not_before=now, expires_at=now + 9_000)

    def end() -> None:
        with database.begin() as tx:
            if ends == "sent":
                tx.outbox.delete("a")
            else:
                tx.outbox.requeue("a", now)

    for act in (drop, retry):
        with database.begin() as tx:
            tx.outbox.delete("a")
            tx.outbox.add(dead)
            tx.outbox.mark_failed("a", "PermanentFailure")
        database.meanwhile = [end]
        assert act() == 0
        assert database.meanwhile == []
    assert database.audit_log.find(AuditQuery(), limit=9) == []


def test_waiting_or_failed_message_can_be_dropped() -> None:
    world = World()
    put(world, "a", "b")
    mark_failed(world, "c", "d")

    assert world.drop_messages(["a", "c"]) == 2

    assert lying(world) == ["b", "d"]
    assert recorded(world) == ["dropped 2 messages"]


def test_several_messages_are_all_dropped_or_none() -> None:
    world = World()
    put(world, "a")
    with pytest.raises(NoSuchMessage):
        world.drop_messages(["a", "b"])
    assert lying(world) == ["a"]


def test_all_failed_messages_are_dropped_and_no_other() -> None:
    world = World()
    put(world, "a")
    mark_failed(world, *[f"{number:04}" for number in range(BATCH + 1)])

    assert world.drop_messages() == BATCH + 1

    assert lying(world) == ["a"]
    assert recorded(world) == [f"dropped {BATCH} messages", "dropped 0500"]
    assert world.drop_messages() == 0
    assert len(recorded(world)) == 2
