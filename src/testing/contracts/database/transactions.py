"""Transactions are atomic and isolated."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ....application.ports import Database
from ....domain.account import Account
from ....domain.code import CodePurpose, Proof
from ....domain.events import Event, EventType
from ....domain.rate_limits import RateLimit, SlidingWindow
from .builders import (
    MAIL,
    NOW,
    ada,
    bob,
    challenge,
    events,
    lease,
    locked,
    logged_in,
    message,
    post,
    put,
    read_in_order,
    session,
    stored,
    with_events,
)


class Interrupted(Exception):
    """An error in the middle of a transaction."""


def change_everything(database: Database, account: Account) -> None:
    with database.begin() as tx:
        tx.accounts.add(bob())
        owner = tx.accounts.lock(account.id)
        assert owner
        tx.accounts.save(replace(owner, name="Somebody Else", email=None))
        tx.challenges.put(challenge(1))
        tx.proofs.add(Proof(digest="digest", address=MAIL, verified_at=NOW))
        tx.sessions.add(session(account, 1), keep=9)
        [window] = tx.rate_limits.lock(["key"])
        tx.rate_limits.save([window.with_hit((RateLimit(3, 60),), NOW)], NOW + 60)
        tx.outbox.add(message(1))
        tx.audit_log.add(Event(type=EventType.REGISTERED, occurred_at=NOW))
        raise Interrupted


class TransactionsContract:
    """Transactions are atomic and isolated."""

    def test_exception_rolls_back_the_whole_transaction(self, database: Database) -> None:
        account = stored(database, ada())
        with pytest.raises(Interrupted):
            change_everything(database, account)
        assert database.accounts.get(account.id) == account
        assert database.accounts.by_address(MAIL) == account
        assert database.accounts.by_address(bob().addresses[0]) is None
        assert database.accounts.by_active_session(account.id, "session-001", NOW) is None
        assert database.rate_limits.get(["key"]) == [SlidingWindow("key")]
        assert locked(database, CodePurpose.OTP, MAIL) == []
        assert lease(database, NOW) == []
        assert events(database) == []
        with database.begin() as tx:
            assert not tx.proofs.is_verified(MAIL, NOW)

    def test_failed_transaction_does_not_block_the_next(self, database: Database) -> None:
        with pytest.raises(Interrupted), database.begin():
            raise Interrupted
        assert stored(database, ada()).id > 0

    def test_uncommitted_changes_are_visible_inside_only_and_block_no_reader(self, database: Database) -> None:
        account = stored(database, ada())
        with database.begin() as tx, ThreadPoolExecutor(1) as elsewhere:
            tx.accounts.lock(account.id)
            tx.accounts.save(replace(account, name="Changed"))
            tx.rate_limits.lock(["key"])
            tx.rate_limits.save([SlidingWindow("key", (NOW,))], NOW + 60)
            assert tx.accounts.get(account.id) == replace(account, name="Changed")
            assert tx.rate_limits.get(["key"]) == [SlidingWindow("key", (NOW,))]
            assert database.accounts.get(account.id) == account
            assert elsewhere.submit(database.accounts.by_address, MAIL).result(timeout=2) == account
            assert elsewhere.submit(database.rate_limits.get, ["key"]).result(timeout=2) == [SlidingWindow("key")]
        assert database.accounts.get(account.id) == replace(account, name="Changed")
        assert database.rate_limits.get(["key"]) == [SlidingWindow("key", (NOW,))]

    def test_transaction_is_unusable_after_its_end(self, database: Database) -> None:
        with database.begin() as tx:
            pass
        with pytest.raises(RuntimeError):
            tx.accounts.add(ada())
        with pytest.raises(RuntimeError):
            tx.accounts.get(1)
        assert database.accounts.by_address(MAIL) is None

    def test_nested_transaction_is_refused(self, database: Database) -> None:
        with database.begin() as tx:
            with pytest.raises(RuntimeError), database.begin():
                pass
            account = tx.accounts.add(ada())
        assert database.accounts.get(account.id) == account

    def test_check_accepts_a_migrated_database(self, database: Database) -> None:
        database.check()

    def test_purge_ends_and_keeps_rows_in_use(self, database: Database) -> None:
        account = stored(database, ada())
        begun = logged_in(database, account)
        put(database, challenge(1))
        post(database, message(1))
        with_events(database, account.id)
        assert any(database.purge(NOW, limit=1) == 0 for _ in range(50))
        assert database.accounts.by_active_session(account.id, begun.id, NOW) == account
        assert locked(database, CodePurpose.OTP, MAIL) == [challenge(1)]
        assert lease(database, NOW) == [message(1)]
        assert read_in_order(database) == [account.id]
