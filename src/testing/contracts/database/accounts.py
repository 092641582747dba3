"""Accounts: look-ups by address, username and session, and uniqueness."""

from dataclasses import replace

import pytest

from ....application.ports import Database, LoginIdentifier
from ....domain.account import Account, Address, AddressKind, Username
from ....domain.errors import AlreadyTaken
from ....domain.session import IDLE_SECONDS, MAX_LIFETIME_SECONDS
from .builders import MAIL, MOBILE, NOW, ada, bob, logged_in, stored


class AccountsContract:
    """Accounts: look-ups by address, username and session, and uniqueness."""

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
        with database.begin() as tx:
            tx.accounts.lock(added.id)
            tx.accounts.save(changed)
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
        account = stored(database, ada())
        begun = logged_in(database, account)
        assert database.accounts.get(account_id) is None
        assert database.accounts.by_active_session(account_id, begun.id, NOW) is None
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
        stored(database, ada())
        assert database.accounts.by_login(LoginIdentifier(None, text)) is None
        assert database.accounts.by_active_session(1, text, NOW) is None

    def test_by_active_session_needs_an_active_account_and_its_own_active_session(self, database: Database) -> None:
        account, other = stored(database, ada()), stored(database, bob())
        begun = logged_in(database, account)
        accounts = database.accounts
        assert accounts.by_active_session(account.id, begun.id, NOW) == account
        assert accounts.by_active_session(other.id, begun.id, NOW) is None
        assert accounts.by_active_session(account.id, "no-session", NOW) is None
        assert accounts.by_active_session(account.id, begun.id, NOW + IDLE_SECONDS - 1) == account
        assert accounts.by_active_session(account.id, begun.id, NOW + IDLE_SECONDS) is None
        with database.begin() as tx:
            tx.accounts.lock(account.id)
            tx.accounts.save(replace(account, is_active=False))
        assert accounts.by_active_session(account.id, begun.id, NOW) is None

    def test_lock_identity_demands_an_active_account_and_an_active_session_of_its_own(self, database: Database) -> None:
        account, other = stored(database, ada()), stored(database, bob())
        begun = logged_in(database, account)
        with database.begin() as tx:
            assert tx.lock_identity(other.id, begun.id, lambda: NOW) is None
            assert tx.lock_identity(account.id, "no-session", lambda: NOW) is None
            assert tx.lock_identity(account.id, begun.id, lambda: NOW + IDLE_SECONDS) is None
            assert tx.lock_identity(account.id, begun.id, lambda: NOW) == account
            tx.accounts.save(replace(account, is_active=False))
            assert tx.lock_identity(account.id, begun.id, lambda: NOW) is None

    def test_several_sessions_are_looked_up_at_once_in_order(self, database: Database) -> None:
        account, other = stored(database, ada()), stored(database, bob())
        begun = [logged_in(database, account, number, NOW + number) for number in range(1, 41)]
        theirs = logged_in(database, other, 100)
        with database.begin() as tx:
            tx.sessions.lock(begun[1].id)
            tx.sessions.save(begun[1].revoked(NOW))
        asked = [(account.id, one.id) for one in begun]
        strange = [(other.id, begun[0].id), (account.id, "no-session"), (account.id, "\ud800"), (account.id, "")]
        found = database.accounts.by_active_sessions([*strange, *asked, (other.id, theirs.id), asked[0]], NOW)
        assert found == [None] * 4 + [account, None, *[account] * 38, other, account]
        assert database.accounts.by_active_sessions(asked[:1], NOW) == [account]
        assert database.accounts.by_active_sessions(asked[:3], NOW + MAX_LIFETIME_SECONDS) == [None] * 3
        assert database.accounts.by_active_sessions([], NOW) == []

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

    def test_ended_and_refreshed_sessions_count_as_such(self, database: Database) -> None:
        account = stored(database, ada())
        logged_in(database, account)
        with database.begin() as tx:
            begun = tx.sessions.lock("session-001")
            assert begun
            _, refreshed = begun.refresh(0, NOW + IDLE_SECONDS - 1)
            tx.sessions.save(refreshed)
        assert database.accounts.by_active_session(account.id, begun.id, NOW + IDLE_SECONDS) == account
        assert database.accounts.by_active_session(account.id, begun.id, NOW + MAX_LIFETIME_SECONDS) is None
        with database.begin() as tx:
            tx.sessions.lock(begun.id)
            tx.sessions.save(refreshed.revoked(NOW))
        assert database.accounts.by_active_session(account.id, begun.id, NOW) is None

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
            other = tx.accounts.add(bob(username=Username("third", "third"), email=None))
            with pytest.raises(AlreadyTaken) as refused:
                tx.accounts.save(replace(rival, id=other.id))
            assert refused.value.fields == fields
        assert database.accounts.get(other.id) == other
        assert database.accounts.get(account.id) == account
        assert database.accounts.taken_fields(rival.username, rival.addresses) == set(fields)

    def test_missing_addresses_do_not_collide(self, database: Database) -> None:
        stored(database, bob(email=None))
        assert stored(database, bob(username=Username("second", "second"), email=None)).id > 0

    def test_released_username_and_address_are_free(self, database: Database) -> None:
        account = stored(database, ada())
        with database.begin() as tx:
            tx.accounts.lock(account.id)
            tx.accounts.save(replace(account, mobile=None, username=Username("new", "new")))
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

    def test_unlocked_account_cannot_be_saved(self, database: Database) -> None:
        account = stored(database, ada())
        with database.begin() as tx:
            tx.accounts.lock(account.id)
        with database.begin() as tx:
            tx.accounts.get(account.id)
            tx.accounts.by_address(MAIL)
            with pytest.raises(LookupError):
                tx.accounts.save(replace(account, name="Changed"))
        assert database.accounts.get(account.id) == account

    def test_added_account_can_be_saved_in_the_same_transaction(self, database: Database) -> None:
        with database.begin() as tx:
            added = tx.accounts.add(ada())
            tx.accounts.save(replace(added, name="Changed"))
        assert database.accounts.get(added.id) == replace(added, name="Changed")
