"""The contract of concurrent transactions: second locks wait and see saved rows."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event as Signal
from threading import Thread

import pytest

from ....application.ports import Database
from ....domain.account import Username
from ....domain.code import CodePurpose
from ....domain.errors import AlreadyTaken
from ....domain.rate_limits import RateLimit
from ..threads import FrequentThreadSwitches
from .builders import MAIL, NOW, ada, bob, challenge, lease, logged_in, message, post, put, stored


def guess(database: Database) -> int:
    with database.begin() as tx:
        [one] = tx.challenges.lock(CodePurpose.OTP, [MAIL])
        tx.challenges.save(one.with_failed_attempt())
        return one.failed_attempts


def rename(database: Database) -> int:
    with database.begin() as tx:
        account = tx.accounts.lock_by_address(MAIL)
        assert account
        tx.accounts.save(replace(account, name=f"{account.name}+"))
        return account.name.count("+")


def count(database: Database) -> int:
    with database.begin() as tx:
        [window] = tx.rate_limits.lock(["key"])
        tx.rate_limits.save([window.with_hit((RateLimit(9, 60),), NOW)], NOW + 60)
        return len(window.timestamps)


def turn(database: Database) -> int:
    with database.begin() as tx:
        begun = tx.sessions.lock("session-001")
        assert begun
        tx.sessions.save(begun.refresh(begun.generation, NOW)[1])
        return begun.generation


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
        limits = (RateLimit(1000, 60),)

        def count(number: int) -> None:
            for step in range(5):
                with database.begin() as tx:
                    [window] = tx.rate_limits.lock(["key"])
                    tx.rate_limits.save([window.with_hit(limits, NOW + number + step)], NOW + 60)

        with ThreadPoolExecutor(16) as threads:
            list(threads.map(count, range(16)))
        assert len(database.rate_limits.get(["key"])[0].timestamps) == 80

    @pytest.mark.parametrize("claim", [guess, rename, count, turn])
    def test_second_lock_waits_and_then_sees_the_saved_row(self, database: Database, claim: Callable[[Database], int]) -> None:
        logged_in(database, stored(database, ada()))
        put(database, challenge(1))
        assert claim(database) == 0
        started, done, seen = Signal(), Signal(), list[int]()

        def second() -> None:
            started.set()
            seen.append(claim(database))
            done.set()

        waiting = Thread(target=second)
        with database.begin() as tx:
            one = tx.accounts.lock_by_address(MAIL)
            [code] = tx.challenges.lock(CodePurpose.OTP, [MAIL])
            [window] = tx.rate_limits.lock(["key"])
            begun = tx.sessions.lock("session-001")
            assert one
            assert begun
            waiting.start()
            assert started.wait(5)
            assert not done.wait(0.05)
            tx.accounts.save(replace(one, name=f"{one.name}+"))
            tx.challenges.save(code.with_failed_attempt())
            tx.rate_limits.save([window.with_hit((RateLimit(9, 60),), NOW)], NOW + 60)
            tx.sessions.save(begun.refresh(begun.generation, NOW)[1])
        waiting.join()
        assert seen == [2]

    def test_lock_identity_waits_and_then_sees_that_the_session_was_revoked(self, database: Database) -> None:
        account = stored(database, ada())
        begun = logged_in(database, account)
        started, done, seen = Signal(), Signal(), list[object]()

        def second() -> None:
            started.set()
            with database.begin() as tx:
                seen.append(tx.lock_identity(account.id, begun.id, lambda: NOW))
            done.set()

        waiting = Thread(target=second)
        with database.begin() as tx:
            assert tx.lock_identity(account.id, begun.id, lambda: NOW) == account
            waiting.start()
            assert started.wait(5)
            assert not done.wait(0.05)
            tx.sessions.revoke_all(account.id, NOW)
        waiting.join()
        assert seen == [None]

    def test_two_workers_never_lease_the_same_message(self, database: Database) -> None:
        post(database, *(message(number) for number in range(24)))
        with ThreadPoolExecutor(4) as threads:
            leased = [one.id for batch in threads.map(lambda _: lease(database, NOW, limit=4), range(8)) for one in batch]
        assert len(leased) == 24
        assert len(set(leased)) == 24

    def test_second_lock_of_a_cursor_waits_for_the_first(self, database: Database) -> None:
        done, seen = Signal(), list[int]()

        def second() -> None:
            with database.begin() as tx:
                seen.append(tx.cursors.lock("crm").position)
            done.set()

        waiting = Thread(target=second)
        with database.begin() as tx:
            found = tx.cursors.lock("crm")
            waiting.start()
            assert not done.wait(0.05)
            tx.cursors.save(replace(found, position=3))
        waiting.join()
        assert seen == [3]
