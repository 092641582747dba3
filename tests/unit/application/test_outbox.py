from collections.abc import Callable
from functools import partial

import pytest
from tests.support.world import BusyDatabase, World, outcome

from vestibule.application import (
    Account,
    DropMessages,
    InvalidToken,
    NoSuchMessage,
    NotPermitted,
    NotRetryable,
    Operator,
    RetryMessages,
)
from vestibule.application.outbox import BATCH
from vestibule.application.ports import AuditQuery, Channel, Message, OutboxEntry, PermanentFailure
from vestibule.domain.events import EventType
from vestibule.testing import ManualClock

ANN = "ann@mail.example.com"


def put(world: World, *names: str, attempts: int = 0) -> None:
    with world.database.begin() as tx:
        for name in names:
            now = world.clock()
            message = Message(
                id=name, channel=Channel.EMAIL, recipient=ANN, template="notice", not_before=now, expires_at=now + 9_000
            )
            tx.outbox.add(message)
            for _ in range(attempts):
                tx.outbox.count_failure(name, now + 600)


def mark_failed(world: World, *names: str) -> None:
    put(world, *names)
    with world.database.begin() as tx:
        for name in names:
            tx.outbox.mark_failed(name, "PermanentFailure")


def test_state_of_a_message_tells_why_it_has_not_gone() -> None:
    message = Message(id="a", channel=Channel.EMAIL, recipient=ANN, template="notice", not_before=100, expires_at=900)

    def state(due_at: float | None, *, now: float, is_readable: bool = True) -> str:
        return OutboxEntry(position=1, message=message, due_at=due_at, is_readable=is_readable).state(now)

    assert state(100, now=50) == "waiting"
    assert state(100, now=100) == "due"
    assert state(160, now=100) == "sending"
    assert state(None, now=100) == "failed"
    assert state(100, now=100, is_readable=False) == "damaged"


def outbox_ids(world: World, *, failed: bool = False) -> list[str]:
    return [entry.message.id for entry in world.list_messages(failed=failed)]


def recorded_details(world: World) -> list[str]:
    return [event.detail for event in world.events(EventType.OUTBOX_CHANGED)]


def permanently_failed_code(world: World) -> str:
    """Requests a code whose mail is refused permanently; returns the message's id."""
    world.request_code(destination=ANN)
    world.notifier.fail_next(PermanentFailure("refused"))
    world.deliver_messages()
    [entry] = world.list_messages(failed=True)
    return entry.message.id


def test_waiting_and_failed_messages_are_listed_in_order() -> None:
    world = World()
    put(world, "a")
    mark_failed(world, "b")
    put(world, "c")
    assert outbox_ids(world) == ["a", "b", "c"]
    assert outbox_ids(world, failed=True) == ["b"]


def test_outbox_is_listed_beyond_one_batch() -> None:
    world = World()
    wanted = [f"{number:04}" for number in range(2 * BATCH + 1)]
    put(world, *wanted)
    assert outbox_ids(world) == wanted


def test_failed_message_can_be_retried_and_that_is_recorded() -> None:
    world = World()
    message_id = permanently_failed_code(world)

    assert world.retry_messages([message_id, message_id]) == 1

    assert len(world.codes_at(ANN)) == 1
    assert outbox_ids(world) == []
    assert recorded_details(world) == [f"retried {message_id}"]


def test_message_waiting_after_a_failure_can_be_retried_at_once() -> None:
    world = World()
    put(world, "a", attempts=3)
    world.retry_messages(["a"])
    assert [message.failed_attempts for message in world.messages] == [0]
    assert len(world.messages_to(ANN)) == 1


@pytest.mark.parametrize("by", ["expiry", "a replacement", "use"])
def test_expired_or_used_code_is_not_retryable(by: str) -> None:
    world = World()
    message_id = permanently_failed_code(world)
    if by == "expiry":
        world.clock.advance(300)
    else:
        world.clock.advance(60)
        code = world.send(ANN)
        if by == "use":
            world.verify_code(destination=ANN, verify_otp=code)

    with pytest.raises(NotRetryable, match=f"{message_id}: It has expired"):
        world.retry_messages([message_id])
    assert world.retry_messages() == 0
    assert outbox_ids(world) == [message_id]
    assert recorded_details(world) == []


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


def test_message_that_this_program_cannot_read_is_not_retryable_and_can_be_dropped() -> None:
    world = World()
    now, purpose = world.clock(), "a purpose of a later version"
    later = Message(
        id="later",
        channel=Channel.EMAIL,
        recipient=ANN,
        template="code",
        challenge=("id", purpose, ANN),  # type: ignore[arg-type]  # only the database could hold it
        not_before=now,
        expires_at=now + 300,
    )
    with world.database.begin() as tx:
        tx.outbox.add(later)
    world.deliver_messages()

    with pytest.raises(NotRetryable, match="later: Its row is damaged"):
        world.retry_messages(["later"])

    assert world.drop_messages(["later"]) == 1


