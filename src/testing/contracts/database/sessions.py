"""Sessions: which are active, and which have revoked when."""

from dataclasses import replace

import pytest

from ....application.ports import Database
from ....domain.session import IDLE_SECONDS
from .builders import NOW, ada, bob, logged_in, session, stored


class SessionsContract:
    """Sessions: which are active, and which have revoked when."""

    def test_session_is_read_as_it_was_saved(self, database: Database) -> None:
        begun = logged_in(database, stored(database, ada()))
        with database.begin() as tx:
            assert tx.sessions.lock(begun.id) == begun
            _, turned = begun.refresh(0, NOW + 10)
            tx.sessions.save(turned)
            assert tx.sessions.lock("unknown") is None
        with database.begin() as tx:
            assert tx.sessions.lock(begun.id) == turned
            tx.sessions.save(turned.revoked(NOW + 20))
        with database.begin() as tx:
            assert tx.sessions.lock(begun.id) == turned.revoked(NOW + 20)

    def test_unlocked_session_cannot_be_saved(self, database: Database) -> None:
        begun = logged_in(database, stored(database, ada()))
        with database.begin() as tx, pytest.raises(LookupError):
            tx.sessions.save(begun.revoked(NOW))
        with database.begin() as tx:
            assert tx.sessions.lock(begun.id) == begun

    def test_session_needs_an_account(self, database: Database) -> None:
        with pytest.raises(LookupError), database.begin() as tx:
            tx.sessions.add(session(ada(id=7), 1), keep=3)

    def test_oldest_active_sessions_end_beyond_the_limit(self, database: Database) -> None:
        account, other = stored(database, ada()), stored(database, bob())
        logged_in(database, other, 100)
        answers = []
        for number in range(1, 6):
            with database.begin() as tx:
                answers.append([*tx.sessions.add(session(account, number, NOW + number), keep=3)])
        assert answers == [[], [], [], ["session-001"], ["session-002"]]
        with database.begin() as tx:
            revoked = [tx.sessions.lock(f"session-{number:03}") for number in (1, 2)]
            assert [one and one.revoked_at for one in revoked] == [NOW + 4, NOW + 5]
        alive = [n for n in range(1, 6) if database.accounts.by_active_session(account.id, f"session-{n:03}", NOW + 6)]
        assert alive == [3, 4, 5]
        assert database.accounts.by_active_session(other.id, "session-100", NOW + 6)

    def test_expired_sessions_do_not_count_towards_the_limit(self, database: Database) -> None:
        account = stored(database, ada())
        logged_in(database, account, 1, NOW - IDLE_SECONDS)
        logged_in(database, account, 2)
        logged_in(database, account, 3)
        with database.begin() as tx:
            three = tx.sessions.lock("session-003")
            assert three
            tx.sessions.save(three.revoked(NOW))
            tx.sessions.add(session(account, 4, NOW + 1), keep=2)
        assert database.accounts.by_active_session(account.id, "session-002", NOW + 1)
        assert database.accounts.by_active_session(account.id, "session-004", NOW + 1)

    def test_newest_session_is_kept_after_the_clock_stepped_back(self, database: Database) -> None:
        account = stored(database, ada())
        logged_in(database, account, 1, NOW)
        with database.begin() as tx:
            tx.sessions.add(session(account, 2, NOW - 3600), keep=1)
        assert database.accounts.by_active_session(account.id, "session-002", NOW)
        assert database.accounts.by_active_session(account.id, "session-001", NOW) is None

    def test_end_all_spares_the_excepted_session_and_counts_active_ones(self, database: Database) -> None:
        account, other = stored(database, ada()), stored(database, bob())
        logged_in(database, other, 100)
        logged_in(database, account, 1, NOW - IDLE_SECONDS)
        for number in (2, 3, 4):
            logged_in(database, account, number)
        with database.begin() as tx:
            assert tx.sessions.revoke_all(account.id, NOW + 5, except_id="session-003") == 2
            assert tx.sessions.revoke_all(account.id, NOW + 6, except_id="session-003") == 0
            revoked = tx.sessions.lock("session-002")
            assert revoked
            assert revoked.revoked_at == NOW + 5
        assert [n for n in (2, 3, 4) if database.accounts.by_active_session(account.id, f"session-{n:03}", NOW + 7)] == [3]
        with database.begin() as tx:
            assert tx.sessions.revoke_all(account.id, NOW + 8) == 1
        assert database.accounts.by_active_session(other.id, "session-100", NOW + 9)

    def test_active_sessions_are_listed_newest_first_with_their_user_agents(self, database: Database) -> None:
        ann, other = stored(database, ada()), stored(database, bob())
        begun = [logged_in(database, ann, number, NOW + number) for number in (1, 2, 3)]
        logged_in(database, other, 4)
        with database.begin() as tx:
            named = replace(session(ann, 5, NOW + 5), ip_address="192.0.2.1", user_agent="a phone")
            tx.sessions.add(named, keep=100)
            revoked = tx.sessions.lock(begun[1].id)
            assert revoked is not None
            tx.sessions.save(revoked.revoked(NOW + 6))

        assert list(database.sessions.active(ann.id, NOW + 7)) == [named, begun[2], begun[0]]
        assert list(database.sessions.active(ann.id, NOW + 7 + IDLE_SECONDS)) == []
        assert list(database.sessions.active(2**70, NOW)) == []

    def test_ended_sessions_are_listed_in_order_after_a_position(self, database: Database) -> None:
        ann, other = stored(database, ada()), stored(database, bob())
        begun = [logged_in(database, ann, number) for number in (1, 2, 3, 4)]
        with database.begin() as tx:
            tx.sessions.lock(begun[3].id)
            tx.sessions.save(begun[3].revoked(NOW + 1))
        with database.begin() as tx:
            tx.sessions.revoke_all(ann.id, NOW + 2.125, except_id=begun[0].id)
        with database.begin() as tx:
            tx.sessions.add(session(other, 5, NOW + 3), keep=1)
            tx.sessions.add(session(other, 6, NOW + 4), keep=1)
        first, second, third, fourth = every = [
            (NOW + 1, "session-004"),
            (NOW + 2.125, "session-002"),
            (NOW + 2.125, "session-003"),
            (NOW + 4, "session-005"),
        ]
        revoked = database.sessions.revoked
        assert list(revoked((0.0, ""), limit=10)) == every
        assert list(revoked((0.0, ""), limit=2)) == [first, second]
        assert list(revoked(second, limit=1)) == [third]
        assert list(revoked((NOW + 2.125, ""), limit=10)) == [second, third, fourth]
        assert list(revoked(fourth, limit=10)) == []

    def test_session_end_that_is_committed_late_is_listed_in_order(self, database: Database) -> None:
        ann = stored(database, ada())
        early, late = logged_in(database, ann, 1), logged_in(database, ann, 2)
        with database.begin() as tx:
            tx.sessions.lock(late.id)
            tx.sessions.save(late.revoked(NOW + 2))
        assert [found for _, found in database.sessions.revoked((NOW, ""), limit=10)] == [late.id]
        with database.begin() as tx:
            tx.sessions.lock(early.id)
            tx.sessions.save(early.revoked(NOW + 1))
        assert [found for _, found in database.sessions.revoked((NOW, ""), limit=10)] == [early.id, late.id]

    def test_user_agent_is_new_if_no_session_of_the_account_had_it(self, database: Database) -> None:
        ann, other = stored(database, ada()), stored(database, bob())
        with database.begin() as tx:
            assert not tx.sessions.is_new_user_agent(ann.id, "a phone")
            tx.sessions.add(session(ann, 1), keep=100)
            assert tx.sessions.is_new_user_agent(ann.id, "a phone")
            tx.sessions.add(replace(session(ann, 2), user_agent="a phone"), keep=100)
            tx.sessions.add(replace(session(other, 3), user_agent="a tower"), keep=100)
            tx.sessions.revoke_all(ann.id, NOW)
        with database.begin() as tx:
            assert not tx.sessions.is_new_user_agent(ann.id, "a phone")
            assert tx.sessions.is_new_user_agent(ann.id, "a tower")
            assert tx.sessions.is_new_user_agent(ann.id, "A phone")

    def test_session_is_locked_together_with_its_account(self, database: Database) -> None:
        ann, _ = stored(database, ada()), stored(database, bob())
        begun = logged_in(database, ann, 1)
        with database.begin() as tx:
            assert tx.sessions.lock_with_account("session-002") is None
            assert tx.sessions.lock_with_account(begun.id) == (begun, ann)
            tx.sessions.save(begun.revoked(NOW + 1))
            assert tx.sessions.lock_with_account(begun.id) == (begun.revoked(NOW + 1), ann)
        with database.begin() as tx, pytest.raises(LookupError):
            tx.accounts.save(ann)

    def test_session_end_is_final(self, database: Database) -> None:
        begun = logged_in(database, stored(database, ada()))
        with database.begin() as tx:
            tx.sessions.lock(begun.id)
            tx.sessions.save(begun.revoked(NOW + 1))
            tx.sessions.save(replace(begun, generation=7))
            assert tx.sessions.lock(begun.id) == replace(begun, generation=7, revoked_at=NOW + 1)

    def test_session_with_an_unstorable_user_agent_is_added(self, database: Database) -> None:
        ann = stored(database, ada())
        with database.begin() as tx:
            tx.sessions.add(replace(session(ann, 1), user_agent="nul \0 and half a pair \ud800"), keep=100)
        assert len(database.sessions.active(ann.id, NOW)) == 1
