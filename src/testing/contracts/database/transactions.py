"""Transactions are atomic and isolated, and save only rows that they have locked."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ....application.ports import Cursor, Database, Transaction
from ....domain.account import Account
from ....domain.code import CodePurpose, Proof
from ....domain.rate_limits import SlidingWindow
from .builders import (
    MAIL,
    MOBILE,
    NOW,
    active,
    ada,
    bob,
    challenge,
    events,
    locked,
    logged_in,
    message,
    names,
    post,
    put,
    registered,
    session,
    stored,
)

UNLOCKED: list[Callable[[Transaction, Account], None]] = [
    lambda tx, account: tx.accounts.save(replace(account, name="Changed")),
    lambda tx, account: tx.sessions.save(session(account, 1).revoked(NOW)),
    lambda tx, _: tx.challenges.save([challenge(1).with_failed_attempt(None)]),
    lambda tx, _: tx.rate_limits.save([SlidingWindow("key", (NOW,))], NOW + 60),
    lambda tx, _: tx.cursors.save(Cursor(name="crm", position=1)),
]


class Interrupted(Exception):
    """An error in the middle of a transaction."""


def change_everything(tx: Transaction, account: Account) -> None:
    tx.accounts.add(bob(email=None, mobile=MOBILE))
    tx.accounts.lock(account.id)
    tx.accounts.save(replace(account, name="Somebody Else", email=None))
    tx.challenges.put([challenge(2)])
    tx.proofs.add(Proof(digest="digest", address=MAIL, verified_at=NOW))
    tx.sessions.add(session(account, 2), keep=1)
    tx.rate_limits.lock(["key"])
    tx.rate_limits.save([SlidingWindow("key", (NOW,))], NOW + 60)
    tx.outbox.delete("message-1")
    tx.outbox.add(message(2))
    tx.audit_log.add(registered(2))
    tx.cursors.save(replace(tx.cursors.lock("crm"), position=1))


def in_use(database: Database) -> Account:
    """Adds one row of each kind and returns the account."""
    account = stored(database, ada(mobile=None))
    logged_in(database, account)
    put(database, challenge(1))
    post(database, message(1))
    with database.begin() as tx:
        tx.proofs.add(Proof(digest="earlier", address=MOBILE, verified_at=NOW))
        tx.rate_limits.lock(["key"])
        tx.rate_limits.save([SlidingWindow("key", (NOW - 1,))], NOW + 60)
        tx.audit_log.add(registered(1))
    return account


def rows(database: Database, account: Account) -> list[object]:
    """Returns the committed rows that `in_use` and `change_everything` add and change."""
    with database.begin() as tx:
        verified = [tx.proofs.is_verified(address, NOW, None) for address in (MAIL, MOBILE)]
    return [
        [database.accounts.by_address(address, NOW) for address in (MAIL, MOBILE)],
        active(database, account),
        locked(database, CodePurpose.GENERAL, MAIL),
        verified,
        list(database.rate_limits.get(["key"])),
        database.cursors.get("crm"),
        names(database),
        events(database),
    ]


class TransactionsContract:
    """Transactions are atomic and isolated, and save only rows that they have locked."""

    def test_exception_rolls_back_the_whole_transaction(self, database: Database) -> None:
        account = in_use(database)
        before = rows(database, account)
        with pytest.raises(Interrupted), database.begin() as tx:
            change_everything(tx, account)
            raise Interrupted
        assert rows(database, account) == before
        with database.begin() as tx:  # the failed one does not block it
            change_everything(tx, account)
        assert not any(now == then for now, then in zip(rows(database, account), before, strict=True))

    @pytest.mark.parametrize("save", UNLOCKED)
    def test_unlocked_row_cannot_be_saved(self, database: Database, save: Callable[[Transaction, Account], None]) -> None:
        account, other = in_use(database), stored(database, bob())
        logged_in(database, other, 2)
        put(database, challenge(2, address=MOBILE))
        before = rows(database, account)
        for account_id, number, address, key in ((account.id, 1, MAIL, "key"), (other.id, 2, MOBILE, "other")):
            with database.begin() as tx:  # the locks of the first transaction end with it
                tx.accounts.lock(account_id)
                tx.sessions.lock(f"session-{number}")
                tx.challenges.lock(CodePurpose.GENERAL, [address])
                tx.rate_limits.lock([key])
                tx.cursors.lock(key)
                tx.accounts.get(account.id)
                tx.accounts.by_address(MAIL, NOW)
                tx.rate_limits.get(["key"])
                if address is MOBILE:
                    with pytest.raises(LookupError):
                        save(tx, account)
        assert rows(database, account) == before

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
            assert elsewhere.submit(database.accounts.by_address, MAIL, NOW).result(timeout=2) == account
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
        assert database.accounts.by_address(MAIL, NOW) is None

    def test_nested_transaction_is_refused(self, database: Database) -> None:
        with database.begin() as tx:
            with pytest.raises(RuntimeError), database.begin():
                pass
            account = tx.accounts.add(ada())
        assert database.accounts.get(account.id) == account

    def test_check_accepts_a_migrated_database(self, database: Database) -> None:
        database.check()

    def test_purge_ends_and_keeps_rows_in_use(self, database: Database) -> None:
        account = in_use(database)
        before = rows(database, account)
        assert any(database.purge(NOW, limit=1) == 0 for _ in range(50))
        assert rows(database, account) == before
