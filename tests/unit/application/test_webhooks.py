import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NoReturn

import pytest
from tests.support.world import CALLER, OTHER_PASSWORD, PASSWORD, World, outcome

from vestibule.adapters.database import MemoryDatabase
from vestibule.application import AlreadyTaken, Channel, EventType, Unavailable
from vestibule.application.audit import record
from vestibule.application.event_consumer import MAX_EVENTS
from vestibule.application.ports import Message
from vestibule.application.webhooks import CURSOR_NAME, KEPT_SECONDS, EnqueueWebhooks
from vestibule.domain.events import ACCOUNT_EVENTS, STATE_CHANGES


def started_consumer(world: World, *types: EventType) -> EnqueueWebhooks:
    """Starts the consumer of events, which begins with the next one."""
    webhooks = EnqueueWebhooks(
        database=world.database, read_events=world.read_events, clock=world.clock, types=types or STATE_CHANGES
    )
    webhooks.start()
    return webhooks


def messages(world: World) -> list[Message]:
    return [message for message in world.messages if message.channel is Channel.WEBHOOK]


def payloads(world: World) -> list[dict[str, Any]]:
    return [json.loads(message.values["payload"]) for message in messages(world)]


def test_payload_follows_standard_webhooks() -> None:
    world = World()
    webhooks = started_consumer(world)
    ann = world.create_account("ann")
    tokens = world.log_in(username="ann", password=PASSWORD, caller=CALLER)
    webhooks()
    at = "2027-01-15T08:00:00.000Z"
    assert payloads(world) == [
        {"type": "account.registered", "timestamp": at, "data": {"account_id": ann.id, "session_id": None, "detail": None}},
        {
            "type": "account.logged_in",
            "timestamp": at,
            "data": {"account_id": ann.id, "session_id": tokens.session, "detail": "password"},
        },
    ]
    [registered, logged_in] = messages(world)
    assert (registered.template, registered.recipient, registered.challenge) == ("account.registered", "webhook", None)
    assert len({registered.id, logged_in.id}) == 2


def test_payload_holds_no_secret_and_no_personal_data() -> None:
    world = World()
    webhooks = started_consumer(world, *ACCOUNT_EVENTS)
    ann = world.create_account("ann", mobile="9999999999")
    outcome(lambda: world.log_in(username="ann", password="not the one", caller=CALLER))
    outcome(lambda: world.log_in(username="nobody", password="not the one", caller=CALLER))
    identity = world.log_in_as("ann")
    world.change_account(identity=identity, name="Ann Other", email="other@mail.example.com", password=OTHER_PASSWORD)
    world.set_active(identifier="ann", active=False)
    webhooks()

    text = json.dumps(payloads(world))
    assert len(payloads(world)) == 8
    assert all(word not in text.lower() for word in ("ann", "example", "9999", "198.51", PASSWORD, OTHER_PASSWORD))
    assert str(ann.id) in text


def test_rolled_back_event_is_not_sent() -> None:
    world = World()
    webhooks = started_consumer(world)
    world.create_account("ann")
    with pytest.raises(AlreadyTaken):
        world.create_account("ann")
    webhooks()
    assert [payload["data"]["account_id"] for payload in payloads(world)] == [1]


def test_only_the_chosen_event_types_are_sent() -> None:
    world = World()
    webhooks = started_consumer(world, EventType.LOGGED_IN)
    world.create_account("ann")
    world.log_in_as("ann")
    world.request_code(destination="ann@mail.example.com")
    webhooks()
    assert [payload["type"] for payload in payloads(world)] == ["account.logged_in"]
    assert world.events(EventType.REGISTERED, EventType.CODE_SENT) != []


def test_failed_login_is_sent_whether_or_not_there_is_an_account() -> None:
    world = World()
    webhooks = started_consumer(world, EventType.LOGIN_FAILED)
    world.create_account("ann")
    for name in ("ann", "nobody"):
        outcome(lambda name=name: world.log_in(username=name, password="not the one"))  # type: ignore[misc]
    webhooks()
    assert [payload["data"]["account_id"] for payload in payloads(world)] == [1, None]


def test_first_start_skips_the_past_and_a_later_start_resumes() -> None:
    world = World()
    world.create_account("ann")
    started_consumer(world)()
    assert messages(world) == []
    world.create_account("bob")
    started_consumer(world)()
    assert [payload["data"]["account_id"] for payload in payloads(world)] == [2]


