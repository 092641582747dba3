"""Accounts out of databases that fastapi-users itself has made."""

from pathlib import Path

import pytest
from tests.support.other_services.fastapi_users_project import fill_fastapi_users

from vestibule.adapters.account_sources import FastapiUsersSource
from vestibule.application.ports import ImportRecord

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/shop.db" if request.param == "sqlite" else str(request.getfixturevalue("new_postgres"))


@pytest.mark.parametrize("ids", ["integer", "uuid"])
def test_users_are_read_with_their_verified_marks(url: str, ids: str) -> None:
    passwords = fill_fastapi_users(url, ids)
    source = FastapiUsersSource(url)
    found = {str(one.email): one for one in source.records() if isinstance(one, ImportRecord)}
    assert found.keys() == passwords.keys()
    argon2, bcrypt = found["by.argon2@example.com"], found["by.bcrypt@example.com"]
    assert (argon2.username, bcrypt.username) == (None, None)
    assert (argon2.email_verified, bcrypt.email_verified) == (True, False)
    assert (argon2.is_superuser, bcrypt.is_superuser) == (False, True)
    assert str(argon2.password_hash).startswith("$argon2id$")
    assert str(bcrypt.password_hash).startswith("$2b$")
    assert [one.id for one in (argon2, bcrypt)] == ([1, 2] if ids == "integer" else [None, None])
    assert source.left_out() == ["1 logins by other services (oauth_account)"]
