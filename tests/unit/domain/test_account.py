from dataclasses import replace

import pytest

from vestibule.domain.account import Account, Address, AddressKind, Username

EMAIL = Address(AddressKind.EMAIL, "Ann@Mail.example.com", "ann@mail.example.com")
MOBILE = Address(AddressKind.MOBILE, "9999999999", "9999999999")
OTHER_EMAIL = Address(AddressKind.EMAIL, "ann@work.example.com", "ann@work.example.com")

FRESH = Account(username=Username("ann", "ann"), name="Ann", email=EMAIL, mobile=MOBILE, password_hash="a hash", created_at=1.0)
HELD = replace(FRESH, email_verified=True, owner_verified=True)
CLAIMED = replace(FRESH, email_verified=True, owner_verified=False)


def test_superuser_is_always_staff() -> None:
    assert replace(FRESH, is_superuser=True).is_staff
    assert replace(FRESH, is_staff=True).is_staff
    assert not FRESH.is_staff


def test_addresses_lists_email_and_mobile_if_present() -> None:
    assert FRESH.addresses == (EMAIL, MOBILE)
    assert replace(FRESH, mobile=None).addresses == (EMAIL,)
    assert replace(FRESH, email=None).addresses == (MOBILE,)


def test_addresses_are_compared_by_canonical_form() -> None:
    assert FRESH.has(replace(EMAIL, text="ANN@mail.example.com"))
    assert not FRESH.has(OTHER_EMAIL)
    assert not replace(FRESH, mobile=None).has(MOBILE)


def test_password_hash_is_left_out_of_repr() -> None:
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
def test_code_is_accepted_from_a_verified_address_or_from_any_if_none_is(
    account: Account, address: Address, opens: bool
) -> None:
    assert account.accepts_code_sent_to(address) is opens


def test_code_login_keeps_an_owner_verified_account() -> None:
    assert HELD.after_code_login(EMAIL) is HELD


@pytest.mark.parametrize("before", [FRESH, CLAIMED])
def test_first_code_login_clears_password_and_other_address(before: Account) -> None:
    after = before.after_code_login(EMAIL)

    assert after == replace(before, password_hash=None, mobile=None, email_verified=True, owner_verified=True)


def test_first_code_login_by_mobile_clears_the_email() -> None:
    after = FRESH.after_code_login(MOBILE)

    assert after == replace(FRESH, password_hash=None, email=None, mobile_verified=True, owner_verified=True)


def test_first_code_login_clears_an_address_verified_before_the_owner() -> None:
    """The creator of the account may have verified an address of their own in addition to the owner's."""
    both = CLAIMED.verified_by_session(MOBILE)

    assert both.mobile_verified
    assert not both.owner_verified
    assert both.after_code_login(EMAIL).addresses == (EMAIL,)
    assert both.after_code_login(MOBILE).addresses == (MOBILE,)


def test_first_address_verified_by_session_verifies_the_owner() -> None:
    assert FRESH.verified_by_session(EMAIL) == replace(FRESH, email_verified=True, owner_verified=True)
    assert FRESH.verified_by_session(MOBILE) == replace(FRESH, mobile_verified=True, owner_verified=True)
    assert CLAIMED.verified_by_session(EMAIL) == replace(CLAIMED, owner_verified=True)


def test_second_address_verified_by_session_keeps_the_owner_verified() -> None:
    assert HELD.verified_by_session(MOBILE) == replace(HELD, mobile_verified=True)


def test_verification_without_session_does_not_verify_the_owner() -> None:
    assert FRESH.verified_without_session(EMAIL) == CLAIMED
    assert replace(FRESH, owner_verified=True).verified_without_session(MOBILE) == replace(FRESH, mobile_verified=True)


def test_verification_without_session_of_a_second_address_changes_nothing() -> None:
    assert HELD.verified_without_session(MOBILE) is HELD
    assert CLAIMED.verified_without_session(MOBILE) is CLAIMED


def test_new_address_starts_unverified() -> None:
    assert HELD.with_address(AddressKind.EMAIL, OTHER_EMAIL) == replace(HELD, email=OTHER_EMAIL, email_verified=False)
    assert replace(HELD, mobile_verified=True).with_address(AddressKind.MOBILE, None) == replace(HELD, mobile=None)


def test_new_spelling_of_a_verified_address_stays_verified() -> None:
    spelled = replace(EMAIL, text="ann@mail.example.com")

    assert HELD.with_address(AddressKind.EMAIL, spelled) == replace(HELD, email=spelled)
