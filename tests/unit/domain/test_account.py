from dataclasses import replace

import pytest

from vestibule.domain.account import Account, Address, AddressKind, Username

EMAIL = Address(AddressKind.EMAIL, "Ann@Mail.example.com", "ann@mail.example.com")
MOBILE = Address(AddressKind.MOBILE, "9999999999", "9999999999")
OTHER_EMAIL = Address(AddressKind.EMAIL, "ann@work.example.com", "ann@work.example.com")

FRESH = Account(username=Username("ann", "ann"), name="Ann", email=EMAIL, mobile=MOBILE, password_hash="a hash", created_at=1.0)
HELD = replace(FRESH, email_verified=True, owner_verified=True)
CLAIMED = replace(FRESH, email_verified=True, owner_verified=False)


def test_a_superuser_is_always_staff() -> None:
    assert replace(FRESH, is_superuser=True).is_staff
    assert replace(FRESH, is_staff=True).is_staff
    assert not FRESH.is_staff


def test_an_account_lists_the_addresses_it_has() -> None:
    assert FRESH.addresses == (EMAIL, MOBILE)
    assert replace(FRESH, mobile=None).addresses == (EMAIL,)
    assert replace(FRESH, email=None).addresses == (MOBILE,)


def test_an_address_is_told_by_its_key_not_by_its_spelling() -> None:
    assert FRESH.has(replace(EMAIL, text="ANN@mail.example.com"))
    assert not FRESH.has(OTHER_EMAIL)
    assert not replace(FRESH, mobile=None).has(MOBILE)


def test_a_password_hash_is_not_shown() -> None:
    assert "a hash" not in repr(FRESH)


@pytest.mark.parametrize(
    ("account", "address", "opens"),
    [
        (FRESH, EMAIL, True),
        (FRESH, MOBILE, True),
        (FRESH, OTHER_EMAIL, False),
        (HELD, EMAIL, True),
        (HELD, MOBILE, False),
        (CLAIMED, EMAIL, True),
        (CLAIMED, MOBILE, False),
        (replace(HELD, mobile_verified=True), MOBILE, True),
    ],
)
def test_a_code_opens_by_a_proven_address_or_by_any_where_none_is(account: Account, address: Address, opens: bool) -> None:
    assert account.accepts_code_from(address) is opens


def test_a_settled_account_is_entered_as_it_is() -> None:
    assert HELD.after_code_login(EMAIL) is HELD


@pytest.mark.parametrize("before", [FRESH, CLAIMED])
def test_the_first_code_clears_the_password_and_the_other_address_and_settles(before: Account) -> None:
    after = before.after_code_login(EMAIL)

    assert after == replace(before, password_hash=None, mobile=None, email_verified=True, owner_verified=True)


def test_a_first_code_by_mobile_clears_the_email() -> None:
    after = FRESH.after_code_login(MOBILE)

    assert after == replace(FRESH, password_hash=None, email=None, mobile_verified=True, owner_verified=True)


def test_an_address_that_an_unsettled_holder_proved_is_cleared_too() -> None:
    """Whoever made the account may have proven an address of their own beside the one that its owner proved."""
    both = CLAIMED.verified_by_session(MOBILE)

    assert both.mobile_verified
    assert not both.owner_verified
    assert both.after_code_login(EMAIL).addresses == (EMAIL,)
    assert both.after_code_login(MOBILE).addresses == (MOBILE,)


def test_the_holder_of_a_session_who_proves_the_first_address_settles_the_account() -> None:
    assert FRESH.verified_by_session(EMAIL) == replace(FRESH, email_verified=True, owner_verified=True)
    assert FRESH.verified_by_session(MOBILE) == replace(FRESH, mobile_verified=True, owner_verified=True)
    assert CLAIMED.verified_by_session(EMAIL) == replace(CLAIMED, owner_verified=True)


def test_the_holder_of_a_settled_account_proves_a_second_address_and_it_stays_settled() -> None:
    assert HELD.verified_by_session(MOBILE) == replace(HELD, mobile_verified=True)


def test_anyone_who_proves_an_address_of_an_unproven_account_leaves_it_unsettled() -> None:
    assert FRESH.verified_without_session(EMAIL) == CLAIMED
    assert replace(FRESH, owner_verified=True).verified_without_session(MOBILE) == replace(FRESH, mobile_verified=True)


def test_anyone_who_proves_an_address_beside_a_proven_one_changes_nothing() -> None:
    assert HELD.verified_without_session(MOBILE) is HELD
    assert CLAIMED.verified_without_session(MOBILE) is CLAIMED


def test_a_new_address_starts_unproven() -> None:
    assert HELD.with_address(AddressKind.EMAIL, OTHER_EMAIL) == replace(HELD, email=OTHER_EMAIL, email_verified=False)
    assert replace(HELD, mobile_verified=True).with_address(AddressKind.MOBILE, None) == replace(HELD, mobile=None)


def test_another_spelling_of_a_proven_address_stays_proven() -> None:
    spelled = replace(EMAIL, text="ann@mail.example.com")

    assert HELD.with_address(AddressKind.EMAIL, spelled) == replace(HELD, email=spelled)
