"""The search for accounts, and the pages of events and messages."""

import base64
import json
from functools import partial
from typing import Any

import pytest
from tests.support.world import World, outcome

from vestibule.application import Account, AccountPage, Caller, EventType, InvalidInput, Operator, Suspension, search
from vestibule.application.event_pages import SPAN
from vestibule.application.search import account_state
from vestibule.domain.texts import search_words

OPERATOR = Operator(name="command line (ada)")
DAY = 86_400.0


@pytest.fixture
def world() -> World:
    return World()


def found(world: World, query: str | None = None, **more: Any) -> list[str]:
    """The usernames of all pages."""
    names, cursor = list[str](), None
    while True:
        page = world.find_accounts(operator=OPERATOR, query=query, cursor=cursor, **more)
        names += [account.username.text for account in page.accounts]
        cursor = page.cursor
        if cursor is None:
            return names


# --- queries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("ann", ["ann", "annie", "eve"]),
        (" ANN ", ["ann", "annie", "eve"]),
        ("ann@", ["ann"]),
        ("Ann@Mail.example.com", ["ann"]),
        ("anni", ["annie"]),
        ("lov", ["ann"]),
        ("Lövel", ["ann"]),
        ("love ada", ["ann"]),
        ("love bob", []),
        ("o'bri", ["annie"]),
        ("obrien", ["annie"]),
        ("99999", ["ann"]),
        ("+49 151", ["annie"]),
        ("0049151", ["annie"]),
        ("49151", ["annie"]),
        ("+49 151 12345678", ["annie"]),
        ("zoe", []),
        ("%", []),
        ("_", []),
    ],
)
def test_accounts_are_found_by_the_beginning_of_names_and_addresses(world: World, query: str, expected: list[str]) -> None:
    world.create_account("ann", name="Ada Lovelace", mobile="9999999991")
    world.create_account("annie", name="Séan O’Brien", mobile="+4915112345678")
    world.create_account("eve", name="Eve Annabel Anne")
    assert found(world, query) == expected


def test_account_is_found_by_its_address_for_recovery(world: World) -> None:
    world.create_account("ann", mobile="9999999991")
    identity = world.log_in_as("ann")
    for address in ("ann@mail.example.com", "9999999991"):
        world.verify_address(address, identity)
    world.change_account(identity=identity, email="new@work.example.com", mobile="8888888888")
    world.change_account(identity=identity, username="other")
    assert found(world, "ann@mail") == ["other"]
    assert found(world, "999999") == ["other"]


def test_words_follow_the_name(world: World) -> None:
    world.create_account("ann", name="Ada Lovelace")
    world.change_account(identity=world.log_in_as("ann"), name="Ada Byron Ada")
    assert found(world, "byron") == found(world, "ada") == ["ann"]
    assert found(world, "lovelace") == []


def test_words_are_folded_and_bounded() -> None:
    assert search_words("Ørsted Straße Łódź ANN’S naïve — कमल") == ("orsted", "strasse", "lodz", "anns", "naive", "कमल")
    assert search_words(" ".join(map(str, range(20)))) == tuple(map(str, range(12)))
    assert search_words("x" * 99) == ("x" * 40,)
    assert search_words("--") == ()


# --- filters ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def crowd(world: World) -> World:
    """Accounts of every state, a day apart; a suspension is over, another is not."""
    accounts = dict[str, Account]()
    for name in ("ann", "bob", "eve", "joe", "kim", "lea"):
        accounts[name] = world.create_account(name)
        world.clock.advance(DAY)
    for name, seconds in (("bob", 1.0), ("eve", 9 * DAY), ("joe", None)):
        until = None if seconds is None else world.clock() + seconds
        world.suspend_account(operator=OPERATOR, account_id=accounts[name].id, reason="spam", until=until)
    world.set_active(identifier="kim", active=False)
    world.verify_address("lea@mail.example.com", world.log_in_as("lea"))
    world.delete_account(identity=world.log_in_as("lea"))
    world.alter(accounts["ann"], is_staff=True)
    world.clock.advance(1)
    return world


@pytest.mark.parametrize("query", [None, "some"])
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"state": "active"}, ["ann", "bob"]),
        ({"state": "suspended"}, ["eve", "joe"]),
        ({"state": "deactivated"}, ["kim"]),
        ({"state": "deletion_scheduled"}, ["lea"]),
        ({"staff": True}, ["ann"]),
        ({"staff": False}, ["bob", "eve", "joe", "kim", "lea"]),
        ({"verified": True}, ["lea"]),
        ({"verified": False}, ["ann", "bob", "eve", "joe", "kim"]),
        ({"staff": True, "verified": False, "state": "active"}, ["ann"]),
        ({"staff": True, "state": "suspended"}, []),
    ],
)
def test_filters(crowd: World, query: str | None, filters: dict[str, Any], expected: list[str]) -> None:
    names = found(crowd, query, limit=2, **filters)
    assert sorted(names) == expected
    if query is None:
        assert names == expected[::-1]


