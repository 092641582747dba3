"""Accounts, and whose address or username is whose."""

from dataclasses import replace

import pytest

from ....application.ports import Database, Login
from ....domain.account import Account, Address, Kind, Username
from ....domain.errors import AlreadyTaken
from ....domain.session import IDLE_SECONDS, LIFE_SECONDS
from .given import (
    MAIL,
    MOBILE,
    NOW,
    ada,
    bob,
    signed_in,
    stored,
)


class AccountsContract:
    """Accounts, and whose address or username is whose."""

    @pytest.mark.parametrize(
        "account",
        [
            ada(),
            ada(mobile=None, mobile_proven=False, password_hash=None),
            ada(email=None, settled=True, is_active=False, image="picture.webp"),
            ada(is_staff=True, is_superuser=True, email_proven=True, username=Username("Žofie 🙂", "žofie 🙂")),
        ],
    )
    def test_an_account_comes_back_as_it_was_stored(self, database: Database, account: Account) -> None:
        added = stored(database, account)
        assert added == replace(account, id=added.id)
        assert added.id > 0
        assert database.accounts.get(added.id) == added
        changed = replace(added, is_active=not added.is_active, settled=not added.settled, image="new.webp", name="N")
        with database.begin() as tx:
            tx.accounts.claim(added.id)
            tx.accounts.save(changed)
        assert database.accounts.get(added.id) == changed

    def test_accounts_are_found_by_their_addresses(self, database: Database) -> None:
        account = stored(database, ada())
        assert database.accounts.having(Address(Kind.EMAIL, "other spelling", MAIL.key)) == account
        assert database.accounts.having(MOBILE) == account
        assert database.accounts.having(Address(Kind.MOBILE, MAIL.text, MAIL.key)) is None
        with database.begin() as tx:
            assert tx.accounts.claim_having(MOBILE) == account
            assert tx.accounts.claim_having(bob().addresses[0]) is None

    @pytest.mark.parametrize("account_id", [0, -1, 999, 2**63 - 1, 2**63, -(2**63) - 1, 10**30])
    def test_no_account_has_a_number_that_was_never_given(self, database: Database, account_id: int) -> None:
        account = stored(database, ada())
        begun = signed_in(database, account)
        assert database.accounts.get(account_id) is None
        assert database.accounts.signed_in(account_id, begun.id, NOW) is None
        with database.begin() as tx:
            assert tx.accounts.claim(account_id) is None

    def test_a_login_means_the_owner_of_the_address_before_that_of_the_username(self, database: Database) -> None:
        imported = stored(database, bob(username=Username(MAIL.key, MAIL.key)))
        owner = stored(database, ada())
        meant_by = database.accounts.meant_by
        assert meant_by(Login(MAIL, MAIL.key)) == owner
        assert meant_by(Login(None, MAIL.key)) == imported
        assert meant_by(Login(MOBILE, "ada")) == owner
        assert meant_by(Login(Address(Kind.EMAIL, "x", "x@example.org"), "ada")) == owner
        assert meant_by(Login(Address(Kind.EMAIL, "x", "x@example.org"), "nobody")) is None
        assert meant_by(Login(None, "nobody")) is None
        with database.begin() as tx:
            assert tx.accounts.meant_by(Login(MAIL, MAIL.key)) == owner

    @pytest.mark.parametrize("text", ["\ud800", "ada\udfff", "\0", "ada\0", "' OR 1=1 --", "%", ""])
    def test_a_login_of_whatever_text_is_only_unknown(self, database: Database, text: str) -> None:
        stored(database, ada())
        assert database.accounts.meant_by(Login(None, text)) is None
        assert database.accounts.signed_in(1, text, NOW) is None

    def test_only_an_active_account_with_a_living_session_of_its_own_is_signed_in(self, database: Database) -> None:
        account, other = stored(database, ada()), stored(database, bob())
        begun = signed_in(database, account)
        accounts = database.accounts
        assert accounts.signed_in(account.id, begun.id, NOW) == account
        assert accounts.signed_in(other.id, begun.id, NOW) is None
        assert accounts.signed_in(account.id, "no-session", NOW) is None
        assert accounts.signed_in(account.id, begun.id, NOW + IDLE_SECONDS - 1) == account
        assert accounts.signed_in(account.id, begun.id, NOW + IDLE_SECONDS) is None
        with database.begin() as tx:
            tx.accounts.claim(account.id)
            tx.accounts.save(replace(account, is_active=False))
        assert accounts.signed_in(account.id, begun.id, NOW) is None

    def test_many_are_asked_for_at_once_and_answered_in_order(self, database: Database) -> None:
        account, other = stored(database, ada()), stored(database, bob())
        begun = [signed_in(database, account, number, NOW + number) for number in range(1, 41)]
        theirs = signed_in(database, other, 100)
        with database.begin() as tx:
            tx.sessions.claim(begun[1].id)
            tx.sessions.save(begun[1].end(NOW))
        asked = [(account.id, one.id) for one in begun]
        strange = [(other.id, begun[0].id), (account.id, "no-session"), (account.id, "\ud800"), (account.id, "")]
        found = database.accounts.signed_in_each([*strange, *asked, (other.id, theirs.id), asked[0]], NOW)
        assert found == [None] * 4 + [account, None, *[account] * 38, other, account]
        assert database.accounts.signed_in_each(asked[:1], NOW) == [account]
        assert database.accounts.signed_in_each(asked[:3], NOW + LIFE_SECONDS) == [None] * 3
        assert database.accounts.signed_in_each([], NOW) == []

    def test_those_with_a_profile_image_are_read_on_in_the_order_of_their_ids(self, database: Database) -> None:
        eve = bob(username=Username("eve", "eve"), email=None)
        first, second, third = (stored(database, one) for one in (ada(image="a.webp"), bob(), eve))
        assert database.accounts.pictured(0, most=10) == [(first.id, "a.webp")]
        with database.begin() as tx:
            tx.accounts.claim(third.id)
            tx.accounts.save(replace(third, image="c.webp"))
            assert tx.accounts.pictured(first.id, most=10) == [(third.id, "c.webp")]
        assert database.accounts.pictured(0, most=1) == [(first.id, "a.webp")]
        assert database.accounts.pictured(second.id, most=10) == [(third.id, "c.webp")]
        assert database.accounts.pictured(third.id, most=10) == []

    def test_a_session_that_ended_or_was_refreshed_counts_as_such(self, database: Database) -> None:
        account = stored(database, ada())
        signed_in(database, account)
        with database.begin() as tx:
            begun = tx.sessions.claim("session-001")
            assert begun
            _, refreshed = begun.refresh(0, NOW + IDLE_SECONDS - 1)
            tx.sessions.save(refreshed)
        assert database.accounts.signed_in(account.id, begun.id, NOW + IDLE_SECONDS) == account
        assert database.accounts.signed_in(account.id, begun.id, NOW + LIFE_SECONDS) is None
        with database.begin() as tx:
            tx.sessions.claim(begun.id)
            tx.sessions.save(refreshed.end(NOW))
        assert database.accounts.signed_in(account.id, begun.id, NOW) is None

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
    def test_what_another_account_has_is_refused_by_name_when_added_and_when_saved(
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
        assert database.accounts.taken(rival.username, rival.addresses) == set(fields)

    def test_an_account_without_mobile_or_email_stands_in_nobodys_way(self, database: Database) -> None:
        stored(database, bob(email=None))
        assert stored(database, bob(username=Username("second", "second"), email=None)).id > 0

    def test_what_an_account_let_go_of_is_free_again(self, database: Database) -> None:
        account = stored(database, ada())
        with database.begin() as tx:
            tx.accounts.claim(account.id)
            tx.accounts.save(replace(account, mobile=None, username=Username("new", "new")))
        assert database.accounts.having(MOBILE) is None
        assert database.accounts.taken(account.username, account.addresses) == {"email"}
        assert stored(database, bob(username=account.username, mobile=MOBILE)).mobile == MOBILE

    def test_taken_overlooks_the_account_that_asks_for_itself(self, database: Database) -> None:
        account = stored(database, ada())
        other = stored(database, bob())
        taken = database.accounts.taken
        assert taken(account.username, account.addresses, but=account.id) == set()
        assert taken(account.username, other.addresses, but=account.id) == {"email"}
        assert taken(account.username, []) == {"username"}
        assert taken(None, [MOBILE]) == {"mobile"}
        assert taken(None, []) == set()

    def test_an_account_that_was_not_claimed_here_cannot_be_saved(self, database: Database) -> None:
        account = stored(database, ada())
        with database.begin() as tx:
            tx.accounts.claim(account.id)
        with database.begin() as tx:
            tx.accounts.get(account.id)
            tx.accounts.having(MAIL)
            with pytest.raises(LookupError):
                tx.accounts.save(replace(account, name="Changed"))
        assert database.accounts.get(account.id) == account

    def test_an_account_that_was_added_here_can_be_saved_at_once(self, database: Database) -> None:
        with database.begin() as tx:
            added = tx.accounts.add(ada())
            tx.accounts.save(replace(added, name="Changed"))
        assert database.accounts.get(added.id) == replace(added, name="Changed")
