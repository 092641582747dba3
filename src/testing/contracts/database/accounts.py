"""Accounts: look-ups by address and username, and uniqueness."""

from dataclasses import replace

import pytest

from ....application.ports import Database, LoginIdentifier
from ....domain.account import Account, Address, AddressKind, Username
from ....domain.errors import AlreadyTaken
from .builders import MAIL, MOBILE, ada, bob, identified, logged_in, save_account, stored


class AccountsContract:
    """Accounts: look-ups by address and username, and uniqueness."""

    @pytest.mark.parametrize(
        "account",
        [
            ada(),
            ada(mobile=None, mobile_verified=False, password_hash=None),
            ada(email=None, owner_verified=True, is_active=False, image="picture.webp"),
            ada(is_staff=True, is_superuser=True, email_verified=True, username=Username("Žofie 🙂", "žofie 🙂")),
        ],
    )
    def test_account_is_read_as_it_was_stored(self, database: Database, account: Account) -> None:
        added = stored(database, account)
        assert added == replace(account, id=added.id)
        assert added.id > 0
        assert database.accounts.get(added.id) == added
        changed = replace(
            added, is_active=not added.is_active, owner_verified=not added.owner_verified, image="new.webp", name="N"
        )
        save_account(database, changed)
        assert database.accounts.get(added.id) == changed

    def test_accounts_are_found_by_their_addresses(self, database: Database) -> None:
        account = stored(database, ada())
        assert database.accounts.by_address(Address(AddressKind.EMAIL, "other spelling", MAIL.canonical)) == account
        assert database.accounts.by_address(MOBILE) == account
        assert database.accounts.by_address(Address(AddressKind.MOBILE, MAIL.text, MAIL.canonical)) is None
        with database.begin() as tx:
            assert tx.accounts.lock_by_address(MOBILE) == account
            assert tx.accounts.lock_by_address(bob().addresses[0]) is None

    @pytest.mark.parametrize("account_id", [0, -1, 999, 2**63 - 1, 2**63, -(2**63) - 1, 10**30])
    def test_unknown_account_ids_find_nothing(self, database: Database, account_id: int) -> None:
        session = logged_in(database, stored(database, ada()))
        assert database.accounts.get(account_id) is None
        assert identified(database, account_id, session.id) is None
        with database.begin() as tx:
            assert tx.accounts.lock(account_id) is None

    def test_login_prefers_the_owner_of_the_address_to_the_username(self, database: Database) -> None:
        imported = stored(database, bob(username=Username(MAIL.canonical, MAIL.canonical)))
        owner = stored(database, ada())
        by_login = database.accounts.by_login
        assert by_login(LoginIdentifier(MAIL, MAIL.canonical)) == owner
        assert by_login(LoginIdentifier(None, MAIL.canonical)) == imported
        assert by_login(LoginIdentifier(MOBILE, "ada")) == owner
        assert by_login(LoginIdentifier(Address(AddressKind.EMAIL, "x", "x@example.org"), "ada")) == owner
        assert by_login(LoginIdentifier(Address(AddressKind.EMAIL, "x", "x@example.org"), "nobody")) is None
        assert by_login(LoginIdentifier(None, "nobody")) is None
        with database.begin() as tx:
            assert tx.accounts.by_login(LoginIdentifier(MAIL, MAIL.canonical)) == owner

    @pytest.mark.parametrize("text", ["\ud800", "ada\udfff", "\0", "ada\0", "' OR 1=1 --", "%", ""])
    def test_login_with_any_text_is_at_most_unknown(self, database: Database, text: str) -> None:
        account = stored(database, ada())
        assert database.accounts.by_login(LoginIdentifier(None, text)) is None
        assert identified(database, account.id, text) is None

    def test_accounts_with_images_are_listed_by_id_in_pages(self, database: Database) -> None:
        eve = bob(username=Username("eve", "eve"), email=None)
        first, second, third = (stored(database, one) for one in (ada(image="a.webp"), bob(), eve))
        assert database.accounts.with_images(0, limit=10) == [(first.id, "a.webp")]
        with database.begin() as tx:
            tx.accounts.lock(third.id)
            tx.accounts.save(replace(third, image="c.webp"))
            assert tx.accounts.with_images(first.id, limit=10) == [(third.id, "c.webp")]
        assert database.accounts.with_images(0, limit=1) == [(first.id, "a.webp")]
        assert database.accounts.with_images(second.id, limit=10) == [(third.id, "c.webp")]
        assert database.accounts.with_images(third.id, limit=10) == []

    @pytest.mark.parametrize(
        ("rival", "fields"),
        [
            (bob(username=Username("ADA", "ada")), ("username",)),
            (bob(email=replace(MAIL, text="ADA@example.org")), ("email",)),
            (bob(mobile=MOBILE), ("mobile",)),
            (ada(username=Username("other", "other")), ("email", "mobile")),
            (ada(), ("username", "email", "mobile")),
        ],
    )
    def test_taken_fields_are_refused_by_name_on_add_and_save(
        self, database: Database, rival: Account, fields: tuple[str, ...]
    ) -> None:
        account = stored(database, ada())
        with database.begin() as tx:
            with pytest.raises(AlreadyTaken) as refused:
                tx.accounts.add(rival)
            assert refused.value.fields == fields
            other = replace(tx.accounts.add(bob(username=Username("third", "third"), email=None)), name="Changed")
            tx.accounts.save(other)  # a new account needs no lock
            tx.accounts.add(bob(username=Username("fourth", "fourth"), email=None))  # missing addresses do not collide
            with pytest.raises(AlreadyTaken) as refused:
                tx.accounts.save(replace(rival, id=other.id))
            assert refused.value.fields == fields
        assert database.accounts.get(other.id) == other
        assert database.accounts.get(account.id) == account
        assert database.accounts.taken_fields(rival.username, rival.addresses) == set(fields)

    def test_released_username_and_address_are_free(self, database: Database) -> None:
        account = stored(database, ada())
        save_account(database, replace(account, mobile=None, username=Username("new", "new")))
        assert database.accounts.by_address(MOBILE) is None
        assert database.accounts.taken_fields(account.username, account.addresses) == {"email"}
        assert stored(database, bob(username=account.username, mobile=MOBILE)).mobile == MOBILE

    def test_taken_fields_ignore_the_excluded_account(self, database: Database) -> None:
        account = stored(database, ada())
        other = stored(database, bob())
        taken = database.accounts.taken_fields
        assert taken(account.username, account.addresses, excluding=account.id) == set()
        assert taken(account.username, other.addresses, excluding=account.id) == {"email"}
        assert taken(account.username, []) == {"username"}
        assert taken(None, [MOBILE]) == {"mobile"}
        assert taken(None, []) == set()