@pytest.mark.parametrize("query", [None, "some"])
def test_range_of_creation(world: World, query: str | None) -> None:
    created = {}
    for name in ("ann", "bob", "eve"):
        created[name] = world.create_account(name).created_at
        world.clock.advance(DAY)
    ranged = found(world, query, created_from=created["bob"], created_until=created["eve"])
    assert ranged == ["bob"]
    assert sorted(found(world, query, created_from=created["bob"])) == ["bob", "eve"]
    assert sorted(found(world, query, created_until=created["bob"])) == ["ann"]


@pytest.mark.parametrize("query", [None, "some"])
def test_range_of_the_last_login(world: World, query: str | None) -> None:
    logins = {}
    for name in ("ann", "bob", "eve", "joe"):
        world.create_account(name)
    for name in ("eve", "ann", "bob", "ann"):
        logins[name] = world.clock()
        world.log_in_as(name)
        world.clock.advance(DAY)
    assert sorted(found(world, query, logged_in_from=logins["bob"], limit=1)) == ["ann", "bob"]
    assert found(world, query, logged_in_from=logins["bob"], logged_in_until=logins["ann"]) == ["bob"]
    assert sorted(found(world, query, logged_in_until=logins["bob"])) == ["eve", "joe"]
    if query is None:
        assert found(world, logged_in_from=1.0, limit=1) == ["ann", "bob", "eve"]


# --- pages ------------------------------------------------------------------------------------------------------------


def test_pages_are_stable_while_accounts_come_and_go(world: World) -> None:
    accounts = [world.create_account(f"ann{number}", name=f"Annika {number}") for number in range(6)]
    for query in (None, "ann", "annik"):
        first = world.find_accounts(operator=OPERATOR, query=query, limit=3)
        last = first.accounts[-1]
        world.remove_account(operator=OPERATOR, account_id=last.id)
        newer = world.create_account(f"aaa{last.id}", name="Annika New")
        rest = world.find_accounts(operator=OPERATOR, query=query, limit=9, cursor=first.cursor)
        ids = [account.id for account in rest.accounts]
        assert not {account.id for account in first.accounts}.intersection(ids)
        alive = {account.id for account in accounts if world.database.accounts.get(account.id)}
        assert alive <= {account.id for account in first.accounts}.union(ids)
        world.remove_account(operator=OPERATOR, account_id=newer.id)


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_each_account_comes_once_whatever_the_size_of_pages(world: World, limit: int) -> None:
    for number in range(7):
        world.create_account(f"ann{number}", name="Anna Annabel Ann", mobile=f"999999999{number}")
    assert sorted(found(world, "ann", limit=limit)) == [f"ann{number}" for number in range(7)]
    assert sorted(found(world, limit=limit)) == [f"ann{number}" for number in range(7)]


def test_page_reads_a_bounded_number_of_candidates(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "CANDIDATES", 4)
    for number in range(10):
        world.create_account(f"ann{number}")
    page = world.find_accounts(operator=OPERATOR, query="ann", staff=True)
    assert (list(page.accounts), page.cursor is None) == ([], False)
    assert found(world, staff=False) == [f"ann{number}" for number in reversed(range(10))]
    assert sorted(found(world, "ann", state="active")) == [f"ann{number}" for number in range(10)]


