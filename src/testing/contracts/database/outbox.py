"""The outbox: leases, retries and permanent failures."""

import pytest

from ....application.ports import Channel, Database, Message
from .builders import NOW, dead, lease, message, names, post


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

    def test_lease_of_one_channel_leaves_the_other_channels_alone(self, database: Database) -> None:
        post(database, message(1), message(2, channel=Channel.MOBILE), message(3))
        with database.begin() as tx:
            assert [one.id for one in tx.outbox.lease(NOW, seconds=60, limit=10, channel=Channel.MOBILE)] == ["message-2"]
            assert [one.id for one in tx.outbox.lease(NOW, seconds=60, limit=10, channel=Channel.EMAIL)] == [
                "message-1",
                "message-3",
            ]

    def test_leased_message_is_due_again_after_its_lease_unless_deleted(self, database: Database) -> None:
        post(database, message(1), message(2))
        assert len(lease(database, NOW)) == 2
        with database.begin() as tx:
            tx.outbox.delete("message-1")
        assert lease(database, NOW + 59) == []
        assert lease(database, NOW + 60) == [message(2)]

    def test_rescheduled_message_waits_and_counts_the_attempt(self, database: Database) -> None:
        post(database, message(1))
        lease(database, NOW)
        with database.begin() as tx:
            tx.outbox.count_failure("message-1", NOW + 90)
        assert lease(database, NOW + 89) == []
        assert lease(database, NOW + 90) == [message(1, not_before=NOW + 90, failed_attempts=1)]

    def test_failed_message_is_kept_with_its_reason_and_never_leased_again(self, database: Database) -> None:
        post(database, message(1))
        lease(database, NOW)
        with database.begin() as tx:
            tx.outbox.mark_failed("message-1", "PermanentFailure")
            tx.outbox.count_failure("message-1", NOW)
        assert lease(database, NOW + 10**6) == []
        assert dead(database) == [("message-1", "PermanentFailure")]

    def test_released_message_is_due_with_its_attempts_unchanged(self, database: Database) -> None:
        post(database, message(1, failed_attempts=2))
        lease(database, NOW)
        with database.begin() as tx:
            tx.outbox.release_lease("message-1")
        assert lease(database, NOW) == [message(1, failed_attempts=2)]

    def test_failed_or_deleted_message_is_not_released(self, database: Database) -> None:
        post(database, message(1), message(2))
        lease(database, NOW)
        with database.begin() as tx:
            tx.outbox.mark_failed("message-1", "PermanentFailure")
            tx.outbox.delete("message-2")
            for name in ("message-1", "message-2"):
                tx.outbox.release_lease(name)
        assert lease(database, NOW + 10**6) == []
        assert dead(database) == [("message-1", "PermanentFailure")]

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
        assert [(one.is_leased(NOW), one.is_leased(NOW + 60), one.has_failed) for one in found] == [
            (True, False, False),
            (False, False, False),
            (False, False, True),
            (False, False, True),
        ]
        assert names(database.outbox.find(failed=True, after=0, limit=9)) == ["message-3", "message-4"]
        assert names(database.outbox.find(failed=True, after=positions[2], limit=9)) == ["message-4"]
        assert names(database.outbox.find(failed=False, after=positions[0], limit=2)) == ["message-2", "message-3"]

    def test_find_in_the_outbox_waits_for_no_writer(self, database: Database) -> None:
        post(database, message(1))
        with database.begin() as tx:
            tx.outbox.delete("message-1")
            assert names(database.outbox.find(failed=False, after=0, limit=9)) == ["message-1"]

    def test_locked_message_is_returned_with_its_state(self, database: Database) -> None:
        post(database, message(1))
        [lies] = database.outbox.find(failed=False, after=0, limit=1)
        with database.begin() as tx:
            assert tx.outbox.lock("message-1") == lies
            assert tx.outbox.lock("message-2") is None

    def test_retried_message_is_due_with_no_attempts(self, database: Database) -> None:
        post(database, message(1, failed_attempts=5), message(2))
        with database.begin() as tx:
            tx.outbox.mark_failed("message-1", "PermanentFailure")
            tx.outbox.count_failure("message-2", NOW + 600)
        with database.begin() as tx:
            for name in ("message-1", "message-2", "message-3"):
                tx.outbox.requeue(name, NOW + 7)
        assert dead(database) == []
        assert lease(database, NOW + 6) == []
        again = sorted(lease(database, NOW + 7), key=lambda one: one.id)
        assert again == [message(number, not_before=NOW + 7, failed_attempts=0) for number in (1, 2)]

    def test_message_that_crashes_its_worker_does_not_hold_back_others(self, database: Database) -> None:
        post(database, message(1, not_before=NOW - 1))
        assert [one.id for one in lease(database, NOW, limit=1)] == ["message-1"]
        post(database, message(2, not_before=NOW + 1))
        assert [one.id for one in lease(database, NOW + 60, limit=1)] == ["message-2"]
        assert [one.id for one in lease(database, NOW + 60, limit=1)] == ["message-1"]
