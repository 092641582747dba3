"""Builders of the rows that the tests of a database add."""

from dataclasses import replace
from typing import Any

from ....application.ports import AuditQuery, Channel, Database, Message
from ....domain.account import Account, Address, AddressKind, RecoveryAddress, Username
from ....domain.code import Challenge, CodePurpose
from ....domain.events import Event, EventType
from ....domain.session import DEFAULT_LIFETIME, Session

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


def recovery(address: Address, expires_at: float | None = None, **changed: Any) -> RecoveryAddress:
    return RecoveryAddress(address=address, replaced_at=NOW - 1 / 3, expires_at=expires_at, **changed)


def stored(database: Database, account: Account) -> Account:
    with database.begin() as tx:
        return tx.accounts.add(account)


def save_account(database: Database, account: Account) -> None:
    with database.begin() as tx:
        tx.accounts.lock(account.id)
        tx.accounts.save(account)


def session(account: Account, number: int, created_at: float = NOW, **changed: Any) -> Session:
    active_session = Session(
        id=f"session-{number}",
        account_id=account.id,
        created_at=created_at,
        refreshed_at=created_at,
        expires_at=DEFAULT_LIFETIME.end_of(created_at, created_at),
    )
    return replace(active_session, **changed)


def logged_in(database: Database, account: Account, number: int = 1, created_at: float = NOW, *, keep: int = 100) -> Session:
    added = session(account, number, created_at)
    with database.begin() as tx:
        tx.sessions.add(added, keep=keep)
    return added


def save_session(database: Database, changed: Session) -> None:
    with database.begin() as tx:
        tx.sessions.lock(changed.id)
        tx.sessions.save(changed)


def forget_networks(database: Database, account: Account, except_network: str | None) -> None:
    with database.begin() as tx:
        tx.sessions.forget_networks(account.id, except_network=except_network)


def read_session(database: Database, session_id: str) -> Session | None:
    with database.begin() as tx:
        return tx.sessions.lock(session_id)


def identified(database: Database, account_id: int, session_id: str, now: float = NOW) -> Account | None:
    """Returns the account of an active session; all look-ups must find the same."""
    found = database.accounts.by_active_session(account_id, session_id, now)
    assert database.accounts.by_active_sessions([(account_id, session_id)], now) == [found]
    account = found and found[0]
    with database.begin() as tx:
        assert tx.accounts.lock_by_active_session(account_id, session_id, lambda: now) == account
    return account


def active(database: Database, account: Account, now: float = NOW) -> list[int]:
    """Returns the numbers of the account's active sessions; all look-ups must find the same."""
    ids = [f"session-{number}" for number in range(1, 10)]
    found = database.accounts.by_active_sessions([(account.id, one) for one in ids], now)
    assert sorted(one.id for one in database.sessions.active(account.id, now)) == [
        one for one, owner in zip(ids, found, strict=True) if owner
    ]
    return [number for number, owner in enumerate(found, 1) if owner]


def challenge(number: int, **changed: Any) -> Challenge:
    sent = Challenge(
        id=f"challenge-{number}", purpose=CodePurpose.GENERAL, address=MAIL, reference="7QX2", sent_at=NOW, expires_at=NOW + 300
    )
    return replace(sent, **changed)


def put(database: Database, *challenges: Challenge) -> None:
    with database.begin() as tx:
        tx.challenges.put(challenges)


def locked(database: Database, purpose: CodePurpose, *addresses: Address, on_behalf_of: str | None = None) -> list[Challenge]:
    with database.begin() as tx:
        return list(tx.challenges.lock(purpose, addresses, on_behalf_of=on_behalf_of))


def message(number: int, **changed: Any) -> Message:
    waiting = Message(
        id=f"message-{number}",
        channel=Channel.EMAIL,
        recipient=MAIL.text,
        template="code",
        challenge=("challenge-1", CodePurpose.GENERAL, MAIL.canonical),
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


def names(database: Database, *, failed: bool = False, after: int = 0, limit: int = 9) -> list[str]:
    """Returns the ids of messages in the outbox, in order."""
    return [one.message.id for one in database.outbox.find(failed=failed, after=after, limit=limit)]


def registered(account_id: int) -> Event:
    return Event(type=EventType.REGISTERED, occurred_at=NOW, account_id=account_id)


def with_events(database: Database, *recorded: Event) -> None:
    with database.begin() as tx:
        for event in recorded:
            tx.audit_log.add(event)


def events(database: Database) -> list[Event]:
    return [event for _, event in database.audit_log.find(AuditQuery(), limit=99)]
