"""Messages under way."""

import pytest

from ....application.ports import Channel, Database, Message
from .given import (
    NOW,
    dead,
    lease,
    message,
    names,
    post,
)


class OutboxContract:
    """Messages under way."""

    @pytest.mark.parametrize(
        "one", [message(1), message(1, channel=Channel.MOBILE, recipient=None, challenge=None, values={}, attempts=2)]
    )
    def test_a_message_comes_out_of_the_outbox_as_it_went_in(self, database: Database, one: Message) -> None:
        post(database, one)
        assert lease(database, NOW) == [one]

    def test_due_messages_come_oldest_first_and_no_more_than_wanted(self, database: Database) -> None:
        post(database, message(1, not_before=NOW + 9), message(2, not_before=NOW - 5), message(3), message(4))
        assert [one.id for one in lease(database, NOW, limit=2)] == ["message-2", "message-3"]
        assert [one.id for one in lease(database, NOW)] == ["message-4"]
        assert [one.id for one in lease(database, NOW + 9)] == ["message-1"]

    def test_a_courier_of_one_kind_leaves_the_other_alone(self, database: Database) -> None:
        post(database, message(1), message(2, channel=Channel.MOBILE), message(3))
        with database.begin() as tx:
            assert [one.id for one in tx.outbox.lease(NOW, seconds=60, limit=10, channel=Channel.MOBILE)] == ["message-2"]
            assert [one.id for one in tx.outbox.lease(NOW, seconds=60, limit=10, channel=Channel.EMAIL)] == [
                "message-1",
                "message-3",
            ]

    def test_a_leased_message_comes_back_when_the_lease_ends_unless_it_is_done(self, database: Database) -> None:
        post(database, message(1), message(2))
        assert len(lease(database, NOW)) == 2
        with database.begin() as tx:
            tx.outbox.delete("message-1")
        assert lease(database, NOW + 59) == []
        assert lease(database, NOW + 60) == [message(2)]

    def test_a_failed_message_waits_for_its_next_time_and_counts_the_attempt(self, database: Database) -> None:
        post(database, message(1))
        lease(database, NOW)
        with database.begin() as tx:
            tx.outbox.reschedule("message-1", NOW + 90)
        assert lease(database, NOW + 89) == []
        assert lease(database, NOW + 90) == [message(1, not_before=NOW + 90, attempts=1)]

    def test_a_dead_message_is_kept_with_its_reason_and_never_comes_again(self, database: Database) -> None:
        post(database, message(1))
        lease(database, NOW)
        with database.begin() as tx:
            tx.outbox.give_up("message-1", "Undeliverable")
            tx.outbox.reschedule("message-1", NOW)
        assert lease(database, NOW + 10**6) == []
        assert dead(database) == [("message-1", "Undeliverable")]

    def test_a_message_that_was_not_tried_is_due_again_at_once_with_its_attempts_as_they_were(self, database: Database) -> None:
        post(database, message(1, attempts=2))
        lease(database, NOW)
        with database.begin() as tx:
            tx.outbox.release("message-1")
        assert lease(database, NOW) == [message(1, attempts=2)]

    def test_what_was_given_up_or_sent_is_not_put_back(self, database: Database) -> None:
        post(database, message(1), message(2))
        lease(database, NOW)
        with database.begin() as tx:
            tx.outbox.give_up("message-1", "Undeliverable")
            tx.outbox.delete("message-2")
            for name in ("message-1", "message-2"):
                tx.outbox.release(name)
        assert lease(database, NOW + 10**6) == []
        assert dead(database) == [("message-1", "Undeliverable")]

    def test_the_outbox_is_looked_through_in_order_the_dead_ones_too(self, database: Database) -> None:
        decoy = message(2, recipient=None, not_before=NOW + 9)
        post(database, message(1), decoy, message(3), message(4))
        with database.begin() as tx:
            tx.outbox.lease(NOW, seconds=60, limit=1)
            tx.outbox.give_up("message-3", "Undeliverable")
            tx.outbox.give_up("message-4", "Timeout")
        found = database.outbox.find(failed=False, after=0, limit=9)
        positions = [one.position for one in found]
        assert positions == sorted(set(positions))
        assert [(one.message, one.due_at, one.failure_reason) for one in found] == [
            (message(1), NOW + 60, None),
            (decoy, NOW + 9, None),
            (message(3), None, "Undeliverable"),
            (message(4), None, "Timeout"),
        ]
        assert [(one.is_leased(NOW), one.is_leased(NOW + 60), one.has_failed) for one in found] == [
            (True, False, False),
            (False, False, False),
            (False, False, True),
            (False, False, True),
        ]
        assert names(database.outbox.find(failed=True, after=0, limit=9)) == ["message-3", "message-4"]
        assert names(database.outbox.find(failed=True, after=positions[2], limit=9)) == ["message-4"]
        assert names(database.outbox.find(failed=False, after=positions[0], limit=2)) == ["message-2", "message-3"]

    def test_looking_through_the_outbox_waits_for_no_writer(self, database: Database) -> None:
        post(database, message(1))
        with database.begin() as tx:
            tx.outbox.delete("message-1")
            assert names(database.outbox.find(failed=False, after=0, limit=9)) == ["message-1"]

    def test_a_message_is_claimed_as_it_lies_there(self, database: Database) -> None:
        post(database, message(1))
        [lies] = database.outbox.find(failed=False, after=0, limit=1)
        with database.begin() as tx:
            assert tx.outbox.lock("message-1") == lies
            assert tx.outbox.lock("message-2") is None

    def test_a_dead_message_that_is_to_be_tried_again_is_as_new(self, database: Database) -> None:
        post(database, message(1, attempts=5), message(2))
        with database.begin() as tx:
            tx.outbox.give_up("message-1", "Undeliverable")
            tx.outbox.reschedule("message-2", NOW + 600)
        with database.begin() as tx:
            for name in ("message-1", "message-2", "message-3"):
                tx.outbox.retry(name, NOW + 7)
        assert dead(database) == []
        assert lease(database, NOW + 6) == []
        again = sorted(lease(database, NOW + 7), key=lambda one: one.id)
        assert again == [message(number, not_before=NOW + 7, attempts=0) for number in (1, 2)]

    def test_a_message_that_kills_its_couriers_does_not_keep_the_others_back(self, database: Database) -> None:
        post(database, message(1, not_before=NOW - 1))
        assert [one.id for one in lease(database, NOW, limit=1)] == ["message-1"]
        post(database, message(2, not_before=NOW + 1))
        assert [one.id for one in lease(database, NOW + 60, limit=1)] == ["message-2"]
        assert [one.id for one in lease(database, NOW + 60, limit=1)] == ["message-1"]
