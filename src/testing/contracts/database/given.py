"""Whom and what the tests of a database put into it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ....application.ports import Channel, Database, Message, Posted, Query
from ....domain.account import Account, Address, Kind, Username
from ....domain.code import Challenge, Flow
from ....domain.events import Event, What
from ....domain.session import Session

NOW = 1_750_000_000.25
MAIL = Address(Kind.EMAIL, "Ada@Example.org", "ada@example.org")
MOBILE = Address(Kind.MOBILE, "0171 1234567", "+491711234567")


def ada(**changed: Any) -> Account:
    full = Account(
        username=Username("Ada", "ada"),
        name="Ada Lovelace",
        email=MAIL,
        mobile=MOBILE,
        mobile_proven=True,
        password_hash="$argon2id$…",
        created_at=NOW,
    )
    return replace(full, **changed)


def bob(**changed: Any) -> Account:
    other = Address(Kind.EMAIL, "bob@example.org", "bob@example.org")
    return replace(ada(username=Username("bob", "bob"), email=other, mobile=None, mobile_proven=False), **changed)


def stored(database: Database, account: Account) -> Account:
    with database.begin() as tx:
        return tx.accounts.add(account)


def session(account: Account, number: int, created_at: float = NOW) -> Session:
    return Session(id=f"session-{number:03}", account_id=account.id, created_at=created_at, refreshed_at=created_at)


def signed_in(database: Database, account: Account, number: int = 1, created_at: float = NOW) -> Session:
    begun = session(account, number, created_at)
    with database.begin() as tx:
        tx.sessions.add(begun, keep=100)
    return begun


def challenge(number: int, **changed: Any) -> Challenge:
    sent = Challenge(id=f"challenge-{number}", flow=Flow.OTP, address=MAIL, reference="7QX2", sent_at=NOW, expires_at=NOW + 300)
    return replace(sent, **changed)


def put(database: Database, *challenges: Challenge) -> None:
    with database.begin() as tx:
        for one in challenges:
            tx.challenges.put(one)


def claimed(database: Database, flow: Flow, *addresses: Address, beside: str | None = None) -> list[Challenge]:
    with database.begin() as tx:
        return list(tx.challenges.claim(flow, addresses, beside=beside))


def message(number: int, **changed: Any) -> Message:
    waiting = Message(
        id=f"message-{number}",
        kind=Channel.EMAIL,
        sent_to=MAIL.text,
        template="code",
        challenge=("challenge-1", Flow.OTP, MAIL.key),
        values={"reference": "7QX2"},
        not_before=NOW,
        expires_at=NOW + 300,
    )
    return replace(waiting, **changed)


def post(database: Database, *messages: Message) -> None:
    with database.begin() as tx:
        for one in messages:
            tx.outbox.add(one)


def lease(database: Database, now: float, most: int = 10) -> list[Message]:
    with database.begin() as tx:
        return list(tx.outbox.lease(now, seconds=60, most=most))


def names(found: Sequence[Posted]) -> list[str]:
    return [one.message.id for one in found]


def journalled(database: Database, *accounts: int, at: float = NOW) -> None:
    with database.begin() as tx:
        for account_id in accounts:
            tx.journal.add(Event(what=What.REGISTERED, at=at, account_id=account_id))


def followed(database: Database, after: int = 0, *, now: float = NOW, most: int = 9) -> list[int | None]:
    return [event.account_id for _, event in database.journal.follow(after, now, most=most)]


def dead(database: Database) -> list[tuple[str, str | None]]:
    """What was given up, each with the reason."""
    return [(one.message.id, one.dead_because) for one in database.outbox.find(dead=True, after=0, most=99)]


def events(database: Database) -> list[Event]:
    """What the journal holds."""
    return [event for _, event in database.journal.find(Query(), most=99)]
