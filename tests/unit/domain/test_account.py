from dataclasses import replace

from vestibule.domain.account import Account, Address, AddressKind, RecoveryAddress, Username

EMAIL = Address(AddressKind.EMAIL, "Ann@Mail.example.com", "ann@mail.example.com")
MOBILE = Address(AddressKind.MOBILE, "99999 99999", "9999999999")
OTHER_EMAIL = Address(AddressKind.EMAIL, "ann@work.example.com", "ann@work.example.com")

ANN = Account(username=Username("ann", "ann"), name="Ann", email=EMAIL, mobile=MOBILE, password_hash="a hash", created_at=1.0)


def test_superuser_is_always_staff() -> None:
    assert replace(ANN, is_superuser=True).is_staff
    assert replace(ANN, is_staff=True).is_staff
    assert not ANN.is_staff


def test_addresses_lists_email_and_mobile_if_present() -> None:
    assert ANN.addresses == (EMAIL, MOBILE)
    assert replace(ANN, mobile=None).addresses == (EMAIL,)
    assert replace(ANN, email=None).addresses == (MOBILE,)


def test_addresses_are_compared_by_canonical_form() -> None:
    assert ANN.has(replace(EMAIL, text="ANN@mail.example.com"))
    assert not ANN.has(OTHER_EMAIL)
    assert not replace(ANN, mobile=None).has(MOBILE)


def test_address_is_verified_by_itself() -> None:
    verified = replace(ANN, email_verified=True)

    assert verified.has_verified(EMAIL)
    assert not verified.has_verified(MOBILE)
    assert not verified.has_verified(OTHER_EMAIL)


def test_recovery_address_is_found_by_its_kind() -> None:
    kept = RecoveryAddress(address=OTHER_EMAIL, replaced_at=1.0, expires_at=None)
    account = replace(ANN, recovery_addresses=(kept,))

    assert account.recovery_address(AddressKind.EMAIL) is kept
    assert account.recovery_address(AddressKind.MOBILE) is None


def test_messages_go_to_an_email_as_written_and_to_a_mobile_without_separators() -> None:
    assert EMAIL.recipient == "Ann@Mail.example.com"
    assert MOBILE.recipient == "9999999999"


def test_password_hash_is_left_out_of_repr() -> None:
    assert "a hash" not in repr(ANN)