def test_several_messages_are_all_retried_or_none() -> None:
    world = World()
    mark_failed(world, "a")
    with pytest.raises(NoSuchMessage, match="There is no message b"):
        world.retry_messages(["a", "b"])
    assert outbox_ids(world, failed=True) == ["a"]


def test_all_failed_messages_are_retried_and_waiting_ones_keep_their_time() -> None:
    world = World()
    put(world, "first")
    put(world, "failed", attempts=2)
    mark_failed(world, "permanently failed", *[f"{number:04}" for number in range(BATCH)])
    world.clock.advance(1)

    assert world.retry_messages() == BATCH + 2

    assert {entry.message.not_before for entry in world.list_messages() if entry.message.id == "first"} == {world.clock() - 1}
    assert outbox_ids(world, failed=True) == []
    assert recorded_details(world) == [f"retried {BATCH - 1} messages", "retried 3 messages"]


@pytest.mark.parametrize("change", ["sent", "retried"])
def test_message_sent_or_retried_meanwhile_is_neither_retried_nor_dropped(change: str) -> None:
    database = BusyDatabase()
    operators, clock = World().drop_messages.operators, ManualClock()
    drop, retry = (make(database=database, operators=operators, clock=clock) for make in (DropMessages, RetryMessages))
    now = retry.clock()
    message = Message(id="a", channel=Channel.EMAIL, recipient=ANN, template="notice", not_before=now, expires_at=now + 9_000)

    def interleave() -> None:
        with database.begin() as tx:
            if change == "sent":
                tx.outbox.delete("a")
            else:
                tx.outbox.requeue("a", now)

    for use_case in (drop, retry):
        with database.begin() as tx:
            tx.outbox.delete("a")
            tx.outbox.add(message)
            tx.outbox.mark_failed("a", "PermanentFailure")
        database.meanwhile = [interleave]
        assert use_case() == 0
        assert database.meanwhile == []
    assert database.audit_log.find(AuditQuery(), limit=9) == []


def test_waiting_or_failed_message_can_be_dropped() -> None:
    world = World()
    put(world, "a", "b")
    mark_failed(world, "c", "d")

    assert world.drop_messages(["a", "c"]) == 2

    assert outbox_ids(world) == ["b", "d"]
    assert recorded_details(world) == ["dropped 2 messages"]


def test_several_messages_are_all_dropped_or_none() -> None:
    world = World()
    put(world, "a")
    with pytest.raises(NoSuchMessage):
        world.drop_messages(["a", "b"])
    assert outbox_ids(world) == ["a"]


def test_all_failed_messages_are_dropped_and_no_other() -> None:
    world = World()
    put(world, "a")
    mark_failed(world, *[f"{number:04}" for number in range(BATCH + 1)])

    assert world.drop_messages() == BATCH + 1

    assert outbox_ids(world) == ["a"]
    assert recorded_details(world) == [f"dropped {BATCH} messages", "dropped 0500"]
    assert world.drop_messages() == 0
    assert len(recorded_details(world)) == 2


LOSSES: dict[str, tuple[Callable[[World, Operator], object], type[Exception]]] = {
    "demoted": (lambda world, by: world.alter(world.now(account_of(by)), is_superuser=False, is_staff=True), NotPermitted),
    "deactivated": (lambda world, by: world.alter(world.now(account_of(by)), is_active=False), InvalidToken),
    "signed out": (lambda world, by: world.log_out(identity=by.identity), InvalidToken),
}


def account_of(operator: Operator) -> Account:
    assert operator.identity
    return operator.identity.account


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("ids", [["0000"], None], ids=["by id", "all"])
@pytest.mark.parametrize("act", ["retry_messages", "drop_messages"])
def test_operator_who_is_demoted_or_signed_out_meanwhile_changes_no_message(act: str, ids: list[str] | None, loss: str) -> None:
    database = BusyDatabase()
    world = World(database=database)
    boss = world.alter(world.create_account("boss"), is_superuser=True)
    operator = Operator(identity=world.log_in_as(boss.username.text))
    mark_failed(world, "0000")
    lose, refusal = LOSSES[loss]
    database.meanwhile = [partial(lose, world, operator)]

    assert isinstance(outcome(partial(getattr(world, act), ids, operator=operator)), refusal)

    assert database.meanwhile == []
    assert outbox_ids(world, failed=True) == ["0000"]
    assert recorded_details(world) == []


def test_operator_who_is_demoted_between_two_batches_changes_no_further_one() -> None:
    database = BusyDatabase()
    world = World(database=database)
    boss = world.alter(world.create_account("boss"), is_superuser=True)
    operator = Operator(identity=world.log_in_as(boss.username.text))
    mark_failed(world, *[f"{number:04}" for number in range(BATCH + 1)])
    database.meanwhile = [lambda: None, lambda: world.alter(boss, is_superuser=False)]

    assert isinstance(outcome(partial(world.drop_messages, operator=operator)), NotPermitted)

    assert outbox_ids(world) == ["0500"]
    assert recorded_details(world) == [f"dropped {BATCH} messages"]
