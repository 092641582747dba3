"""The contract of concurrent transactions: second locks wait and see saved rows."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ....application.ports import Database, Transaction
from ....domain.account import Username
from ....domain.code import CodePurpose
from ....domain.errors import AlreadyTaken
from ....domain.rate_limits import RateLimit
from ..threads import FrequentThreadSwitches
from .builders import MAIL, NOW, ada, bob, challenge, lease, logged_in, message, post, put, stored


def add_failed_attempt(tx: Transaction) -> int:
    [locked] = tx.challenges.lock(CodePurpose.GENERAL, [MAIL])
    tx.challenges.save([locked.with_failed_attempt(None)])
    return locked.failed_attempts


def rename(tx: Transaction) -> int:
    account = tx.accounts.lock_by_address(MAIL, NOW)
    assert account
    tx.accounts.save(replace(account, name=f"{account.name}+"))
    return account.name.count("+")


def increment_window(tx: Transaction) -> int:
    [window] = tx.rate_limits.lock(["key"])
    tx.rate_limits.save([window.with_hit((RateLimit(100, 60),), NOW)], NOW + 60)
    return window.hits


def rotate(tx: Transaction) -> int:
    session = tx.sessions.lock("session-1")
    assert session
    tx.sessions.save(session.refresh(session.generation, NOW)[1])
    return session.generation


def advance(tx: Transaction) -> int:
    cursor = tx.cursors.lock("crm")
    tx.cursors.save(replace(cursor, position=cursor.position + 1))
    return cursor.position


@pytest.mark.usefixtures("frequent_thread_switches")
class RacesContract(FrequentThreadSwitches):
    """The contract of concurrent transactions: second locks wait and see saved rows."""

    def test_one_of_many_concurrent_registrations_of_a_name_wins(self, database: Database) -> None:
        def register(number: int) -> str:
            try:
                stored(database, bob(username=Username("wanted", "wanted"), email=None, name=f"{number}"))
            except AlreadyTaken as refused:
                return ",".join(refused.fields)
            return "won"

        with ThreadPoolExecutor(8) as threads:
            outcomes = sorted(threads.map(register, range(8)))
        assert outcomes == ["username"] * 7 + ["won"]

    def test_no_increment_is_lost_among_sixteen_threads(self, database: Database) -> None:
        def hit(_: int) -> int:
            with database.begin() as tx:
                return increment_window(tx)

        with ThreadPoolExecutor(16) as threads:
            assert sorted(threads.map(hit, range(80))) == list(range(80))

    @pytest.mark.parametrize("increment", [add_failed_attempt, rename, increment_window, rotate, advance])
    def test_second_lock_waits_and_then_sees_the_saved_row(
        self, database: Database, increment: Callable[[Transaction], int]
    ) -> None:
        logged_in(database, stored(database, ada()))
        put(database, challenge(1))

        def second() -> int:
            with database.begin() as tx:
                return increment(tx)

        with ThreadPoolExecutor(1) as elsewhere, database.begin() as tx:
            assert increment(tx) == 0
            waiting = elsewhere.submit(second)
            with pytest.raises(TimeoutError):
                waiting.result(0.05)
            assert increment(tx) == 1
        assert waiting.result() == 2

    def test_lock_by_active_session_waits_and_then_sees_that_the_session_was_revoked(self, database: Database) -> None:
        account = stored(database, ada())
        session = logged_in(database, account)

        def second() -> object:
            with database.begin() as tx:
                return tx.accounts.lock_by_active_session(account.id, session.id, lambda: NOW)

        with ThreadPoolExecutor(1) as elsewhere, database.begin() as tx:
            assert tx.accounts.lock_by_active_session(account.id, session.id, lambda: NOW) == account
            waiting = elsewhere.submit(second)
            with pytest.raises(TimeoutError):
                waiting.result(0.05)
            tx.sessions.revoke_all(account.id, NOW)
        assert waiting.result() is None

    def test_two_workers_never_lease_the_same_message(self, database: Database) -> None:
        post(database, *(message(number) for number in range(24)))
        with ThreadPoolExecutor(4) as threads:
            ids = [leased.id for batch in threads.map(lambda _: lease(database, NOW, limit=4), range(8)) for leased in batch]
        assert len(ids) == 24
        assert len(set(ids)) == 24
