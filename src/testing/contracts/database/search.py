"""The contract of the reads and locks that operators need: search, counts, superusers, and the latest events."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ....application.ports import AccountFilters, AccountState, AuditQuery, Database, SearchOrder, SearchPath, SearchPosition
from ....domain.account import Account, Address, AddressKind, Suspension, Username
from ....domain.events import Event, EventType
from ....domain.rate_limits import SlidingWindow
from .builders import NOW, ada, bob, logged_in, recovery, registered, save_account, session, stored, with_events

ANY = AccountFilters(now=NOW)


def person(database: Database, username: str, **fields: object) -> Account:
    """An account whose username, email and mobile begin with its name or with the code of its first letter."""
    mobile = f"+49171{ord(username[0]):07}"
    new = ada(
        username=Username(username.title(), username),
        name=f"{username.title()} Person",
        email=Address(AddressKind.EMAIL, f"{username}@example.org", f"{username}@example.org"),
        mobile=Address(AddressKind.MOBILE, mobile, mobile),
    )
    return stored(database, replace(new, **fields))  # type: ignore[arg-type]  # of fields by their names


def on_path(
    database: Database, path: SearchPath, filters: AccountFilters = ANY, *, excluding: Sequence[SearchPath] = (), limit: int = 2
) -> list[int]:
    """The ids of all accounts on the path that match, read in batches."""
    found, after = list[int](), None
    while batch := database.accounts.search(path, filters, after=after, excluding=excluding, limit=limit):
        found += [one.position.account_id for one in batch if one.matches]
        after = batch[-1].position
    return found


class SearchContract:
    """The reads and locks that operators need."""

    @pytest.mark.parametrize(
        ("order", "text"),
        [
            (SearchOrder.USERNAME, "an"),
            (SearchOrder.EMAIL, "ann"),
            (SearchOrder.MOBILE, f"+49171{ord('a'):07}"),
            (SearchOrder.WORD, "ann"),
            (SearchOrder.WORD, "pers ann"),
        ],
    )
    def test_accounts_are_found_by_the_beginning_of_a_value(self, database: Database, order: SearchOrder, text: str) -> None:
        person(database, "bob")
        ann, _ = person(database, "ann"), person(database, "eve")
        assert on_path(database, SearchPath(order, text)) == [ann.id]
        assert on_path(database, SearchPath(order, f"{text}x")) == []

    def test_letters_of_any_script_are_ordered_alike(self, database: Database) -> None:
        names = ("ab", "aB", "a-", "aé", "a\U0001f600", "aя", "a")
        ids = {name: stored(database, ada(username=Username(name, name), email=None, mobile=None)).id for name in names}
        assert on_path(database, SearchPath(SearchOrder.USERNAME, "a")) == [ids[name] for name in sorted(names)]

    def test_account_is_found_by_its_recovery_addresses(self, database: Database) -> None:
        old = Address(AddressKind.EMAIL, "old@example.org", "old@example.org")
        account = stored(database, ada(recovery_addresses=(recovery(old),)))
        assert on_path(database, SearchPath(SearchOrder.RECOVERY_EMAIL, "old@")) == [account.id]
        assert on_path(database, SearchPath(SearchOrder.RECOVERY_MOBILE, "+49")) == []

    def test_words_are_those_of_the_name_as_it_is(self, database: Database) -> None:
        account = stored(database, ada(name="Ada Ádam Lovelace"))
        path = SearchPath(SearchOrder.WORD, "ada")
        assert on_path(database, path) == [account.id]
        save_account(database, replace(account, name="Countess Adamant"))
        assert on_path(database, path) == [account.id]
        assert on_path(database, SearchPath(SearchOrder.WORD, "lovelace")) == []
        with database.begin() as tx:
            tx.accounts.lock(account.id)
            tx.accounts.delete(account.id)
        assert on_path(database, path) == []

    def test_candidate_on_an_excluded_path_does_not_match(self, database: Database) -> None:
        ann = person(database, "ann")
        other = person(database, "bob", email=None, name="Ann")
        path = SearchPath(SearchOrder.WORD, "ann")
        excluding = [
            SearchPath(SearchOrder.EMAIL, "ann"),
            SearchPath(SearchOrder.MOBILE, "+1"),
            SearchPath(SearchOrder.MOBILE, "+2"),
        ]
        assert on_path(database, path) == [ann.id, other.id]
        assert on_path(database, path, excluding=excluding) == [other.id]

    def test_filters(self, database: Database) -> None:
        over, ends = (Suspension(since=NOW - 9, until=until, reason="") for until in (NOW, NOW + 1))
        active = person(database, "ann", ever_verified=True, is_staff=True)
        reopened = person(database, "bob", is_active=False, suspension=over)
        suspended = person(database, "eve", is_active=False, suspension=ends)
        endless = person(database, "joe", is_active=False, suspension=replace(ends, until=None))
        deactivated = person(database, "kim", is_active=False, created_at=NOW + 1)
        leaving = person(database, "lea", deletion_due_at=NOW + 9)
        logged_in(database, active, 1, NOW)
        logged_in(database, active, 2, NOW + 2)
        logged_in(database, leaving, 3, NOW + 1)
        expected = {
            AccountFilters(state=AccountState.ACTIVE, now=NOW): [active, reopened],
            AccountFilters(state=AccountState.SUSPENDED, now=NOW): [suspended, endless],
            AccountFilters(state=AccountState.DEACTIVATED): [deactivated],
            AccountFilters(state=AccountState.DELETION_SCHEDULED): [leaving],
            AccountFilters(staff=True): [active],
            AccountFilters(staff=False, verified=False, created_from=NOW + 1): [deactivated],
            AccountFilters(verified=True, created_until=NOW + 1): [active],
            AccountFilters(logged_in_from=NOW + 1): [active, leaving],
            AccountFilters(logged_in_from=NOW, logged_in_until=NOW + 2): [leaving],
            AccountFilters(logged_in_until=NOW + 2, state=AccountState.DELETION_SCHEDULED): [leaving],
        }
        for filters, accounts in expected.items():
            ids = sorted(account.id for account in accounts)
            assert sorted(on_path(database, SearchPath(SearchOrder.CREATED), filters)) == ids, filters
            assert sorted(on_path(database, SearchPath(SearchOrder.WORD, "person"), filters)) == ids, filters

    def test_youngest_accounts_and_latest_logins_come_first(self, database: Database) -> None:
        accounts = [person(database, name, created_at=NOW + at) for name, at in (("ann", 1), ("bob", 0), ("eve", 1))]
        ids = [account.id for account in accounts]
        assert on_path(database, SearchPath(SearchOrder.CREATED)) == [ids[2], ids[0], ids[1]]
        for number, who in enumerate((0, 1, 0), 1):
            logged_in(database, accounts[who], number, NOW + number)
        assert on_path(database, SearchPath(SearchOrder.LAST_LOGIN)) == [ids[0], ids[1]]
        until = AccountFilters(logged_in_from=NOW, logged_in_until=NOW + 3)
        assert on_path(database, SearchPath(SearchOrder.LAST_LOGIN), until) == [ids[1]]

    def test_position_outlives_its_account(self, database: Database) -> None:
        names = [person(database, name, mobile=None).id for name in ("ann", "anna", "annb")]
        path = SearchPath(SearchOrder.USERNAME, "ann")
        [first] = database.accounts.search(path, ANY, after=None, excluding=(), limit=1)
        with database.begin() as tx:
            tx.accounts.lock(names[0])
            tx.accounts.delete(names[0])
        rest = database.accounts.search(path, ANY, after=first.position, excluding=(), limit=9)
        assert [one.position for one in rest] == [SearchPosition("anna", names[1]), SearchPosition("annb", names[2])]

    def test_accounts_are_read_in_the_order_of_the_ids(self, database: Database) -> None:
        accounts = [stored(database, ada(username=Username(f"u{n}", f"u{n}"), email=None, mobile=None)) for n in range(30)]
        ids = [account.id for account in reversed(accounts)]
        assert list(database.accounts.many([*ids, 99])) == accounts[::-1]
        assert list(database.accounts.many([])) == []

    def test_counts(self, database: Database) -> None:
        ann, _ = stored(database, ada()), stored(database, bob(created_at=NOW + 1))
        logged_in(database, ann, 1, NOW)
        logged_in(database, ann, 2, NOW + 1)
        failed = Event(type=EventType.LOGIN_FAILED, occurred_at=NOW, account_id=ann.id)
        with_events(database, registered(ann.id), failed, replace(failed, occurred_at=NOW + 1))
        assert database.accounts.count() == 2
        for count in (database.accounts.count_created, database.sessions.count_started, database.audit_log.count_failed_logins):
            assert [count(NOW, NOW + 1), count(NOW, NOW + 2), count(NOW + 2, NOW + 9)] == [1, 2, 0]

    def test_latest_sessions_are_those_that_ended_too(self, database: Database) -> None:
        ann = stored(database, ada())
        with database.begin() as tx:
            for number in (1, 2, 3):
                tx.sessions.add(session(ann, number, NOW + number), keep=1)
        assert [one.id for one in database.sessions.latest(ann.id, limit=2)] == ["session-3", "session-2"]

    def test_latest_events_come_first(self, database: Database) -> None:
        with_events(database, *(registered(account_id) for account_id in (1, 2, 1, 2)))
        positions = [position for position, _ in database.audit_log.find(AuditQuery(), limit=9)]
        find = database.audit_log.find_latest
        assert [position for position, _ in find(AuditQuery(), before=positions[3], limit=2)] == [positions[2], positions[1]]
        after = AuditQuery(account_id=1, after=positions[0])
        assert [position for position, _ in find(after, before=positions[3] + 1, limit=9)] == [positions[2]]

    def test_actor_and_reason_are_recorded_and_the_reason_is_anonymised(self, database: Database) -> None:
        event = replace(registered(1), actor="account 7", reason="as asked")
        with_events(database, event)
        assert [found for _, found in database.audit_log.find(AuditQuery(), limit=9)] == [event]
        with database.begin() as tx:
            tx.audit_log.anonymise(1, after=0, limit=9)
        assert [found for _, found in database.audit_log.find(AuditQuery(), limit=9)] == [replace(event, reason=None)]

    def test_superusers_who_can_log_in_are_locked(self, database: Database) -> None:
        person(database, "ann")
        boss = person(database, "bob", is_superuser=True)
        person(database, "eve", is_superuser=True, is_active=False)
        person(database, "joe", is_superuser=True, deletion_due_at=NOW)
        person(database, "kim", is_staff=True)
        chief = person(database, "lea", is_superuser=True)
        with database.begin() as tx:
            assert sorted(tx.accounts.lock_superusers()) == [boss.id, chief.id]

    def test_accounts_whose_suspension_is_over_are_found_in_batches(self, database: Database) -> None:
        ids = []
        for name, until in (("ann", NOW), ("bob", NOW + 1), ("eve", None), ("joe", NOW - 1)):
            suspension = Suspension(since=NOW - 9, until=until, reason="spam")
            ids.append(person(database, name, is_active=False, suspension=suspension).id)
        person(database, "kim")
        found = database.accounts.due_for_reinstatement
        assert list(found(NOW, after=0, limit=9)) == [ids[0], ids[3]]
        assert list(found(NOW, after=ids[0], limit=9)) == [ids[3]]
        assert list(found(NOW, after=0, limit=1)) == [ids[0]]

    def test_roles_and_suspension_are_stored(self, database: Database) -> None:
        suspension = Suspension(since=NOW, until=NOW + 9, reason="Grüße")
        account = stored(database, ada(roles=("editor", "writer"), is_active=False, suspension=suspension))
        assert database.accounts.get(account.id) == account
        save_account(database, after := replace(account, roles=(), is_active=True, suspension=None))
        assert database.accounts.get(account.id) == after

    def test_windows_are_found_by_the_beginning_of_their_keys(self, database: Database) -> None:
        keys = ["login:abc", "login:abc:192.0.2.1", "login:abd", "logins:abc"]
        with database.begin() as tx:
            tx.rate_limits.lock(keys)
            tx.rate_limits.save([SlidingWindow(key, (NOW,)) for key in keys], NOW + 60)
        assert sorted(window.key for window in database.rate_limits.beginning_with("login:abc")) == keys[:2]
