import json
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from tests.support.world import OTHER_PASSWORD, PASSWORD, SOMEWHERE, World, outcome

from vestibule.adapters.database import MemoryDatabase
from vestibule.application import AlreadyTaken, Channel, EventType
from vestibule.application.ports import Message
from vestibule.application.webhooks import AnnouncingDatabase, EnqueueWebhook
from vestibule.domain.events import ACCOUNT_EVENTS, STATE_CHANGES, Event


def announced(*kinds: EventType) -> World:
    """A world in which a webhook is told of these kinds."""
    numbers = count(1)
    announce = EnqueueWebhook(new_id=lambda: f"event {next(numbers)}", kinds=kinds or STATE_CHANGES)
    return World(database=AnnouncingDatabase(MemoryDatabase(), announce))


def messages(world: World) -> list[Message]:
    return [message for message in world.messages if message.channel is Channel.WEBHOOK]


def payloads(world: World) -> list[dict[str, Any]]:
    return [json.loads(message.values["payload"]) for message in messages(world)]


def test_a_webhook_is_told_what_happened_to_whom_in_the_form_of_standard_webhooks() -> None:
    world = announced()
    ann = world.create_account("ann")
    tokens = world.log_in(username="ann", password=PASSWORD, caller=SOMEWHERE)
    at = "2027-01-15T08:00:00.000Z"
    assert payloads(world) == [
        {"type": "account.registered", "timestamp": at, "data": {"account_id": ann.id, "session_id": None, "note": None}},
        {
            "type": "account.logged_in",
            "timestamp": at,
            "data": {"account_id": ann.id, "session_id": tokens.session, "note": "password"},
        },
    ]
    [registered, logged_in] = messages(world)
    assert (registered.template, registered.recipient, registered.challenge) == ("account.registered", "webhook", None)
    assert len({registered.id, logged_in.id}) == 2


def test_a_webhook_is_told_no_secret_and_nothing_personal() -> None:
    world = announced(*ACCOUNT_EVENTS)
    ann = world.create_account("ann", mobile="9999999999")
    outcome(lambda: world.log_in(username="ann", password="not the one", caller=SOMEWHERE))
    outcome(lambda: world.log_in(username="nobody", password="not the one", caller=SOMEWHERE))
    identity = world.sign_in("ann")
    world.change_account(identity=identity, name="Ann Other", email="other@mail.example.com", password=OTHER_PASSWORD)
    world.set_active(who="ann", active=False)

    told = json.dumps(payloads(world))
    assert len(payloads(world)) == 8
    assert all(word not in told.lower() for word in ("ann", "example", "9999", "198.51", PASSWORD, OTHER_PASSWORD))
    assert str(ann.id) in told


def test_what_was_rolled_back_is_told_to_nobody() -> None:
    world = announced()
    world.create_account("ann")
    with pytest.raises(AlreadyTaken):
        world.create_account("ann")
    with (
        suppress(KeyError),
        AnnouncingDatabase(world.database, EnqueueWebhook(new_id=world.new_id, kinds=STATE_CHANGES)).begin() as tx,
    ):
        tx.audit_log.add(Event(type=EventType.REGISTERED, occurred_at=world.clock(), account_id=7))
        raise KeyError
    assert [told["data"]["account_id"] for told in payloads(world)] == [1]


def test_only_what_was_asked_for_is_told() -> None:
    world = announced(EventType.LOGGED_IN)
    world.create_account("ann")
    world.sign_in("ann")
    world.request_code(destination="ann@mail.example.com")
    assert [told["type"] for told in payloads(world)] == ["account.logged_in"]
    assert world.events(EventType.REGISTERED, EventType.CODE_SENT) != []


def test_a_failed_login_is_told_whether_or_not_there_is_an_account() -> None:
    """Else the time of the answer would tell."""
    world = announced(EventType.LOGIN_FAILED)
    world.create_account("ann")
    for name in ("ann", "nobody"):
        outcome(lambda name=name: world.log_in(username=name, password="not the one"))  # type: ignore[misc]
    assert [told["data"]["account_id"] for told in payloads(world)] == [1, None]


def test_what_a_program_reads_and_clears_away_is_as_without_a_webhook() -> None:
    world = announced()
    ann = world.create_account("ann")
    database = AnnouncingDatabase(world.database, EnqueueWebhook(new_id=world.new_id, kinds=STATE_CHANGES))
    database.check()
    assert database.purge(world.clock(), limit=1) == 0
    assert database.accounts.get(ann.id) == ann
    assert database.cursors.get("crm").position == 0
