"""Accounts that were imported, through both interfaces."""

from typing import Any

import pytest
from tests.support.account_builders import REGISTRATION
from tests.support.imports import row, run_import
from tests.support.interfaces import Interface, Refused, Tokens
from tests.support.world import PASSWORD, World, concurrently


@pytest.mark.parametrize("name", ["Ada", "aDA", "ada@mail.example.com", "+49 171 1234567"])
def test_imported_account_logs_in_by_each_of_its_names(interface: Interface, world: World, name: str) -> None:
    secret = world.hasher.hash(PASSWORD)
    record = row(1, "Ada", id=4711, email="Ada@mail.example.com", mobile="+491711234567", password_hash=secret)
    run_import(world, record)
    tokens = interface.log_in(username=name, password=PASSWORD)
    assert isinstance(tokens, Tokens)
    account = interface.account(tokens.token)
    assert (account["id"], account["username"], account["has_password"]) == (4711, "Ada", True)


@pytest.mark.parametrize("name", ["admin", "two words", "9999999999", "user@nowhere"])
def test_username_that_no_registration_could_have_logs_in(interface: Interface, world: World, name: str) -> None:
    run_import(world, row(1, name, password_hash=world.hasher.hash(PASSWORD)))
    assert isinstance(interface.log_in(username=name, password=PASSWORD), Tokens)


def test_account_without_a_password_logs_in_by_a_code(interface: Interface, world: World) -> None:
    run_import(world, row(1, "ada", email="ada@mail.example.com", email_verified=True, password_hash="!" + 40 * "a"))
    assert interface.log_in(username="ada", password=PASSWORD) == Refused("invalid-credentials")
    interface.send(destination="ada@mail.example.com", is_login=True)
    tokens = interface.log_in_by_code(destination="ada@mail.example.com", verify_otp=world.code_for("ada@mail.example.com"))
    assert isinstance(tokens, Tokens)
    assert tokens.cleared == ()


def test_names_of_imported_accounts_are_taken(interface: Interface, world: World) -> None:
    run_import(world, row(1, "ada", email="ada@mail.example.com", mobile="+491711234567"))
    for prop, value in (("username", "ADA"), ("email", "ADA@mail.example.com"), ("mobile", "+49 171 1234567")):
        assert interface.is_unique(prop=prop, value=value) is False


def test_registrations_during_an_import_and_its_rows_share_no_name(interface: Interface, world: World) -> None:
    records = [row(number, f"user{number}x") for number in range(400)]
    names = [record.username for record in records[::50]]
    others: list[dict[str, Any]] = [
        {**REGISTRATION, "username": name, "email": f"{name}@example.com", "mobile": None} for name in names
    ]
    calls = [lambda fields=fields: interface.register(**fields) for fields in others]
    reports, *registered = concurrently([lambda: run_import(world, *records), *calls])
    won = sum(isinstance(one, dict) for one in registered)
    assert {one.outcome.value for one in reports} == {"imported"}
    assert sum(one.username != record.username for one, record in zip(reports, records, strict=True)) == won
    assert world.database.accounts.count() == len(records) + won