def cursor(*values: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


@pytest.mark.parametrize(
    "given",
    [
        "x", "é", "!!", cursor(), cursor(0, 1.0), cursor(0, "a", 1), cursor(9, 1.0, 1), cursor(-1, 1.0, 1), cursor(0, 1.0, "1"),
        cursor(0, 1, 1), cursor(True, 1.0, 1), cursor(0, float("nan"), 1), cursor(0, "\0", 1), cursor(0, None, 1), 7,
    ],
)  # fmt: skip
def test_foreign_cursor_is_refused(world: World, given: Any) -> None:
    world.create_account("ann")
    for query in (None, "ann") if given != cursor(0, "a", 1) else (None,):
        refused = outcome(partial(world.find_accounts, operator=OPERATOR, query=query, cursor=given))
        assert isinstance(refused, InvalidInput)
        assert set(refused.errors) == {"cursor"}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"query": "x" * 255}, "query"), ({"query": "\0"}, "query"), ({"state": "gone"}, "state"), ({"staff": "yes"}, "staff"),
        ({"verified": 1}, "verified"), ({"created_from": "now"}, "created_from"), ({"created_until": True}, "created_until"),
        ({"logged_in_from": float("nan")}, "logged_in_from"), ({"logged_in_until": []}, "logged_in_until"),
        ({"limit": 0}, "limit"), ({"limit": 101}, "limit"), ({"limit": "9"}, "limit"), ({"limit": True}, "limit"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(world: World, given: dict[str, Any], field: str) -> None:
    refused = outcome(lambda: world.find_accounts(operator=OPERATOR, **given))
    assert isinstance(refused, InvalidInput)
    assert set(refused.errors) == {field}


def test_no_accounts_are_an_empty_page(world: World) -> None:
    assert world.find_accounts(operator=OPERATOR) == AccountPage([], None)


# --- events, messages, summary ----------------------------------------------------------------------------------------


def test_events_come_from_the_newest_page_by_page(world: World) -> None:
    for name in ("ann", "bob", "eve"):
        world.create_account(name)
    first = world.find_events(operator=OPERATOR, limit=2)
    assert [event.account_id for _, event in first.events] == [3, 2]
    second = world.find_events(operator=OPERATOR, limit=2, cursor=first.cursor)
    assert ([event.account_id for _, event in second.events], second.cursor) == ([1], None)
    of_bob = world.find_events(operator=OPERATOR, account_id=2, type=EventType.REGISTERED)
    assert ([event.account_id for _, event in of_bob.events], of_bob.cursor) == ([2], None)


def test_page_of_events_looks_at_a_bounded_number(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SPAN > 1000
    monkeypatch.setattr("vestibule.application.event_pages.SPAN", 2)
    for name in ("ann", "bob", "eve", "joe", "kim"):
        world.create_account(name)
    cursor, pages = None, []
    while True:
        page = world.find_events(operator=OPERATOR, since=0.0, cursor=cursor)
        pages.append([event.account_id for _, event in page.events])
        cursor = page.cursor
        if cursor is None:
            break
    assert pages == [[5, 4], [3, 2], [1]]


@pytest.mark.parametrize("given", [{"cursor": -1}, {"cursor": "x"}, {"limit": 101}])
def test_bad_arguments_of_pages_are_refused(world: World, given: dict[str, Any]) -> None:
    assert isinstance(outcome(lambda: world.find_events(operator=OPERATOR, **given)), InvalidInput)
    assert isinstance(outcome(lambda: world.find_messages(operator=OPERATOR, **given)), InvalidInput)


def test_bad_filters_of_events_are_named_all_at_once(world: World) -> None:
    given: dict[str, Any] = {"account_id": 0, "type": "lunch", "ip_address": 7, "since": "today", "until": -1.0}
    refusal = outcome(lambda: world.find_events(operator=OPERATOR, **given))
    assert isinstance(refusal, InvalidInput)
    assert set(refusal.errors) == set(given)


def test_events_are_found_by_the_network_of_an_address(world: World) -> None:
    caller = Caller("2001:db8:1:2::7")
    world.create_account("ann")
    outcome(lambda: world.log_in(username="ann", password="wrong", caller=caller))
    found = world.find_events(operator=OPERATOR, ip_address="2001:db8:1:2::9")
    assert [event.type for _, event in found.events] == [EventType.LOGIN_FAILED]


def test_messages_come_page_by_page(world: World) -> None:
    for name in ("ann", "bob", "eve"):
        world.request_code(destination=f"{name}@mail.example.com")
    first = world.find_messages(operator=OPERATOR, limit=2)
    second = world.find_messages(operator=OPERATOR, limit=2, cursor=first.cursor)
    recipients = [entry.message.recipient for entry in (*first.entries, *second.entries)]
    assert recipients == [f"{name}@mail.example.com" for name in ("ann", "bob", "eve")]
    assert second.cursor is None
    assert world.find_messages(operator=OPERATOR, failed=True).entries == []


def test_summary_counts_by_day(world: World) -> None:
    world.create_account("ann")
    world.log_in_as("ann")
    world.clock.advance(DAY)
    world.create_account("bob")
    outcome(lambda: world.log_in_as("bob", "wrong"))
    world.request_code(destination="ann@mail.example.com")
    summary = world.summarize(operator=OPERATOR)
    assert summary.accounts == 2
    assert [tuple(day)[1:] for day in summary.days] == [(1, 0, 1), (1, 1, 0), *[(0, 0, 0)] * 5]
    assert [day.begins_at % DAY for day in summary.days] == [0.0] * 7
    assert (summary.outbox[0].channel.value, *summary.outbox[0][1:3]) == ("email", 1, world.clock())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "active"),
        ({"is_active": False}, "deactivated"),
        ({"is_active": False, "suspension": Suspension(since=0.0, until=None, reason="spam")}, "suspended"),
        ({"is_active": False, "suspension": Suspension(since=0.0, until=1.0, reason="spam")}, "active"),
        ({"deletion_due_at": 4_000_000_000.0}, "deletion_scheduled"),
        ({"deletion_due_at": 4_000_000_000.0, "is_active": False}, "deactivated"),
    ],
)
def test_state_of_an_account_is_one_by_which_it_is_found(world: World, fields: dict[str, Any], expected: str) -> None:
    account = world.alter(world.create_account("ann"), **fields)
    assert account_state(account, world.clock()) == expected
    assert found(world, "ann", state=expected) == ["ann"]
