"""Builders of the rows that the tests of a database add."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ....application.ports import AuditQuery, Channel, Database, Message, OutboxEntry
from ....domain.account import Account, Address, AddressKind, Username
from ....domain.code import Challenge, CodePurpose
from ....domain.events import Event, EventType
from ....domain.session import Session

NOW = 1_750_000_000.25
MAIL = Address(AddressKind.EMAIL, "Ada@Example.org", "ada@example.org")
MOBILE = Address(AddressKind.MOBILE, "0171 1234567", "+491711234567")


def ada(**changed: Any) -> Account:
    full = Account(
        username=Username("Ada", "ada"),
        name="Ada Lovelace",
        email=MAIL,
        mobile=MOBILE,
        mobile_verified=True,
        password_hash="$argon2id$…",
        created_at=NOW,
    )
    return replace(full, **changed)


def bob(**changed: Any) -> Account:
    other = Address(AddressKind.EMAIL, "bob@example.org", "bob@example.org")
    return replace(ada(username=Username("bob", "bob"), email=other, mobile=None, mobile_verified=False), **changed)


def stored(database: Database, account: Account) -> Account:
    with database.begin() as tx:
        return tx.accounts.add(account)


def session(account: Account, number: int, created_at: float = NOW) -> Session:
    return Session(id=f"session-{number:03}", account_id=account.id, created_at=created_at, refreshed_at=created_at)


def logged_in(database: Database, account: Account, number: int = 1, created_at: float = NOW) -> Session:
    begun = session(account, number, created_at)
    with database.begin() as tx:
        tx.sessions.add(begun, keep=100)
    return begun


def challenge(number: int, **changed: Any) -> Challenge:
    sent = Challenge(
        id=f"challenge-{number}", purpose=CodePurpose.OTP, address=MAIL, reference="7QX2", sent_at=NOW, expires_at=NOW + 300
    )
    return replace(sent, **changed)


def put(database: Database, *challenges: Challenge) -> None:
    with database.begin() as tx:
        for one in challenges:
            tx.challenges.put(one)


def locked(database: Database, purpose: CodePurpose, *addresses: Address, on_behalf_of: str | None = None) -> list[Challenge]:
    with database.begin() as tx:
        return list(tx.challenges.lock(purpose, addresses, on_behalf_of=on_behalf_of))


def message(number: int, **changed: Any) -> Message:
    waiting = Message(
        id=f"message-{number}",
        channel=Channel.EMAIL,
        recipient=MAIL.text,
        template="code",
        challenge=("challenge-1", CodePurpose.OTP, MAIL.canonical),
        values={"reference": "7QX2"},
        not_before=NOW,
        expires_at=NOW + 300,
    )
    return replace(waiting, **changed)


def post(database: Database, *messages: Message) -> None:
    with database.begin() as tx:
        for one in messages:
            tx.outbox.add(one)


def lease(database: Database, now: float, limit: int = 10) -> list[Message]:
    with database.begin() as tx:
        return list(tx.outbox.lease(now, seconds=60, limit=limit))


def names(found: Sequence[OutboxEntry]) -> list[str]:
    return [one.message.id for one in found]


def with_events(database: Database, *accounts: int, at: float = NOW) -> None:
    with database.begin() as tx:
        for account_id in accounts:
            tx.audit_log.add(Event(type=EventType.REGISTERED, occurred_at=at, account_id=account_id))


def read_in_order(database: Database, after: int = 0, *, now: float = NOW, limit: int = 9) -> list[int | None]:
    return [event.account_id for _, event in database.audit_log.read_stable_after(after, now, limit=limit)]


def dead(database: Database) -> list[tuple[str, str | None]]:
    """The failed messages, each with its reason."""
    return [(one.message.id, one.failure_reason) for one in database.outbox.find(failed=True, after=0, limit=99)]


def events(database: Database) -> list[Event]:
    """All events in the audit log."""
    return [event for _, event in database.audit_log.find(AuditQuery(), limit=99)]
