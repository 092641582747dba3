"""The account that an operator names."""

from dataclasses import replace
from functools import partial

import pytest
from tests.support.world import World, outcome

from vestibule.application import InvalidInput, NoSuchAccount, Operator

OPERATOR = Operator(name="command line (ada)")


@pytest.fixture
def world() -> World:
    world = World()
    world.create_account("ann", email="ann@mail.example.com", mobile="+4915112345678")
    return world


@pytest.mark.parametrize("text", ["1", " 1 ", "id:1", "ANN", "Ann@mail.example.com", "+49 1511 2345678"])
def test_account_is_found_by_id_username_email_and_mobile(world: World, text: str) -> None:
    assert world.identify_account(operator=OPERATOR, identifier=text).id == 1


@pytest.mark.parametrize("text", ["0", "01", "2", "id:2", "id:ann", "bob", "1" * 30])
def test_unknown_account_is_refused(world: World, text: str) -> None:
    assert isinstance(outcome(partial(world.identify_account, operator=OPERATOR, identifier=text)), NoSuchAccount)


@pytest.mark.parametrize("text", ["", " ", "\0"])
def test_impossible_text_is_refused(world: World, text: str) -> None:
    refusal = outcome(partial(world.identify_account, operator=OPERATOR, identifier=text))
    assert isinstance(refusal, InvalidInput)
    assert set(refusal.errors) == {"identifier"}


def test_number_that_two_accounts_have_is_refused_unless_it_is_written_as_an_id() -> None:
    numbers = World()
    for number in range(1, 3):
        numbers.create_account(f"user{number}", email=f"user{number}@mail.example.com")
    with numbers.database.begin() as tx:
        account = tx.accounts.lock(1)
        assert account is not None
        login = numbers.log_in.identifiers.login("2")
        tx.accounts.save(replace(account, username=replace(account.username, text="2", canonical=login.canonical_username)))
    refusal = outcome(partial(numbers.identify_account, operator=OPERATOR, identifier="2"))
    assert isinstance(refusal, InvalidInput)
    assert "id:2 or id:1" in refusal.errors["identifier"][0]
    assert numbers.identify_account(operator=OPERATOR, identifier="id:2").username.text == "user2"
    assert numbers.identify_account(operator=OPERATOR, identifier="id:1").username.text == "2"
