"""Deletion of accounts with everything that belongs to them."""

from dataclasses import replace

import pytest

from ....application.ports import AuditQuery, Channel, Database
from ....domain.code import Proof
from ....domain.events import Caller, Event, EventType
from .builders import MAIL, MOBILE, NOW, ada, bob, events, logged_in, message, names, post, session, stored, with_events


class DeletionContract:
    """Deletion of accounts: which are due, and that what belongs to them goes, and nothing of others."""

    def test_accounts_are_due_for_deletion_from_their_time_on(self, database: Database) -> None:
        first = stored(database, ada(deletion_due_at=NOW + 1))
        stored(database, bob())
        found = database.accounts.due_for_deletion
        assert database.accounts.get(first.id) == first
        assert list(found(NOW, after=0, limit=9)) == []
        assert list(found(NOW + 1, after=0, limit=9)) == [first]
        assert list(found(NOW + 1, after=first.id, limit=9)) == []
        with database.begin() as tx:
            tx.accounts.lock(first.id)
            tx.accounts.save(replace(first, deletion_due_at=None))
        assert list(found(NOW + 1, after=0, limit=9)) == []

    def test_accounts_that_are_due_are_read_in_batches(self, database: Database) -> None:
        ids = [stored(database, one).id for one in (ada(deletion_due_at=NOW), bob(deletion_due_at=NOW - 1))]
        found = database.accounts.due_for_deletion
        assert [one.id for one in found(NOW, after=0, limit=1)] == ids[:1]
        assert [one.id for one in found(NOW, after=ids[0], limit=1)] == ids[1:]

    def test_deleted_account_is_gone_and_its_id_is_not_used_again(self, database: Database) -> None:
        other, account = stored(database, bob()), stored(database, ada())
        with database.begin() as tx:
            with pytest.raises(LookupError):
                tx.accounts.delete(account.id)
            tx.accounts.lock(account.id)
            tx.accounts.delete(account.id)
        assert database.accounts.get(account.id) is None
        assert database.accounts.get(other.id) == other
        assert stored(database, ada()).id > account.id

    def test_sessions_of_an_account_are_deleted_with_the_ended_ones(self, database: Database) -> None:
        account, other = stored(database, ada()), stored(database, bob())
        with database.begin() as tx:
            tx.sessions.add(session(account, 1), keep=9)
            tx.sessions.add(session(account, 2), keep=1)
        kept = logged_in(database, other, 3)
        with database.begin() as tx:
            tx.sessions.delete_of(account.id)
            assert [tx.sessions.lock(f"session-{number}") for number in (1, 2, 3)] == [None, None, kept]
            tx.accounts.lock(account.id)
            tx.accounts.delete(account.id)

    def test_proofs_of_addresses_are_deleted(self, database: Database) -> None:
        other = bob().addresses[0]
        with database.begin() as tx:
            for name, address in (("mail", MAIL), ("older", MAIL), ("mobile", MOBILE), ("other", other)):
                tx.proofs.add(Proof(digest=name, address=address, verified_at=NOW))
            tx.proofs.delete_of([replace(MAIL, text="other spelling"), MOBILE])
            found = [tx.proofs.find(name, NOW) for name in ("mail", "older", "mobile", "other")]
        assert [proof is not None for proof in found] == [False, False, False, True]

    def test_messages_about_an_account_and_to_its_addresses_are_deleted(self, database: Database) -> None:
        post(
            database,
            message(1, account_id=1, recipient="earlier@example.org"),
            message(2),
            message(3, channel=Channel.MOBILE, recipient=MOBILE.canonical),
            message(4, channel=Channel.WEBHOOK, recipient="webhook", account_id=1, challenge=None),
            message(5, account_id=2, recipient="other@example.org"),
            message(6, recipient=None),
            message(7),
        )
        with database.begin() as tx:
            tx.outbox.lease(NOW, seconds=60, limit=1)
            tx.outbox.mark_failed("message-7", "refused")
            tx.outbox.delete_of(1, [MAIL, MOBILE])
        assert names(database) == ["message-5", "message-6"]

    def test_events_of_an_account_keep_type_time_and_account_alone(self, database: Database) -> None:
        caller = Caller("192.0.2.1", "a browser", "request-1")
        happened = [
            Event(
                type=EventType.LOGGED_IN,
                occurred_at=NOW + number,
                account_id=account_id,
                session_id="s",
                caller=caller,
                detail="d",
            )
            for number, account_id in enumerate((1, 2, 1, 1))
        ]
        with_events(database, *happened)
        positions = [position for position, _ in database.audit_log.find(AuditQuery(account_id=1), limit=9)]
        with database.begin() as tx:
            assert tx.audit_log.anonymise(1, after=0, limit=2) == positions[1]
            assert tx.audit_log.anonymise(1, after=positions[1], limit=2) == positions[2]
            assert tx.audit_log.anonymise(1, after=positions[2], limit=2) == 0
        bare = [replace(event, session_id=None, caller=Caller(), detail="") for event in happened]
        assert events(database) == [bare[0], happened[1], bare[2], bare[3]]
