"""Deletion of an account by its owner."""

from sqlalchemy import select
from tests.parity.conftest import Open
from tests.support.account_builders import (
    ANN,
    MOBILE,
    OTHER_REGISTRATION,
    REGISTRATION,
    logged_in,
    notices,
    proof,
    taken,
    tokens,
)
from tests.support.interfaces import Interface, Refused
from tests.support.world import OTHER_PASSWORD, PASSWORD, PNG, World

from vestibule.adapters.database.schema import metadata, rate_limits
from vestibule.application import EventType

DAY = 86_400
INVALID_TOKEN = Refused("invalid-token")


def test_deletion_needs_a_token(interface: Interface) -> None:
    assert interface.delete(None) == Refused("not-authenticated")
    assert interface.delete("nonsense") == INVALID_TOKEN


def test_deleted_account_waits_a_week_without_sessions(interface: Interface, world: World) -> None:
    own = logged_in(interface)
    deleted_at = interface.delete(own.token)
    assert deleted_at == int(world.clock()) + 7 * DAY
    assert interface.account(own.token) == interface.delete(own.token) == INVALID_TOKEN
    assert interface.refresh(refresh=own.refresh_token) == Refused("invalid-refresh-token")
    assert interface.register(**REGISTRATION) == Refused("already-taken", frozenset({"username", "email", "mobile"}))
    world.clock.advance(7 * DAY)
    assert world.delete_due_accounts() == 1
    assert interface.log_in(username="ann", password=PASSWORD) == Refused("invalid-credentials")
    assert interface.register(**REGISTRATION)["id"] == 2


def test_login_within_the_week_keeps_the_account(interface: Interface, world: World) -> None:
    own = logged_in(interface)
    before = interface.account(own.token)
    interface.delete(own.token)
    world.clock.advance(7 * DAY - 1)
    again = tokens(interface)
    world.clock.advance(DAY)
    assert world.delete_due_accounts() == 0
    assert interface.account(interface.refresh(refresh=again.refresh_token).token) == before


def test_verified_addresses_stay_the_accounts_own_until_it_is_deleted(interface: Interface, world: World) -> None:
    own = logged_in(interface)
    proof(interface, ANN, own.token)
    interface.delete(own.token)
    eve = OTHER_REGISTRATION | {"email": ANN, "mobile": MOBILE}
    proofs = [proof(interface, address) for address in (ANN, MOBILE)]
    assert interface.register(**eve, proofs=proofs) == taken("email"), "the unverified mobile holds nothing"
    world.clock.advance(7 * DAY)
    world.delete_due_accounts()
    assert interface.register(**eve, proofs=[proof(interface, address) for address in (ANN, MOBILE)])["email_verified"]


def test_owner_is_notified_when_the_deletion_is_requested_and_when_it_is_done(interface: Interface, world: World) -> None:
    own = logged_in(interface)
    proof(interface, ANN, own.token)
    interface.delete(own.token)
    assert notices(world, ANN) == ["deletion_scheduled"]
    assert world.events(EventType.ACCOUNT_DELETED) == []
    world.clock.advance(7 * DAY)
    world.delete_due_accounts()
    assert notices(world, ANN) == ["deletion_scheduled", "account_deleted"]
    assert [event.account_id for event in world.events(EventType.ACCOUNT_DELETED)] == [1]


def test_login_that_keeps_the_account_says_so_and_is_notified(interface: Interface, world: World) -> None:
    own = logged_in(interface)
    proof(interface, ANN, own.token)
    interface.delete(own.token)
    assert (tokens(interface).deletion_cancelled, tokens(interface).deletion_cancelled) == (True, False)
    assert notices(world, ANN) == ["deletion_scheduled", "deletion_cancelled"]


def test_account_is_deleted_at_once_by_setting(open_interface: Open) -> None:
    interface = open_interface(deletion_days=0)
    own = logged_in(interface)
    assert interface.delete(own.token) == int(interface.world.clock())
    assert interface.account(own.token) == INVALID_TOKEN
    assert interface.register(**REGISTRATION)["id"] == 2


NETWORK, AGENT = "203.0.113.99", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
PERSONAL = (ANN, "ann.second@mail.example.com", "Ann Person", "Ann Renamed", MOBILE, NETWORK, AGENT)


def rows_with_personal_data(world: World) -> list[str]:
    """Returns every row of the database in which something of Ann is left.

    Limits of a network belong to that network, and events of no account to none, such as the sending of a code.
    """
    found = []
    for table in metadata.sorted_tables:
        for row in world.database._sql.query(select(table)):  # type: ignore[attr-defined]  # noqa: SLF001 — no port reads all
            cells = dict(zip(table.columns.keys(), row, strict=True))
            words = PERSONAL[:-2] if table is rate_limits or cells.get("account_id", 0) is None else PERSONAL
            if cells.get("username") == "ann" or any(word in str(row) for word in words):
                found.append(f"{table.name}: {cells}")
    return found


def test_nothing_of_a_deleted_account_is_left_but_the_last_notice(interface: Interface, world: World) -> None:
    interface.register(**OTHER_REGISTRATION)
    interface.address, interface.agent = NETWORK, AGENT
    own = logged_in(interface).token
    for address in (ANN, MOBILE):
        proof(interface, address, own)
    interface.upload(own, PNG)
    interface.log_in(username="ann", password=OTHER_PASSWORD)
    own = tokens(interface).token
    assert isinstance(interface.change(own, email="ann.second@mail.example.com", name="Ann Renamed"), dict)
    proof(interface, "ann.second@mail.example.com", own)
    assert isinstance(interface.delete(own), int)
    world.clock.advance(7 * DAY - 90)
    world.messages_to(ANN)
    for destination in (MOBILE, ANN, "ann.second@mail.example.com"):
        interface.send(destination=destination)
    assert len(rows_with_personal_data(world)) > 10
    world.clock.advance(90)
    assert world.delete_due_accounts() == 1
    [notice] = [message for message in world.messages if message.account_id == 2]
    [row] = rows_with_personal_data(world)
    assert row.startswith("outbox: ")
    assert notice.values["what"] == "account_deleted"
    assert world.messages_to(notice.recipient or "")[-1].id == notice.id
    assert rows_with_personal_data(world) == []
    kept = [event for event in world.events() if event.account_id == 2]
    assert len(kept) > 5
    assert kept[-1].type is EventType.ACCOUNT_DELETED
