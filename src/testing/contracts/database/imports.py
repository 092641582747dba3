"""The contract of imports: their rows, and many accounts at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event as Signal
from typing import Any

import pytest

from ....application.ports import AccountNames, Database, ImportedRow, SearchOrder, SearchPath
from ....application.ports.search import AccountFilters
from ....domain.account import Account, Address, AddressKind, Username
from ....domain.errors import Conflict
from ....domain.events import Event, EventType
from .builders import MAIL, MOBILE, NOW, ada, bob, recovery, save_account, stored, with_events


def imported(key: str, **changed: Any) -> ImportedRow:
    return replace(ImportedRow(source="shop", key=key, account_id=1, digests="abc", imported_at=NOW), **changed)


def put(database: Database, *rows: ImportedRow) -> None:
    with database.begin() as tx:
        tx.imports.put(rows)


def numbered(number: int, **changed: Any) -> Account:
    email = Address(AddressKind.EMAIL, f"User{number}@example.org", f"user{number}@example.org")
    return replace(bob(username=Username(f"User{number}", f"user{number}"), name=f"User Nr{number}", email=email), **changed)


class ImportsContract:
    """The contract of imports."""

    def test_imported_rows_are_found_by_source_and_key(self, database: Database) -> None:
        rows = [imported(f"key {number}", account_id=number, image=f"{number}.png") for number in range(1, 263)]
        put(database, *rows)
        put(database, imported("key 1", source="other"))
        wanted = {row.key: row for row in rows}
        assert database.imports.find("shop", [*wanted, "absent"]) == wanted
        assert database.imports.find("shop", []) == {}
        assert list(database.imports.find("other", wanted)) == ["key 1"]

    def test_imported_row_replaces_the_one_of_its_key(self, database: Database) -> None:
        put(database, imported("1", image="a.png"))
        newer = imported("1", digests="def", imported_at=NOW + 1)
        with database.begin() as tx:
            tx.imports.put([newer])
            assert tx.imports.find("shop", ["1"]) == {"1": newer}
        assert database.imports.find("shop", ["1"]) == {"1": newer}

    def test_rows_with_images_are_read_in_pages(self, database: Database) -> None:
        rows = [imported(key, image=f"{key}.png") for key in ("a", "b", "c")]
        put(database, *rows, imported("aa"), imported("b", source="other", image="other.png"))
        assert list(database.imports.with_images("shop", "", limit=2)) == rows[:2]
        assert list(database.imports.with_images("shop", "b", limit=2)) == rows[2:]
        assert list(database.imports.with_images("shop", "c", limit=2)) == []

    def test_rows_of_a_deleted_account_lose_digests_and_image(self, database: Database) -> None:
        one, other = imported("1", account_id=7, image="a.png"), imported("2", account_id=8, image="b.png")
        put(database, one, other)
        with database.begin() as tx:
            tx.imports.forget(7)
        assert database.imports.find("shop", ["1", "2"]) == {"1": replace(one, digests="", image=None), "2": other}

    def test_many_accounts_are_added_with_given_and_with_new_ids(self, database: Database) -> None:
        given = [numbered(number, id=1000 - number if number % 2 else 0) for number in range(1, 124)]
        with database.begin() as tx:
            added = list(tx.accounts.add_many(given))
            tx.accounts.save(replace(added[0], name="Ann"))
        assert [replace(account, id=0) for account in added] == [replace(account, id=0) for account in given]
        assert [account.id for account in added][::2] == [1000 - number for number in range(1, 124, 2)]
        assert len({account.id for account in added}) == 123
        assert list(database.accounts.many([account.id for account in added[1:]])) == added[1:]
        assert stored(database, ada()).id > 1000

    def test_accounts_that_were_added_at_once_are_found_by_their_words(self, database: Database) -> None:
        with database.begin() as tx:
            added = tx.accounts.add_many([numbered(1), numbered(2)])
        path = SearchPath(SearchOrder.WORD, "nr2")
        found = database.accounts.search(path, AccountFilters(), after=None, excluding=(), limit=9)
        assert [one.position.account_id for one in found if one.matches] == [added[1].id]

    def test_no_account_is_added_if_a_name_or_id_is_taken(self, database: Database) -> None:
        own = stored(database, ada())
        for account in (
            numbered(2, id=own.id),
            numbered(2, username=Username("ADA", "ada")),
            numbered(2, email=MAIL),
            numbered(2, mobile=MOBILE),
        ):
            with pytest.raises(Conflict), database.begin() as tx:
                tx.accounts.add_many([numbered(1), account])
        assert database.accounts.count() == 1

    def test_accounts_are_found_by_many_names_at_once(self, database: Database) -> None:
        first, second = stored(database, ada()), stored(database, bob())
        kept = Address(AddressKind.EMAIL, "old@example.org", "old@example.org")
        third = stored(database, numbered(3, recovery_addresses=(recovery(kept, NOW - 1),)))

        def having(*usernames: str, addresses: tuple[tuple[AddressKind, str], ...] = ()) -> set[int]:
            names = AccountNames(usernames=usernames, addresses=addresses)
            found = list(database.accounts.having(names))
            with database.begin() as tx:
                assert list(tx.accounts.having(names)) == found
            assert len({account.id for account in found}) == len(found)
            return {account.id for account in found}

        assert having() == having("absent") == set()
        assert having("ada", "bob", *(f"absent{number}" for number in range(600))) == {first.id, second.id}
        addresses = (
            (AddressKind.EMAIL, MAIL.canonical),
            (AddressKind.MOBILE, MOBILE.canonical),
            (AddressKind.EMAIL, "old@example.org"),
        )
        assert having("ada", addresses=addresses) == {first.id, third.id}
        assert having(addresses=((AddressKind.MOBILE, MAIL.canonical),)) == set()

    def test_many_accounts_are_locked_in_the_order_of_ids(self, database: Database) -> None:
        accounts = [stored(database, one) for one in (ada(), bob(), numbered(3))]
        with database.begin() as tx:
            locked = tx.accounts.lock_many({one.id for one in accounts} | {2**40})
            assert list(locked) == accounts
            assert list(tx.accounts.lock_many([])) == []
            tx.accounts.save(replace(accounts[1], name="Bobby"))
        with pytest.raises(LookupError):
            save_without_lock(database, accounts[0])
        save_account(database, accounts[0])

    def test_ids_of_deleted_accounts_are_known(self, database: Database) -> None:
        deleted, other = EventType.ACCOUNT_DELETED, EventType.REGISTERED
        happened = ((7, deleted), (8, other), (None, deleted), (2**40, deleted))
        with_events(database, *(Event(type=kind, occurred_at=NOW, account_id=number) for number, kind in happened))
        assert database.audit_log.deleted_accounts([7, 8, 9, 2**40]) == {7, 2**40}
        assert database.audit_log.deleted_accounts(range(6, 306)) == {7}
        assert database.audit_log.deleted_accounts([]) == frozenset()

    def test_name_that_is_registered_meanwhile_conflicts(self, database: Database) -> None:
        is_open, may_commit = Signal(), Signal()

        def register() -> None:
            with database.begin() as tx:
                tx.accounts.add(ada())
                is_open.set()
                may_commit.wait(1)

        def import_it() -> bool:
            is_open.wait(5)
            try:
                with database.begin() as tx:
                    may_commit.set()
                    tx.accounts.add_many([numbered(1), ada()])
            except Conflict:
                return True
            return False

        with ThreadPoolExecutor(2) as threads:
            registering, importing = threads.submit(register), threads.submit(import_it)
            registering.result()
            assert importing.result()
        assert database.accounts.count() == 1


def save_without_lock(database: Database, account: Account) -> None:
    with database.begin() as tx:
        tx.accounts.save(account)
