"""The bundled list of common passwords, and what the policy makes of it."""

import pytest

from vestibule.domain.errors import ErrorCode, FieldError
from vestibule.domain.password import PasswordPolicy, normalised
from vestibule.entrypoints.common_passwords import common_passwords


def test_more_than_ten_thousand_passwords_are_bundled() -> None:
    assert len(common_passwords()) > 10_000


def test_bundled_passwords_are_long_enough_and_normalised() -> None:
    for password in common_passwords():
        assert len(password) >= 8
        assert password == normalised(password).casefold()
        assert password == password.strip()
        assert password.isprintable()


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "password1",
        "12345678",
        "qwertyuiop",
        "iloveyou",
        "11111111",
        "PassWord",
        "Password123",
        "p@ssw0rd",
        "\uff50\uff41ssword",
    ],
)
def test_common_password_is_refused_in_any_case_and_width(password: str) -> None:
    [violation] = PasswordPolicy(common=common_passwords()).violations(password)
    assert violation == FieldError(ErrorCode.TOO_COMMON, "This password is among the most common ones.")


@pytest.mark.parametrize(
    "password", ["my_secret_password", "my_new_secret_password", "updated_password", "correct horse battery"]
)
def test_uncommon_password_is_accepted(password: str) -> None:
    assert PasswordPolicy(common=common_passwords()).violations(password) == []


def test_the_list_is_read_once() -> None:
    assert common_passwords() is common_passwords()
