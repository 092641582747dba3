"""Sessions: which are active, and which were revoked when."""

from dataclasses import replace

import pytest

from ....application.ports import Database, Transaction
from ....domain.account import Account
from ....domain.session import DEFAULT_LIFETIME, MAX_ENDED_SESSIONS, MAX_SESSIONS
from .builders import (
    NOW,
    active,
    ada,
    bob,
    forget_networks,
    identified,
    logged_in,
    read_session,
    save_account,
    save_session,
    session,
    stored,
)

PHONE, LAPTOP = "Safari on iOS", "Firefox on Linux"


class SessionsContract:
    """Sessions: which are active, and which were revoked when."""

    def test_session_is_read_as_it_was_saved_and_its_revocation_is_final(self, database: Database) -> None:
        stored_session = logged_in(database, stored(database, ada()))
        assert read_session(database, stored_session.id) == stored_session
        assert read_session(database, "unknown") is None
        _, rotated = stored_session.refresh(0, NOW + 10)
        _, reissued = rotated.refresh(0, NOW + 11)
        assert (reissued.generation, reissued.previous_generation) == (2, 0)
        for changed in (rotated, reissued, reissued.revoked(NOW + 20)):
            save_session(database, changed)
            assert read_session(database, stored_session.id) == changed
        save_session(database, replace(stored_session, generation=7, previous_generation=4))
        final = replace(stored_session, generation=7, previous_generation=4, revoked_at=NOW + 20)
        assert read_session(database, stored_session.id) == final

    def test_session_is_read_with_all_that_describes_its_caller(self, database: Database) -> None:
        account = stored(database, ada())
        full = session(
            account, 1, ip_address="2001:db8::/64", user_agent="a phone", device=PHONE, network="2001:db8::/64", generation=3
        )
        with database.begin() as tx:
            tx.sessions.add(full, keep=100)
        assert read_session(database, full.id) == full
        forget_networks(database, account, None)
        assert read_session(database, full.id) == replace(full, network=None)

    def test_session_needs_an_account(self, database: Database) -> None:
        with pytest.raises(LookupError), database.begin() as tx:
            tx.sessions.add(session(ada(id=7), 1), keep=3)

    def test_identity_needs_an_active_account_and_an_active_session_of_its_own(self, database: Database) -> None:
        account, other = stored(database, ada()), stored(database, bob())
        stored_session = logged_in(database, account)
        assert identified(database, account.id, stored_session.id) == account
        assert identified(database, other.id, stored_session.id) is None
        assert identified(database, account.id, "no-session") is None
        assert identified(database, account.id, stored_session.id, NOW + DEFAULT_LIFETIME.idle - 1) == account
        assert identified(database, account.id, stored_session.id, NOW + DEFAULT_LIFETIME.idle) is None
        _, refreshed = stored_session.refresh(0, NOW + DEFAULT_LIFETIME.idle - 1)
        save_session(database, refreshed)
        assert identified(database, account.id, stored_session.id, NOW + DEFAULT_LIFETIME.idle) == account
        assert identified(database, account.id, stored_session.id, NOW + DEFAULT_LIFETIME.longest) is None
        save_account(database, replace(account, is_active=False))
        assert identified(database, account.id, stored_session.id) is None
        save_account(database, account)
        save_session(database, refreshed.revoked(NOW))
        assert identified(database, account.id, stored_session.id) is None

    def test_several_sessions_are_looked_up_at_once_in_order(self, database: Database) -> None:
        account, other = stored(database, ada()), stored(database, bob())
        sessions = [logged_in(database, account, number, NOW + number) for number in range(1, 41)]
        theirs = logged_in(database, other, 100)
        save_session(database, sessions[1].revoked(NOW))
        asked = [(account.id, listed.id) for listed in sessions]
        strange = [(other.id, sessions[0].id), (account.id, "no-session"), (account.id, "\ud800"), (account.id, "")]
        found = database.accounts.by_active_sessions([*strange, *asked, (other.id, theirs.id), asked[0]], NOW)
        ours = [(account, NOW + number) for number in range(1, 41)]
        assert found == [*[None] * 4, ours[0], None, *ours[2:], (other, NOW), ours[0]]
        assert database.accounts.by_active_sessions(asked[:3], NOW + DEFAULT_LIFETIME.longest) == [None] * 3
        assert database.accounts.by_active_sessions([], NOW) == []

    def test_oldest_active_sessions_end_beyond_the_limit(self, database: Database) -> None:
        account, other = stored(database, ada()), stored(database, bob())
        logged_in(database, other, 9)
        answers = []
        for number in range(1, 6):
            with database.begin() as tx:
                answers.append(tx.sessions.add(session(account, number, NOW + number), keep=3).revoked)
        assert answers == [[], [], [], ["session-1"], ["session-2"]]
        assert list(database.sessions.revoked((0.0, ""), limit=9)) == [(NOW + 4, "session-1"), (NOW + 5, "session-2")]
        assert active(database, account, NOW + 6) == [3, 4, 5]
        assert active(database, other, NOW + 6) == [9]

    def test_inactive_sessions_do_not_count_towards_the_limit(self, database: Database) -> None:
        account = stored(database, ada())
        logged_in(database, account, 1, NOW - DEFAULT_LIFETIME.idle)
        logged_in(database, account, 2)
        save_session(database, logged_in(database, account, 3).revoked(NOW))
        logged_in(database, account, 4, NOW + 1, keep=2)
        assert active(database, account, NOW + 1) == [2, 4]

    def test_newest_session_is_kept_after_the_clock_stepped_back(self, database: Database) -> None:
        account = stored(database, ada())
        logged_in(database, account, 1)
        logged_in(database, account, 2, NOW - 3600, keep=1)
        assert active(database, account) == [2]

    def test_revoke_all_spares_the_excepted_session_and_counts_active_ones(self, database: Database) -> None:
        account, other = stored(database, ada()), stored(database, bob())
        logged_in(database, other, 9)
        logged_in(database, account, 1, NOW - DEFAULT_LIFETIME.idle)
        for number in (2, 3, 4):
            logged_in(database, account, number)
        with database.begin() as tx:
            assert tx.sessions.revoke_all(account.id, NOW + 5, except_id="session-3") == 2
            assert tx.sessions.revoke_all(account.id, NOW + 6, except_id="session-3") == 0
        assert list(database.sessions.revoked((0.0, ""), limit=9)) == [(NOW + 5, "session-2"), (NOW + 5, "session-4")]
        assert active(database, account, NOW + 7) == [3]
        with database.begin() as tx:
            assert tx.sessions.revoke_all(account.id, NOW + 8) == 1
        assert active(database, other, NOW + 9) == [9]

    def test_active_sessions_are_listed_newest_first_with_their_user_agents(self, database: Database) -> None:
        ann, other = stored(database, ada()), stored(database, bob())
        sessions = [logged_in(database, ann, number, NOW + number) for number in (1, 2, 3)]
        logged_in(database, other, 4)
        named = session(ann, 5, NOW + 5, ip_address="192.0.2.1", user_agent="a phone")
        with database.begin() as tx:
            tx.sessions.add(named, keep=100)
            tx.sessions.add(session(other, 6, user_agent="nul \0 and half a pair \ud800"), keep=100)
        save_session(database, sessions[1].revoked(NOW + 6))
        assert list(database.sessions.active(ann.id, NOW + 7)) == [named, sessions[2], sessions[0]]
        assert list(database.sessions.active(ann.id, NOW + 7 + DEFAULT_LIFETIME.idle)) == []
        assert list(database.sessions.active(2**70, NOW)) == []
        assert active(database, other) == [4, 6]

    def test_revoked_sessions_are_listed_in_order_after_a_position(self, database: Database) -> None:
        ann, other = stored(database, ada()), stored(database, bob())
        sessions = [logged_in(database, ann, number) for number in (1, 2, 3, 4)]
        save_session(database, sessions[3].revoked(NOW + 1))
        with database.begin() as tx:
            tx.sessions.revoke_all(ann.id, NOW + 2.125, except_id=sessions[0].id)
        logged_in(database, other, 5, NOW + 3)
        logged_in(database, other, 6, NOW + 4, keep=1)
        first, second, third, fourth = every = [
            (NOW + 1, "session-4"),
            (NOW + 2.125, "session-2"),
            (NOW + 2.125, "session-3"),
            (NOW + 4, "session-5"),
        ]
        revoked = database.sessions.revoked
        assert list(revoked((0.0, ""), limit=10)) == every
        assert list(revoked((0.0, ""), limit=2)) == [first, second]
        assert list(revoked(second, limit=1)) == [third]
        assert list(revoked((NOW + 2.125, ""), limit=10)) == [second, third, fourth]
        assert list(revoked(fourth, limit=10)) == []
        save_session(database, sessions[0].revoked(NOW + 0.5))  # committed after later ones
        assert list(revoked((0.0, ""), limit=10)) == [(NOW + 0.5, "session-1"), *every]

    def test_device_is_new_if_none_of_the_sessions_of_the_account_is_of_it(self, database: Database) -> None:
        ann, other = stored(database, ada()), stored(database, bob())
        strange = "nul \0 and half a pair \ud800"
        with database.begin() as tx:
            assert not is_new_device(tx, ann, 1, LAPTOP), "the first login is no news"
            assert is_new_device(tx, ann, 2, PHONE)
            assert not is_new_device(tx, ann, 3, None)
            assert not is_new_device(tx, other, 4, "a tablet")
            tx.sessions.revoke_all(ann.id, NOW)
        with database.begin() as tx:
            assert not is_new_device(tx, ann, 5, PHONE), "ended sessions count"
            assert is_new_device(tx, ann, 6, "a tablet")
            assert is_new_device(tx, ann, 7, PHONE.upper())
            assert [is_new_device(tx, ann, number, strange) for number in (8, 9)] == [True, False]

    def test_device_is_looked_for_among_the_latest_sessions(self, database: Database) -> None:
        account = stored(database, ada())
        with database.begin() as tx:
            tx.sessions.add(session(account, 0, NOW - 1, device=PHONE), keep=1000)
            tx.sessions.add(session(account, 1, device="a tablet"), keep=1000)
            for number in range(2, MAX_SESSIONS + 1):
                tx.sessions.add(session(account, number, NOW + number, device=LAPTOP), keep=1000)
            assert is_new_device(tx, account, -1, PHONE)
            assert not is_new_device(tx, account, -2, "a tablet")

    def test_oldest_ended_sessions_are_deleted_beyond_their_number(self, database: Database) -> None:
        account, other = stored(database, ada()), stored(database, bob())
        kept = MAX_SESSIONS + MAX_ENDED_SESSIONS
        with database.begin() as tx:
            tx.sessions.add(session(other, -2, NOW - 9), keep=1)
            tx.sessions.add(session(account, -1, NOW - 9), keep=10_000)
            for number in range(kept + 3):
                tx.sessions.add(session(account, number, NOW + number / 8, revoked_at=NOW), keep=10_000)
        with database.begin() as tx:
            present = [number for number in range(-2, kept + 3) if tx.sessions.lock(f"session-{number}")]
        assert present[:2] == [-2, -1], "the active session stays, however old, and so do those of others"
        assert present[2:] == list(range(2, kept + 3))

    def test_session_is_locked_together_with_its_account(self, database: Database) -> None:
        ann, _ = stored(database, ada()), stored(database, bob())
        stored_session = logged_in(database, ann)
        with database.begin() as tx:
            assert tx.sessions.lock_with_account("session-2") is None
            assert tx.sessions.lock_with_account(stored_session.id) == (stored_session, ann)
            tx.sessions.save(stored_session.revoked(NOW + 1))
            assert tx.sessions.lock_with_account(stored_session.id) == (stored_session.revoked(NOW + 1), ann)
            with pytest.raises(LookupError):
                tx.accounts.save(ann)


def is_new_device(tx: Transaction, account: Account, number: int, device: str | None) -> bool:
    return tx.sessions.add(session(account, number, device=device), keep=1000).is_new_device