def test_every_event_is_sent_once_and_in_order_beyond_one_batch() -> None:
    world = World()
    webhooks = started_consumer(world, EventType.LOGIN_FAILED, EventType.REGISTERED)
    for number in range(MAX_EVENTS + 5):
        world.create_account(f"person{number}")
    webhooks()
    webhooks()
    assert [payload["data"]["account_id"] for payload in payloads(world)] == list(range(1, MAX_EVENTS + 6))


def test_event_that_is_read_again_keeps_its_message() -> None:
    world = World()
    webhooks = started_consumer(world)
    world.create_account("ann")
    webhooks()
    [before] = messages(world)
    with world.database.begin() as tx:
        cursor = tx.cursors.lock(CURSOR_NAME)
        tx.cursors.save(type(cursor)(name=CURSOR_NAME, moved_at=cursor.moved_at))
    webhooks()
    assert messages(world) == [before]


def test_account_with_many_events_delays_no_other() -> None:
    world = World()
    webhooks = started_consumer(world)
    bob = world.create_account("bob")
    identity = world.log_in_as("bob")
    world.create_account("ann")
    with world.database.begin() as tx:
        for _ in range(293):
            record(tx, EventType.LOGGED_IN, world.clock(), CALLER, account_id=2)
    world.clock.advance(1)
    world.change_account(identity=identity, name="Bob Other")
    world.change_account(identity=identity, password=OTHER_PASSWORD)
    webhooks()
    with world.database.begin() as tx:
        leased = tx.outbox.lease(world.clock(), seconds=60, limit=10, channel=Channel.WEBHOOK)
    first = [(one.template.removeprefix("account."), one.account_id) for one in leased]
    assert first[0] == ("password_changed", bob.id)
    assert ("name_changed", bob.id) in first[:7]
    of_ann = [one.id for one in leased if one.account_id == 2]
    assert of_ann == [one.id for one in messages(world) if one.account_id == 2][: len(of_ann)]


def test_event_past_its_retention_is_not_sent() -> None:
    world = World()
    webhooks = started_consumer(world)
    world.create_account("ann")
    world.clock.advance(KEPT_SECONDS)
    world.create_account("bob")
    webhooks()
    assert [payload["data"]["account_id"] for payload in payloads(world)] == [2]


def test_consumer_stops_between_batches() -> None:
    world = World()
    webhooks = started_consumer(world)
    world.create_account("ann")
    webhooks(lambda: True)
    assert messages(world) == []


@pytest.mark.parametrize("channel", [None, Channel.WEBHOOK, Channel.EMAIL])
def test_delivery_of_webhooks_enqueues_them_first(channel: Channel | None) -> None:
    world = World()
    deliver = type(world.deliver_messages)(
        database=world.database,
        notifier=world.notifier,
        codes=world.codes,
        clock=world.clock,
        enqueue_webhooks=started_consumer(world),
    )
    world.create_account("ann")
    assert deliver(channel) == (channel is not Channel.EMAIL)
    assert [message.template for message in world.notifier.messages] == ["account.registered"] * (channel is not Channel.EMAIL)


@pytest.mark.parametrize(("failure", "sent"), [(ValueError("a damaged event"), 1), (Unavailable(), 0)])
def test_webhooks_that_wait_are_sent_while_new_events_cannot_be_read(
    failure: Exception, sent: int, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    webhooks = started_consumer(world)
    world.create_account("ann")
    webhooks()

    def fail() -> NoReturn:
        raise failure

    deliver = type(world.deliver_messages)(
        database=world.database,
        notifier=world.notifier,
        codes=world.codes,
        clock=world.clock,
        enqueue_webhooks=replace(webhooks, read_events=replace(world.read_events, clock=fail)),
    )
    outcome(deliver)
    assert len(world.notifier.messages) == sent
    assert ("new events cannot be read for webhooks" in caplog.text) is (sent == 1)


class RacingDatabase(MemoryDatabase):
    """A database where another worker starts between a read of the cursor and the lock on it."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Callable[[], object]] = []

    @contextmanager
    def begin(self) -> Iterator[Any]:
        if self.meanwhile:
            self.meanwhile.pop()()
        with super().begin() as tx:
            yield tx


def test_second_of_two_concurrent_first_starts_skips_nothing() -> None:
    database = RacingDatabase()
    world = World(database=database)

    def start_other_worker() -> None:
        started_consumer(world)
        world.create_account("ann")

    database.meanwhile = [start_other_worker]
    started_consumer(world)()
    assert [payload["data"]["account_id"] for payload in payloads(world)] == [1]
