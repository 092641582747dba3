"""What becomes of a username that was the mobile. The other rules are tested in the decision table of the use cases."""

import pytest

from vestibule.domain.account import Account, Address, AddressKind, Username
from vestibule.domain.ownership import without

MOBILE = Address(AddressKind.MOBILE, "09151 199999", "+919151199999")


def username_after_the_mobile_left(username: str) -> str:
    account = Account(id=7, username=Username(username, username), name="Ann", email=None, mobile=MOBILE, created_at=0.0)
    return without(account, AddressKind.MOBILE).username.text


@pytest.mark.parametrize("username", ["+919151199999", "09151 199999", "9151199999", "0091-9151-199999", "+919151199999-2"])
def test_username_that_is_the_mobile_in_any_spelling_goes_with_it(username: str) -> None:
    assert username_after_the_mobile_left(username) == "user-7"


@pytest.mark.parametrize("username", ["ann", "ann9151199999", "99999", "+919151199998", "+919151199999-x"])
def test_other_username_stays(username: str) -> None:
    assert username_after_the_mobile_left(username) == username
