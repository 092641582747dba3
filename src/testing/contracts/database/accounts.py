"""Accounts: look-ups by address and username, known networks, and uniqueness."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from ....application.ports import Database, Holder, KeyOfHolder, LoginIdentifier
from ....domain.account import Account, Address, AddressKind, Username
from ....domain.errors import AlreadyTaken
from ....domain.rate_limits import SlidingWindow
from ....domain.session import KNOWN_NETWORK_SECONDS
from .builders import (
    MAIL,
    MOBILE,
    NOW,
    ada,
    bob,
    forget_networks,
    identified,
    logged_in,
    recovery,
    save_account,
    save_session,
    session,
    stored,
)

NETWORK, ELSEWHERE = "192.0.2.1", "2001:db8::/64"
OLD_MAIL = Address(AddressKind.EMAIL, "Old@Example.org", "old@example.org")
OLD_MOBILE = Address(AddressKind.MOBILE, "0171 7654321", "+491717654321")

KEYS, KEY_OF_HOLDER = ("first", "second"), KeyOfHolder("of:", "none")


def by_login(database: Database, login: LoginIdentifier, network: str | None, now: float) -> Holder:
    return database.accounts.holder_by_login(login, network, now, KEYS, KEY_OF_HOLDER)[0]


HOLDERS: list[Callable[[Database, str | None, float], Holder]] = [
    lambda database, network, now: database.accounts.holder(MAIL, network, now),
    lambda database, network, now: database.accounts.holder(MOBILE, network, now),
    lambda database, network, now: by_login(database, LoginIdentifier(None, "ada"), network, now),
    lambda database, network, now: by_login(database, LoginIdentifier(MOBILE, "no"), network, now),
]
"""Look-ups that find Ada."""


class AccountsContract:
    """Accounts: look-ups by address and username, known networks, and uniqueness."""

    @pytest.mark.parametrize(
        "account",
        [
            ada(),
            ada(mobile=None, mobile_verified=False, password_hash=None),
            ada(email=None, ever_verified=True, is_active=False, image="picture.webp"),
            ada(deletion_due_at=NOW + 1 / 3, recovery_addresses=(recovery(OLD_MAIL, NOW + 2 / 3, other=MOBILE),)),
            ada(recovery_addresses=(recovery(OLD_MAIL, other=OLD_MOBILE, other_verified=True), recovery(OLD_MOBILE, NOW + 60))),
            ada(is_staff=True, is_superuser=True, email_verified=True, username=Username("Žofie 🙂", "žofie 🙂")),
        ],
    )
    def test_account_is_read_as_it_was_stored(self, database: Database, account: Account) -> None:
        added = stored(database, account)
        assert added == replace(account, id=added.id)
        assert added.id > 0
        assert database.accounts.get(added.id) == added
        changed = replace(
            added,
            is_active=not added.is_active,
            ever_verified=not added.ever_verified,
            image="new.webp",
            name="N",
            recovery_addresses=added.recovery_addresses[1:],
            deletion_due_at=None if added.deletion_due_at else NOW + 7,
        )
        save_account(database, changed)
        assert database.accounts.get(added.id) == changed

    def test_accounts_are_found_by_their_addresses(self, database: Database) -> None:
        account = stored(database, ada())
        assert by_address(database, Address(AddressKind.EMAIL, "other spelling", MAIL.canonical)) == account
        assert by_address(database, MOBILE) == account
        assert by_address(database, Address(AddressKind.MOBILE, MAIL.text, MAIL.canonical)) is None
        assert by_address(database, bob().addresses[0]) is None

    def test_recovery_addresses_find_their_account_until_they_expire(self, database: Database) -> None:
        expiring, open_ended = recovery(OLD_MAIL, NOW + 60), recovery(OLD_MOBILE)
        account = stored(database, ada(recovery_addresses=(expiring, open_ended)))
        assert by_address(database, OLD_MAIL, NOW + 59) == account
        assert by_address(database, OLD_MAIL, NOW + 60) is None
        assert by_address(database, OLD_MOBILE, NOW + 10**9) == account
        assert by_address(database, Address(AddressKind.MOBILE, OLD_MAIL.text, OLD_MAIL.canonical)) is None
        save_account(database, replace(account, recovery_addresses=(expiring,)))
        assert by_address(database, OLD_MOBILE) is None

    def test_account_that_has_an_address_is_preferred_to_one_that_may_recover_it(self, database: Database) -> None:
        former = stored(database, ada(recovery_addresses=(recovery(bob().addresses[0]),)))
        assert by_address(database, bob().addresses[0]) == former
        owner = stored(database, bob())
        assert by_address(database, bob().addresses[0]) == owner

    @pytest.mark.parametrize("holder", HOLDERS)
    def test_network_is_known_for_thirty_days_after_a_session_began_there(
        self, database: Database, holder: Callable[[Database, str | None, float], Holder]
    ) -> None:
        account, other = stored(database, ada()), stored(database, bob())
        with database.begin() as tx:
            tx.sessions.add(session(account, 1, network=NETWORK), keep=100)
            tx.sessions.add(session(other, 2, network=ELSEWHERE), keep=100)
            tx.sessions.add(session(account, 3), keep=100)
        assert holder(database, NETWORK, NOW + KNOWN_NETWORK_SECONDS - 1) == Holder(account, True)
        assert holder(database, NETWORK, NOW + KNOWN_NETWORK_SECONDS + 1) == Holder(account, False)
        assert holder(database, ELSEWHERE, NOW) == Holder(account, False)
        assert holder(database, None, NOW) == Holder(account, False)
        save_session(database, session(account, 1, network=NETWORK).revoked(NOW))
        assert holder(database, NETWORK, NOW) == Holder(account, True), "an ended session counts too"
        with database.begin() as tx:
            tx.sessions.add(session(account, 4, NOW + 9, network=NETWORK), keep=100)
        assert holder(database, NETWORK, NOW + KNOWN_NETWORK_SECONDS + 1) == Holder(account, True)

    @pytest.mark.parametrize("holder", HOLDERS)
    def test_forgotten_networks_are_unknown_until_a_session_begins_there_again(
        self, database: Database, holder: Callable[[Database, str | None, float], Holder]
    ) -> None:
        account, other = stored(database, ada()), stored(database, bob())
        with database.begin() as tx:
            for number, network in enumerate((NETWORK, ELSEWHERE, NETWORK), 1):
                tx.sessions.add(session(account, number, network=network), keep=100)
            tx.sessions.add(session(other, 4, network=NETWORK), keep=100)
        forget_networks(database, account, NETWORK)
        assert [holder(database, network, NOW).knows_network for network in (NETWORK, ELSEWHERE)] == [True, False]
        forget_networks(database, account, None)
        assert not holder(database, NETWORK, NOW).knows_network
        assert database.accounts.holder(bob().addresses[0], NETWORK, NOW) == Holder(other, True)
        with database.begin() as tx:
            tx.sessions.add(session(account, 5, network=NETWORK), keep=100)
        assert holder(database, NETWORK, NOW).knows_network

    def test_unknown_identifier_has_no_holder_and_a_recovery_address_is_no_login(self, database: Database) -> None:
        account = stored(database, ada(recovery_addresses=(recovery(OLD_MAIL, NOW + 60),)))
        with database.begin() as tx:
            tx.sessions.add(session(account, 1, network=NETWORK), keep=100)
            assert tx.accounts.holder(MAIL, NETWORK, NOW) == Holder(account, True)
        accounts = database.accounts
        assert accounts.holder(OLD_MAIL, NETWORK, NOW) == Holder(account, True)
        assert accounts.holder(OLD_MAIL, NETWORK, NOW + 60) == Holder(None)
        assert accounts.holder(bob().addresses[0], NETWORK, NOW) == Holder(None)
        assert by_login(database, LoginIdentifier(OLD_MAIL, OLD_MAIL.canonical), NETWORK, NOW) == Holder(None)
        assert by_login(database, LoginIdentifier(None, "unknown"), NETWORK, NOW) == Holder(None)
        assert by_login(database, LoginIdentifier(None, "\ud800"), NETWORK, NOW) == Holder(None)

    def test_login_by_an_address_prefers_its_owner_and_the_networks_of_the_owner(self, database: Database) -> None:
        imported = stored(database, bob(username=Username(MAIL.canonical, MAIL.canonical)))
        owner = stored(database, ada())
        with database.begin() as tx:
            tx.sessions.add(session(imported, 1, network=NETWORK), keep=100)
            tx.sessions.add(session(owner, 2, network=ELSEWHERE), keep=100)
        assert by_login(database, LoginIdentifier(MAIL, MAIL.canonical), NETWORK, NOW) == Holder(owner, False)
        assert by_login(database, LoginIdentifier(MAIL, MAIL.canonical), ELSEWHERE, NOW) == Holder(owner, True)
        assert by_login(database, LoginIdentifier(None, MAIL.canonical), NETWORK, NOW) == Holder(imported, True)

    def test_holder_by_login_is_read_along_with_windows_and_that_of_the_holder(self, database: Database) -> None:
        imported = stored(database, bob(username=Username(MAIL.canonical, MAIL.canonical)))
        owner = stored(database, ada())
        texts = ["first", "other", "of:none", f"of:{imported.id}", f"of:{owner.id}"]
        with database.begin() as tx:
            tx.sessions.add(session(owner, 1, network=NETWORK), keep=100)
            tx.rate_limits.lock(texts)
            windows = {key: SlidingWindow(key, (NOW - at, NOW)) for at, key in enumerate(texts)}
            tx.rate_limits.save(windows.values(), NOW + 60)
        read, both = database.accounts.holder_by_login, LoginIdentifier(MAIL, MAIL.canonical)
        first, second = windows["first"], SlidingWindow("second")
        expected = Holder(owner, True), [first, second, windows[f"of:{owner.id}"]]
        assert read(both, NETWORK, NOW, KEYS, KEY_OF_HOLDER) == expected
        expected = Holder(imported, False), [first, windows[f"of:{imported.id}"]]
        assert read(LoginIdentifier(None, MAIL.canonical), NETWORK, NOW, KEYS[:1], KEY_OF_HOLDER) == expected
        unknown = LoginIdentifier(None, "unknown")
        assert read(unknown, NETWORK, NOW, KEYS, KEY_OF_HOLDER) == (Holder(None), [first, second, windows["of:none"]])
        assert read(unknown, NETWORK, NOW, (), KeyOfHolder("no:", "one")) == (Holder(None), [SlidingWindow("no:one")])

    def test_decoy_hash_is_that_of_an_account_which_the_number_chooses(self, database: Database) -> None:
        def decoys(numbers: Iterable[int]) -> list[str | None]:
            read, unknown = database.accounts.holder_by_login, LoginIdentifier(None, "unknown")
            return [read(unknown, None, NOW, (), KEY_OF_HOLDER, number)[0].decoy_hash for number in numbers]

        numbers = [*range(40), 2**62 - 1]
        assert set(decoys(numbers)) == {None}
        named = [bob(username=Username(f"bob{at}", f"bob{at}"), email=None, password_hash=f"hash {at}") for at in range(6)]
        for account in named[:4]:
            stored(database, account)
        before = decoys(numbers)
        assert set(before) == {f"hash {at}" for at in range(4)}
        assert decoys(numbers) == before
        stored(database, replace(named[4], password_hash=None))
        stored(database, named[5])
        after = decoys(numbers)
        assert set(after) == {f"hash {at}" for at in range(6) if at != 4}
        assert [two for one, two in zip(before, after, strict=True) if one != two].count("hash 5") > 0

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

    def test_accounts_are_listed_by_id_in_pages(self, database: Database) -> None:
        eve = bob(username=Username("eve", "eve"), email=None)
        first, second, third = (stored(database, one) for one in (ada(), bob(), eve))
        assert database.accounts.after(0, limit=10) == [first, second, third]
        assert database.accounts.after(first.id, limit=1) == [second]
        assert database.accounts.after(third.id, limit=1) == []
        with database.begin() as tx:
            assert tx.accounts.after(second.id, limit=10) == [third]

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
        assert database.accounts.taken_fields(rival.username, rival.addresses, NOW) == set(fields)

    def test_released_username_and_address_are_free(self, database: Database) -> None:
        account = stored(database, ada())
        save_account(database, replace(account, mobile=None, username=Username("new", "new")))
        assert by_address(database, MOBILE) is None
        assert database.accounts.taken_fields(account.username, account.addresses, NOW) == {"email"}
        assert stored(database, bob(username=account.username, mobile=MOBILE)).mobile == MOBILE

    def test_taken_fields_ignore_the_excluded_account(self, database: Database) -> None:
        account = stored(database, ada())
        other = stored(database, bob())
        taken = database.accounts.taken_fields
        assert taken(account.username, account.addresses, NOW, excluding=account.id) == set()
        assert taken(account.username, other.addresses, NOW, excluding=account.id) == {"email"}
        assert taken(account.username, [], NOW) == {"username"}
        assert taken(None, [MOBILE], NOW) == {"mobile"}
        assert taken(None, [], NOW) == set()

    def test_proved_address_is_free_where_it_is_unverified(self, database: Database) -> None:
        account = stored(database, ada(ever_verified=True, recovery_addresses=(recovery(OLD_MAIL),)))
        taken, both = database.accounts.taken_fields, [MAIL, MOBILE]
        assert taken(None, both, NOW) == {"email", "mobile"}
        assert taken(None, both, NOW, proved=both) == {"mobile"}, "the mobile is verified"
        assert taken(None, both, NOW, proved=[MOBILE]) == {"email", "mobile"}
        assert taken(None, [OLD_MAIL], NOW, proved=[OLD_MAIL]) == {"email"}, "a recovery address is its account's"
        save_account(database, replace(account, mobile_verified=False, ever_verified=False))
        assert taken(None, both, NOW, proved=both) == set()

    def test_recovery_address_is_taken_for_other_accounts_until_it_expires(self, database: Database) -> None:
        account = stored(database, ada(recovery_addresses=(recovery(OLD_MAIL, NOW + 60), recovery(OLD_MOBILE))))
        taken, both = database.accounts.taken_fields, [OLD_MAIL, OLD_MOBILE]
        assert taken(None, both, NOW) == {"email", "mobile"}
        assert taken(None, both, NOW + 60) == {"mobile"}
        assert taken(None, both, NOW, excluding=account.id) == set()
        save_account(database, replace(account, recovery_addresses=()))
        assert taken(None, both, NOW) == set()

    def test_username_of_an_account_is_taken_as_an_address(self, database: Database) -> None:
        stored(database, bob(username=Username(MAIL.canonical, MAIL.canonical)))
        by_mobile = stored(database, bob(username=Username(MOBILE.text, MOBILE.text), email=None, mobile=OLD_MOBILE))
        taken = database.accounts.taken_fields
        assert taken(None, [MAIL], NOW) == {"email"}
        assert taken(None, [MAIL], NOW, proved=[MAIL]) == {"email"}
        assert taken(None, [MOBILE], NOW) == {"mobile"}
        assert taken(None, [MOBILE], NOW, proved=[MOBILE]) == {"mobile"}
        assert taken(None, [MOBILE], NOW, excluding=by_mobile.id) == set()
        save_account(database, replace(by_mobile, mobile=MOBILE, mobile_verified=False))
        assert taken(None, [MOBILE], NOW, proved=[MOBILE]) == set(), "a username goes with the mobile that it is"


def by_address(database: Database, address: Address, now: float = NOW) -> Account | None:
    """Returns the account with the address; all look-ups must find the same."""
    found = database.accounts.by_address(address, now)
    assert database.accounts.holder(address, None, now) == Holder(found)
    with database.begin() as tx:
        assert tx.accounts.by_address(address, now) == tx.accounts.lock_by_address(address, now) == found
    return found
