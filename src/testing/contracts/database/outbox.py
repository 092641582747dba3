"""The outbox: leases, retries and permanent failures."""

from collections.abc import Sequence
from operator import methodcaller
from typing import Any

import pytest

from ....application.ports import Channel, Database, Message
from .builders import NOW, lease, message, names, post

RELEASE_LEASE = methodcaller("release_lease", "message-1")
COUNT_FAILURE = methodcaller("count_failure", "message-1", NOW + 90)
MARK_FAILED = methodcaller("mark_failed", "message-1", "PermanentFailure")
REQUEUE = methodcaller("requeue", "message-1", NOW + 7)
DELETE = methodcaller("delete", "message-1")


def lease_and_change(database: Database, one: Message, changes: Sequence[methodcaller]) -> None:
    """Adds a message, leases it, and makes the changes in one transaction."""
    post(database, one)
    assert lease(database, NOW) == [one]
    with database.begin() as tx:
        for change in changes:
            change(tx.outbox)


def _routine(number: int, **changed: Any) -> Message:
    return message(number, **{"challenge": None, "is_urgent": False} | changed)


class OutboxContract:
    """The outbox: leases, retries and permanent failures."""

    @pytest.mark.parametrize(
        "one", [message(1), message(1, channel=Channel.MOBILE, recipient=None, challenge=None, values={}, failed_attempts=2)]
    )
    def test_message_is_leased_as_it_was_added(self, database: Database, one: Message) -> None:
        post(database, one)
        assert lease(database, NOW) == [one]

    def test_due_messages_are_leased_oldest_first_up_to_the_limit(self, database: Database) -> None:
        post(database, message(1, not_before=NOW + 9), message(2, not_before=NOW - 5), message(3), message(4))
        assert [one.id for one in lease(database, NOW, limit=2)] == ["message-2", "message-3"]
        assert [one.id for one in lease(database, NOW)] == ["message-4"]
        assert [one.id for one in lease(database, NOW + 9)] == ["message-1"]

    def test_codes_and_urgent_messages_are_leased_first_whatever_their_age(self, database: Database) -> None:
        old, older = (_routine(number, not_before=NOW - 900 * number) for number in (1, 2))
        urgent, code = _routine(3, is_urgent=True), message(4, not_before=NOW - 1)
        post(database, old, older, urgent, code)
        assert lease(database, NOW, limit=3) == [code, urgent, older]
        assert lease(database, NOW) == [old]

    def test_accounts_take_turns_and_each_keeps_its_order(self, database: Database) -> None:
        many = [_routine(number, account_id=1, not_before=NOW + number / 10) for number in range(1, 7)]
        other, later = _routine(7, account_id=2, not_before=NOW + 1), _routine(8, account_id=3, not_before=NOW + 130)
        post(database, *many, other, later)
        assert lease(database, NOW + 200, limit=5) == [many[0], other, many[1], many[2], later]
        assert lease(database, NOW + 200) == many[3:]

    def test_urgent_messages_and_other_channels_take_no_turns_of_an_account(self, database: Database) -> None:
        many = [_routine(number, account_id=1) for number in range(1, 4)]
        urgent = _routine(4, account_id=1, is_urgent=True)
        text = _routine(5, account_id=1, channel=Channel.MOBILE)
        other = _routine(6, account_id=2, channel=Channel.MOBILE, not_before=NOW + 1)
        post(database, *many, urgent, text, other)
        assert lease(database, NOW + 1) == [urgent, many[0], text, other, *many[1:]]

    def test_released_message_keeps_its_turn(self, database: Database) -> None:
        many = [_routine(number, account_id=1) for number in range(1, 5)]
        post(database, *many)
        assert lease(database, NOW) == many
        with database.begin() as tx:
            for one in reversed(many):
                tx.outbox.release_lease(one.id)
        post(database, _routine(5, account_id=2))
        assert [one.id for one in lease(database, NOW)] == [f"message-{number}" for number in (1, 5, 2, 3, 4)]

    def test_lease_of_one_channel_leaves_the_other_channels_alone(self, database: Database) -> None:
        mail, text, other = message(1), message(2, channel=Channel.MOBILE), message(3)
        post(database, mail, text, other)
        with database.begin() as tx:
            assert list(tx.outbox.lease(NOW, seconds=60, limit=10, channel=Channel.MOBILE)) == [text]
            assert list(tx.outbox.lease(NOW, seconds=60, limit=10, channel=Channel.EMAIL)) == [mail, other]

    @pytest.mark.parametrize(
        ("changes", "due", "becomes"),
        [
            ([], NOW + 60, message(1, failed_attempts=2)),
            ([RELEASE_LEASE], NOW, message(1, failed_attempts=2)),
            ([COUNT_FAILURE], NOW + 90, message(1, not_before=NOW + 90, failed_attempts=3)),
            ([COUNT_FAILURE, REQUEUE], NOW + 7, message(1, not_before=NOW + 7)),
            ([MARK_FAILED, REQUEUE], NOW + 7, message(1, not_before=NOW + 7)),
        ],
    )
    def test_leased_message_is_due_again(
        self, database: Database, changes: Sequence[methodcaller], due: float, becomes: Message
    ) -> None:
        lease_and_change(database, message(1, failed_attempts=2), changes)
        [kept] = database.outbox.find(failed=False, after=0, limit=9)
        assert (kept.has_failed_permanently, kept.failure_reason) == (False, None)
        assert lease(database, due - 1) == []
        assert lease(database, due) == [becomes]

    @pytest.mark.parametrize("change", [RELEASE_LEASE, COUNT_FAILURE])
    def test_failed_message_is_kept_with_its_reason_and_never_leased_again(
        self, database: Database, change: methodcaller
    ) -> None:
        lease_and_change(database, message(1), [MARK_FAILED, change])
        assert lease(database, NOW + 10**6) == []
        [failed] = database.outbox.find(failed=True, after=0, limit=9)
        assert (failed.message.id, failed.failure_reason) == ("message-1", "PermanentFailure")

    @pytest.mark.parametrize("change", [RELEASE_LEASE, COUNT_FAILURE, REQUEUE])
    def test_deleted_message_is_gone(self, database: Database, change: methodcaller) -> None:
        lease_and_change(database, message(1), [DELETE, change])
        assert names(database) == []

    def test_outbox_is_listed_in_order_with_failed_messages(self, database: Database) -> None:
        decoy = message(2, recipient=None, not_before=NOW + 9)
        post(database, message(1), decoy, message(3), message(4))
        with database.begin() as tx:
            tx.outbox.lease(NOW, seconds=60, limit=1)
            tx.outbox.mark_failed("message-3", "PermanentFailure")
            tx.outbox.mark_failed("message-4", "Timeout")
        found = database.outbox.find(failed=False, after=0, limit=9)
        positions = [one.position for one in found]
        assert positions == sorted(set(positions))
        assert [(one.message, one.due_at, one.failure_reason) for one in found] == [
            (message(1), NOW + 60, None),
            (decoy, NOW + 9, None),
            (message(3), None, "PermanentFailure"),
            (message(4), None, "Timeout"),
        ]
        assert names(database, failed=True) == ["message-3", "message-4"]
        assert names(database, failed=True, after=positions[2]) == ["message-4"]
        assert names(database, after=positions[0], limit=2) == ["message-2", "message-3"]
        with database.begin() as tx:
            assert [tx.outbox.lock(f"message-{number}") for number in range(1, 6)] == [*found, None]

    def test_find_in_the_outbox_waits_for_no_writer(self, database: Database) -> None:
        post(database, message(1))
        with database.begin() as tx:
            tx.outbox.delete("message-1")
            assert names(database) == ["message-1"]

    def test_message_that_crashes_its_worker_does_not_hold_back_others(self, database: Database) -> None:
        post(database, message(1, not_before=NOW - 1))
        assert [one.id for one in lease(database, NOW, limit=1)] == ["message-1"]
        post(database, message(2, not_before=NOW + 1))
        assert [one.id for one in lease(database, NOW + 60, limit=1)] == ["message-2"]
        assert [one.id for one in lease(database, NOW + 60, limit=1)] == ["message-1"]
