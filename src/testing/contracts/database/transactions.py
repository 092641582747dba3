"""Transactions: all of one happens, or none."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ....application.ports import Database
from ....domain.account import Account
from ....domain.code import Flow, Proof
from ....domain.events import Event, What
from ....domain.rate_limits import Limit, Tally
from .given import (
    MAIL,
    NOW,
    ada,
    bob,
    challenge,
    claimed,
    events,
    followed,
    journalled,
    lease,
    message,
    post,
    put,
    session,
    signed_in,
    stored,
)


class Interrupted(Exception):
    """Something went wrong in the middle."""


def change_everything(database: Database, account: Account) -> None:
    with database.begin() as tx:
        tx.accounts.add(bob())
        owner = tx.accounts.claim(account.id)
        assert owner
        tx.accounts.save(replace(owner, name="Somebody Else", email=None))
        tx.challenges.put(challenge(1))
        tx.proofs.add(Proof(digest="digest", address=MAIL, proven_at=NOW))
        tx.sessions.add(session(account, 1), keep=9)
        [tally] = tx.tallies.claim(["key"])
        tx.tallies.save([tally.add((Limit(3, 60),), NOW)], NOW + 60)
        tx.outbox.add(message(1))
        tx.journal.add(Event(what=What.REGISTERED, at=NOW))
        raise Interrupted


class TransactionsContract:
    """Transactions: all of one happens, or none."""

    def test_nothing_of_a_transaction_remains_when_an_exception_leaves_it(self, database: Database) -> None:
        account = stored(database, ada())
        with pytest.raises(Interrupted):
            change_everything(database, account)
        assert database.accounts.get(account.id) == account
        assert database.accounts.having(MAIL) == account
        assert database.accounts.having(bob().addresses[0]) is None
        assert database.accounts.signed_in(account.id, "session-001", NOW) is None
        assert database.tallies.look(["key"]) == [Tally("key")]
        assert claimed(database, Flow.OTP, MAIL) == []
        assert lease(database, NOW) == []
        assert events(database) == []
        with database.begin() as tx:
            assert not tx.proofs.is_proven(MAIL, NOW)

    def test_a_transaction_that_failed_does_not_stand_in_the_way_of_the_next(self, database: Database) -> None:
        with pytest.raises(Interrupted), database.begin():
            raise Interrupted
        assert stored(database, ada()).id > 0

    def test_what_is_uncommitted_is_seen_inside_and_not_outside_and_readers_do_not_wait(self, database: Database) -> None:
        account = stored(database, ada())
        with database.begin() as tx, ThreadPoolExecutor(1) as elsewhere:
            tx.accounts.claim(account.id)
            tx.accounts.save(replace(account, name="Changed"))
            tx.tallies.claim(["key"])
            tx.tallies.save([Tally("key", (NOW,))], NOW + 60)
            assert tx.accounts.get(account.id) == replace(account, name="Changed")
            assert tx.tallies.look(["key"]) == [Tally("key", (NOW,))]
            assert database.accounts.get(account.id) == account
            assert elsewhere.submit(database.accounts.having, MAIL).result(timeout=2) == account
            assert elsewhere.submit(database.tallies.look, ["key"]).result(timeout=2) == [Tally("key")]
        assert database.accounts.get(account.id) == replace(account, name="Changed")
        assert database.tallies.look(["key"]) == [Tally("key", (NOW,))]

    def test_a_transaction_that_is_over_is_of_no_more_use(self, database: Database) -> None:
        with database.begin() as tx:
            pass
        with pytest.raises(RuntimeError):
            tx.accounts.add(ada())
        with pytest.raises(RuntimeError):
            tx.accounts.get(1)
        assert database.accounts.having(MAIL) is None

    def test_a_transaction_within_a_transaction_is_refused_rather_than_waited_for(self, database: Database) -> None:
        with database.begin() as tx:
            with pytest.raises(RuntimeError), database.begin():
                pass
            account = tx.accounts.add(ada())
        assert database.accounts.get(account.id) == account

    def test_a_prepared_database_checks_out(self, database: Database) -> None:
        database.check()

    def test_a_purge_comes_to_an_end_and_leaves_what_is_of_use(self, database: Database) -> None:
        account = stored(database, ada())
        begun = signed_in(database, account)
        put(database, challenge(1))
        post(database, message(1))
        journalled(database, account.id)
        assert any(database.purge(NOW, most=1) == 0 for _ in range(50))
        assert database.accounts.signed_in(account.id, begun.id, NOW) == account
        assert claimed(database, Flow.OTP, MAIL) == [challenge(1)]
        assert lease(database, NOW) == [message(1)]
        assert followed(database) == [account.id]
