"""What every database promises: in memory, in SQLite, in PostgreSQL."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event as Signal
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, Table, Text
from tests.contract import people
from tests.postgres_server import run

from vestibule.adapters.database import AccountsTable, MemoryDatabase, SqlDatabase, migrate
from vestibule.adapters.database.accounts import ACCOUNTS
from vestibule.application.ports import Channel, Cursor, Database, Login, Message, Posted, Query
from vestibule.domain.account import Account, Address, Kind, Username
from vestibule.domain.code import Challenge, Flow, Proof
from vestibule.domain.errors import AlreadyTaken
from vestibule.domain.events import Caller, Event, What
from vestibule.domain.limits import Limit, Tally
from vestibule.domain.session import IDLE_SECONDS, LIFE_SECONDS, Session

NOW = 1_750_000_000.25
MAIL = Address(Kind.EMAIL, "Ada@Example.org", "ada@example.org")
MOBILE = Address(Kind.MOBILE, "0171 1234567", "+491711234567")


@dataclass(frozen=True)
class Kept:
    """A database, and ways to look at what no use case ever reads."""

    database: Database
    events: Callable[[], list[tuple[object, ...]]]
    dead: Callable[[], list[tuple[str, str]]]
    calls: list[str]


def in_memory() -> Kept:
    calls: list[str] = []
    database = MemoryDatabase(lambda: calls.append("message"), on_event=lambda: calls.append("event"))
    return Kept(
        database,
        lambda: [
            (e.at, e.what.value, e.account_id, e.session_id, e.caller.address, e.caller.agent, e.caller.request_id, e.note)
            for e in database.events
        ],
        lambda: [(message.id, reason) for message, reason in database.dead_letters],
        calls,
    )


JOURNAL = """
SELECT at, what, account_id, session_id, caller_address, caller_agent, request_id, note FROM journal ORDER BY position
"""


DEAD = "SELECT id, dead_because FROM outbox WHERE due_at IS NULL"


def on_disk(url: str, rows: Callable[[str], list[tuple[Any, ...]]], table: AccountsTable = ACCOUNTS) -> Iterator[Kept]:
    calls: list[str] = []
    message, event = (lambda: calls.append("message")), (lambda: calls.append("event"))
    with SqlDatabase(url, message, on_event=event, accounts=table) as database:
        yield Kept(database, lambda: rows(JOURNAL), lambda: rows(DEAD), calls)


@pytest.fixture(params=["memory", "sqlite", "sqlite, own table", "postgres", "postgres, own table"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    kind, _, is_own = request.param.partition(", ")
    table = people.ACCOUNTS if is_own else ACCOUNTS
    if kind == "memory":
        yield in_memory()
    elif kind == "sqlite":
        path = tmp_path / "vestibule.db"
        migrate(f"sqlite:///{path}")
        with closing(sqlite3.connect(path, isolation_level=None)) as beside:
            if is_own:
                for statement in people.made_by("sqlite"):
                    beside.execute(statement)
            yield from on_disk(f"sqlite:///{path}", lambda query: beside.execute(query).fetchall(), table)
    else:
        url = request.getfixturevalue("postgres")
        if is_own:
            for statement in people.made_by("postgresql+psycopg"):
                run(url, statement)
            run(url, "TRUNCATE people RESTART IDENTITY")
        yield from on_disk(url, partial(run, url), table)


@pytest.fixture
def database(kept: Kept) -> Database:
    return kept.database


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


class Interrupted(Exception):
    """Something went wrong in the middle."""


# --- transactions -----------------------------------------------------------------------------------------------------


def change_everything(database: Database, account: Account) -> None:
    with database.begin() as tx:
        tx.accounts.add(bob())
        owner = tx.accounts.claim(account.id)
        assert owner
        tx.accounts.save(replace(owner, name="Somebody Else", email=None))
        tx.challenges.put(challenge(1))
        tx.proofs.add(Proof(digest="digest", address=MAIL, proven_at=NOW))
        tx.sessions.add(session(account, 1), keep=9)
        [tally] = tx.tallies.claim(["key"])
        tx.tallies.save([tally.add((Limit(3, 60),), NOW)], NOW + 60)
        tx.outbox.add(message(1))
        tx.journal.add(Event(what=What.REGISTERED, at=NOW))
        raise Interrupted


def test_nothing_of_a_transaction_remains_when_an_exception_leaves_it(kept: Kept) -> None:
    database, account = kept.database, stored(kept.database, ada())
    with pytest.raises(Interrupted):
        change_everything(database, account)
    assert database.accounts.get(account.id) == account
    assert database.accounts.having(MAIL) == account
    assert database.accounts.having(bob().addresses[0]) is None
    assert database.accounts.signed_in(account.id, "session-001", NOW) is None
    assert database.tallies.look(["key"]) == [Tally("key")]
    assert claimed(database, Flow.OTP, MAIL) == []
    assert lease(database, NOW) == []
    assert kept.events() == []
    assert kept.calls == []
    with database.begin() as tx:
        assert not tx.proofs.is_proven(MAIL, NOW)


def test_a_transaction_that_failed_does_not_stand_in_the_way_of_the_next(database: Database) -> None:
    with pytest.raises(Interrupted), database.begin():
        raise Interrupted
    assert stored(database, ada()).id > 0


def test_what_is_uncommitted_is_seen_inside_and_not_outside_and_readers_do_not_wait(database: Database) -> None:
    account = stored(database, ada())
    with database.begin() as tx, ThreadPoolExecutor(1) as elsewhere:
        tx.accounts.claim(account.id)
        tx.accounts.save(replace(account, name="Changed"))
        tx.tallies.claim(["key"])
        tx.tallies.save([Tally("key", (NOW,))], NOW + 60)
        assert tx.accounts.get(account.id) == replace(account, name="Changed")
        assert tx.tallies.look(["key"]) == [Tally("key", (NOW,))]
        assert database.accounts.get(account.id) == account
        assert elsewhere.submit(database.accounts.having, MAIL).result(timeout=2) == account
        assert elsewhere.submit(database.tallies.look, ["key"]).result(timeout=2) == [Tally("key")]
    assert database.accounts.get(account.id) == replace(account, name="Changed")
    assert database.tallies.look(["key"]) == [Tally("key", (NOW,))]


def test_a_transaction_that_is_over_is_of_no_more_use(database: Database) -> None:
    with database.begin() as tx:
        pass
    with pytest.raises(RuntimeError, match="over"):
        tx.accounts.add(ada())
    with pytest.raises(RuntimeError, match="over"):
        tx.accounts.get(1)
    assert database.accounts.having(MAIL) is None


def test_a_transaction_within_a_transaction_is_refused_rather_than_waited_for(database: Database) -> None:
    with database.begin() as tx:
        with pytest.raises(RuntimeError, match="open in this thread"), database.begin():
            pass
        account = tx.accounts.add(ada())
    assert database.accounts.get(account.id) == account


def test_a_prepared_database_checks_out(database: Database) -> None:
    database.check()


# --- accounts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "account",
    [
        ada(),
        ada(mobile=None, mobile_proven=False, password_hash=None),
        ada(email=None, settled=True, is_active=False, image="picture.webp"),
        ada(is_staff=True, is_superuser=True, email_proven=True, username=Username("Žofie 🙂", "žofie 🙂")),
    ],
)
def test_an_account_comes_back_as_it_was_stored(database: Database, account: Account) -> None:
    added = stored(database, account)
    assert added == replace(account, id=added.id)
    assert added.id > 0
    assert database.accounts.get(added.id) == added
    changed = replace(added, is_active=not added.is_active, settled=not added.settled, image="new.webp", name="N")
    with database.begin() as tx:
        tx.accounts.claim(added.id)
        tx.accounts.save(changed)
    assert database.accounts.get(added.id) == changed


def test_accounts_are_found_by_their_addresses(database: Database) -> None:
    account = stored(database, ada())
    assert database.accounts.having(Address(Kind.EMAIL, "other spelling", MAIL.key)) == account
    assert database.accounts.having(MOBILE) == account
    assert database.accounts.having(Address(Kind.MOBILE, MAIL.text, MAIL.key)) is None
    with database.begin() as tx:
        assert tx.accounts.claim_having(MOBILE) == account
        assert tx.accounts.claim_having(bob().addresses[0]) is None


@pytest.mark.parametrize("account_id", [0, -1, 999, 2**63 - 1, 2**63, -(2**63) - 1, 10**30])
def test_no_account_has_a_number_that_was_never_given(database: Database, account_id: int) -> None:
    account = stored(database, ada())
    begun = signed_in(database, account)
    assert database.accounts.get(account_id) is None
    assert database.accounts.signed_in(account_id, begun.id, NOW) is None
    with database.begin() as tx:
        assert tx.accounts.claim(account_id) is None


def test_a_login_means_the_owner_of_the_address_before_that_of_the_username(database: Database) -> None:
    imported = stored(database, bob(username=Username(MAIL.key, MAIL.key)))
    owner = stored(database, ada())
    meant_by = database.accounts.meant_by
    assert meant_by(Login(MAIL, MAIL.key)) == owner
    assert meant_by(Login(None, MAIL.key)) == imported
    assert meant_by(Login(MOBILE, "ada")) == owner
    assert meant_by(Login(Address(Kind.EMAIL, "x", "x@example.org"), "ada")) == owner
    assert meant_by(Login(Address(Kind.EMAIL, "x", "x@example.org"), "nobody")) is None
    assert meant_by(Login(None, "nobody")) is None
    with database.begin() as tx:
        assert tx.accounts.meant_by(Login(MAIL, MAIL.key)) == owner


@pytest.mark.parametrize("text", ["\ud800", "ada\udfff", "\0", "ada\0", "' OR 1=1 --", "%", ""])
def test_a_login_of_whatever_text_is_only_unknown(database: Database, text: str) -> None:
    stored(database, ada())
    assert database.accounts.meant_by(Login(None, text)) is None
    assert database.accounts.signed_in(1, text, NOW) is None


def test_only_an_active_account_with_a_living_session_of_its_own_is_signed_in(database: Database) -> None:
    account, other = stored(database, ada()), stored(database, bob())
    begun = signed_in(database, account)
    accounts = database.accounts
    assert accounts.signed_in(account.id, begun.id, NOW) == account
    assert accounts.signed_in(other.id, begun.id, NOW) is None
    assert accounts.signed_in(account.id, "no-session", NOW) is None
    assert accounts.signed_in(account.id, begun.id, NOW + IDLE_SECONDS - 1) == account
    assert accounts.signed_in(account.id, begun.id, NOW + IDLE_SECONDS) is None
    with database.begin() as tx:
        tx.accounts.claim(account.id)
        tx.accounts.save(replace(account, is_active=False))
    assert accounts.signed_in(account.id, begun.id, NOW) is None


def test_many_are_asked_for_at_once_and_answered_in_order(database: Database) -> None:
    account, other = stored(database, ada()), stored(database, bob())
    begun = [signed_in(database, account, number, NOW + number) for number in range(1, 41)]
    theirs = signed_in(database, other, 100)
    with database.begin() as tx:
        tx.sessions.claim(begun[1].id)
        tx.sessions.save(begun[1].end(NOW))
    asked = [(account.id, one.id) for one in begun]
    strange = [(other.id, begun[0].id), (account.id, "no-session"), (account.id, "\ud800"), (account.id, "")]
    found = database.accounts.signed_in_each([*strange, *asked, (other.id, theirs.id), asked[0]], NOW)
    assert found == [None] * 4 + [account, None, *[account] * 38, other, account]
    assert database.accounts.signed_in_each(asked[:1], NOW) == [account]
    assert database.accounts.signed_in_each(asked[:3], NOW + LIFE_SECONDS) == [None] * 3
    assert database.accounts.signed_in_each([], NOW) == []


def test_a_session_that_ended_or_was_refreshed_counts_as_such(database: Database) -> None:
    account = stored(database, ada())
    signed_in(database, account)
    with database.begin() as tx:
        begun = tx.sessions.claim("session-001")
        assert begun
        _, refreshed = begun.refresh(0, NOW + IDLE_SECONDS - 1)
        tx.sessions.save(refreshed)
    assert database.accounts.signed_in(account.id, begun.id, NOW + IDLE_SECONDS) == account
    assert database.accounts.signed_in(account.id, begun.id, NOW + LIFE_SECONDS) is None
    with database.begin() as tx:
        tx.sessions.claim(begun.id)
        tx.sessions.save(refreshed.end(NOW))
    assert database.accounts.signed_in(account.id, begun.id, NOW) is None


@pytest.mark.parametrize(
    ("rival", "fields"),
    [
        (bob(username=Username("ADA", "ada")), ("username",)),
        (bob(email=replace(MAIL, text="ADA@example.org")), ("email",)),
        (bob(mobile=MOBILE), ("mobile",)),
        (ada(username=Username("other", "other")), ("email", "mobile")),
        (ada(), ("username", "email", "mobile")),
    ],
)
def test_what_another_account_has_is_refused_by_name_when_added_and_when_saved(
    database: Database, rival: Account, fields: tuple[str, ...]
) -> None:
    account = stored(database, ada())
    with database.begin() as tx:
        with pytest.raises(AlreadyTaken) as refused:
            tx.accounts.add(rival)
        assert refused.value.fields == fields
        other = tx.accounts.add(bob(username=Username("third", "third"), email=None))
        with pytest.raises(AlreadyTaken) as refused:
            tx.accounts.save(replace(rival, id=other.id))
        assert refused.value.fields == fields
    assert database.accounts.get(other.id) == other
    assert database.accounts.get(account.id) == account
    assert database.accounts.taken(rival.username, rival.addresses) == set(fields)


def test_an_account_without_mobile_or_email_stands_in_nobodys_way(database: Database) -> None:
    stored(database, bob(email=None))
    assert stored(database, bob(username=Username("second", "second"), email=None)).id > 0


def test_what_an_account_let_go_of_is_free_again(database: Database) -> None:
    account = stored(database, ada())
    with database.begin() as tx:
        tx.accounts.claim(account.id)
        tx.accounts.save(replace(account, mobile=None, username=Username("new", "new")))
    assert database.accounts.having(MOBILE) is None
    assert database.accounts.taken(account.username, account.addresses) == {"email"}
    assert stored(database, bob(username=account.username, mobile=MOBILE)).mobile == MOBILE


def test_taken_overlooks_the_account_that_asks_for_itself(database: Database) -> None:
    account = stored(database, ada())
    other = stored(database, bob())
    taken = database.accounts.taken
    assert taken(account.username, account.addresses, but=account.id) == set()
    assert taken(account.username, other.addresses, but=account.id) == {"email"}
    assert taken(account.username, []) == {"username"}
    assert taken(None, [MOBILE]) == {"mobile"}
    assert taken(None, []) == set()


def test_an_account_that_was_not_claimed_here_cannot_be_saved(database: Database) -> None:
    account = stored(database, ada())
    with database.begin() as tx:
        tx.accounts.claim(account.id)
    with database.begin() as tx:
        tx.accounts.get(account.id)
        tx.accounts.having(MAIL)
        with pytest.raises(LookupError):
            tx.accounts.save(replace(account, name="Changed"))
    assert database.accounts.get(account.id) == account


def test_an_account_that_was_added_here_can_be_saved_at_once(database: Database) -> None:
    with database.begin() as tx:
        added = tx.accounts.add(ada())
        tx.accounts.save(replace(added, name="Changed"))
    assert database.accounts.get(added.id) == replace(added, name="Changed")


# --- challenges and proofs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "one",
    [challenge(1), challenge(1, address=MOBILE, flow=Flow.REGISTER_OR_LOGIN, beside="x", sent=False, guesses=3, used_at=NOW)],
)
def test_a_challenge_comes_back_as_it_was_put(database: Database, one: Challenge) -> None:
    put(database, one)
    assert claimed(database, one.flow, one.address) == [one]


def test_challenges_are_claimed_by_flow_and_address_and_by_what_they_stand_beside(database: Database) -> None:
    mail, mobile = challenge(1, beside=MOBILE.key), challenge(2, address=MOBILE)
    other = challenge(3, flow=Flow.REGISTER_OR_LOGIN)
    put(database, mail, mobile, other)
    assert claimed(database, Flow.OTP, MAIL) == [mail]
    assert claimed(database, Flow.OTP, MAIL, MOBILE) == [mail, mobile]
    assert claimed(database, Flow.OTP, MOBILE) == [mobile]
    assert claimed(database, Flow.OTP, MOBILE, beside=MOBILE.key) == [mail, mobile]
    assert claimed(database, Flow.OTP, MAIL, beside=MOBILE.key) == [mail]
    assert claimed(database, Flow.REGISTER_OR_LOGIN, MAIL, MOBILE, beside=MOBILE.key) == [other]
    assert claimed(database, Flow.OTP, Address(Kind.MOBILE, MAIL.text, MAIL.key)) == []


def test_a_newer_challenge_replaces_the_older_one_to_the_same_address_in_its_flow(database: Database) -> None:
    other = challenge(2, flow=Flow.REGISTER_OR_LOGIN)
    put(database, challenge(1, guesses=4, used_at=NOW), other)
    newer = challenge(3, sent_at=NOW + 60)
    put(database, newer)
    assert claimed(database, Flow.OTP, MAIL) == [newer]
    assert claimed(database, Flow.REGISTER_OR_LOGIN, MAIL) == [other]


def test_a_newer_challenge_replaces_the_older_one_beside_the_same_destination(database: Database) -> None:
    elsewhere = Address(Kind.EMAIL, "else@example.org", "else@example.org")
    other = challenge(2, flow=Flow.REGISTER_OR_LOGIN, beside=MOBILE.key)
    put(database, challenge(1, beside=MOBILE.key), other, challenge(3, address=MOBILE))
    newer = challenge(4, address=elsewhere, beside=MOBILE.key)
    put(database, newer)
    assert claimed(database, Flow.OTP, MAIL, elsewhere, beside=MOBILE.key) == [newer]
    assert [one.id for one in claimed(database, Flow.OTP, MOBILE)] == ["challenge-3"]
    assert claimed(database, Flow.REGISTER_OR_LOGIN, beside=MOBILE.key) == [other]


def test_a_claimed_challenge_can_be_saved(database: Database) -> None:
    put(database, challenge(1))
    with database.begin() as tx:
        [one] = tx.challenges.claim(Flow.OTP, [MAIL])
        tx.challenges.save(one.missed())
    assert claimed(database, Flow.OTP, MAIL) == [one.missed()]
    with database.begin() as tx:
        [one] = tx.challenges.claim(Flow.OTP, [MAIL])
        tx.challenges.save(one.used(NOW))
    assert claimed(database, Flow.OTP, MAIL) == [challenge(1, guesses=1, used_at=NOW)]


def test_a_challenge_that_was_not_claimed_here_cannot_be_saved(database: Database) -> None:
    put(database, challenge(1), challenge(2, address=MOBILE))
    with database.begin() as tx:
        tx.challenges.claim(Flow.OTP, [MOBILE])
        with pytest.raises(LookupError):
            tx.challenges.save(challenge(1, guesses=1))
    assert claimed(database, Flow.OTP, MAIL) == [challenge(1)]


def test_saving_does_not_bring_back_a_challenge_that_was_ended_or_replaced(database: Database) -> None:
    put(database, challenge(1))
    with database.begin() as tx:
        [one] = tx.challenges.claim(Flow.OTP, [MAIL])
        tx.challenges.put(challenge(2))
        tx.challenges.save(one.missed())
    assert claimed(database, Flow.OTP, MAIL) == [challenge(2)]
    with database.begin() as tx:
        [one] = tx.challenges.claim(Flow.OTP, [MAIL])
        tx.challenges.end([MAIL])
        tx.challenges.save(one.used(NOW))
    assert not any(one.is_open(NOW) for one in claimed(database, Flow.OTP, MAIL))


def test_ending_leaves_no_open_code_to_an_address_or_beside_it_in_any_flow(database: Database) -> None:
    elsewhere = Address(Kind.EMAIL, "else@example.org", "else@example.org")
    own = [challenge(1, address=MOBILE), challenge(2, address=MOBILE, flow=Flow.REGISTER_OR_LOGIN)]
    beside = challenge(3, address=elsewhere, beside=MOBILE.key)
    other = challenge(4, flow=Flow.REGISTER_OR_LOGIN)
    put(database, *own, beside, other)
    with database.begin() as tx:
        tx.challenges.end([MOBILE])
    for flow in Flow:
        assert not any(one.is_open(NOW) for one in claimed(database, flow, MOBILE, elsewhere))
    assert claimed(database, Flow.REGISTER_OR_LOGIN, MAIL) == [other]
    with database.begin() as tx:
        assert not tx.challenges.is_current("challenge-1", NOW)
        assert tx.challenges.is_current("challenge-4", NOW)


def test_a_code_is_current_until_it_is_replaced_used_or_expired(database: Database) -> None:
    put(database, challenge(1), challenge(2, address=MOBILE))
    with database.begin() as tx:
        is_current = tx.challenges.is_current
        assert is_current("challenge-1", NOW + 299)
        assert not is_current("challenge-1", NOW + 300)
        assert not is_current("challenge-9", NOW)
        [mobile] = tx.challenges.claim(Flow.OTP, [MOBILE])
        tx.challenges.save(mobile.used(NOW))
        assert not is_current("challenge-2", NOW)
        tx.challenges.put(challenge(3))
        assert not is_current("challenge-1", NOW)
        assert is_current("challenge-3", NOW)


def test_a_proof_is_found_by_its_digest_and_its_address_as_long_as_it_is_recent(database: Database) -> None:
    proof = Proof(digest="digest", address=MAIL, proven_at=NOW)
    with database.begin() as tx:
        tx.proofs.add(proof)
        tx.proofs.add(Proof(digest="older", address=MAIL, proven_at=NOW - 100))
        tx.proofs.add(Proof(digest="mobile", address=MOBILE, proven_at=NOW - 100))
    with database.begin() as tx:
        assert tx.proofs.find("digest", NOW) == proof
        assert tx.proofs.find("digest", NOW + 0.5) is None
        assert tx.proofs.find("unknown", NOW) is None
        assert tx.proofs.is_proven(replace(MAIL, text="other spelling"), NOW)
        assert not tx.proofs.is_proven(MAIL, NOW + 0.5)
        assert tx.proofs.is_proven(MOBILE, NOW - 100)
        assert not tx.proofs.is_proven(MOBILE, NOW)
        assert not tx.proofs.is_proven(Address(Kind.MOBILE, MAIL.text, MAIL.key), NOW)


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_a_session_comes_back_as_it_was_saved(database: Database) -> None:
    begun = signed_in(database, stored(database, ada()))
    with database.begin() as tx:
        assert tx.sessions.claim(begun.id) == begun
        _, turned = begun.refresh(0, NOW + 10)
        tx.sessions.save(turned)
        assert tx.sessions.claim("unknown") is None
    with database.begin() as tx:
        assert tx.sessions.claim(begun.id) == turned
        tx.sessions.save(turned.end(NOW + 20))
    with database.begin() as tx:
        assert tx.sessions.claim(begun.id) == turned.end(NOW + 20)


def test_a_session_that_was_not_claimed_here_cannot_be_saved(database: Database) -> None:
    begun = signed_in(database, stored(database, ada()))
    with database.begin() as tx, pytest.raises(LookupError):
        tx.sessions.save(begun.end(NOW))
    with database.begin() as tx:
        assert tx.sessions.claim(begun.id) == begun


def test_a_session_needs_an_account(database: Database) -> None:
    with pytest.raises(LookupError), database.begin() as tx:
        tx.sessions.add(session(ada(id=7), 1), keep=3)


def test_beyond_what_is_kept_the_oldest_living_sessions_end(database: Database) -> None:
    account, other = stored(database, ada()), stored(database, bob())
    signed_in(database, other, 100)
    for number in range(1, 6):
        with database.begin() as tx:
            tx.sessions.add(session(account, number, NOW + number), keep=3)
    with database.begin() as tx:
        ended = [tx.sessions.claim(f"session-{number:03}") for number in (1, 2)]
        assert [one and one.ended_at for one in ended] == [NOW + 4, NOW + 5]
    alive = [n for n in range(1, 6) if database.accounts.signed_in(account.id, f"session-{n:03}", NOW + 6)]
    assert alive == [3, 4, 5]
    assert database.accounts.signed_in(other.id, "session-100", NOW + 6)


def test_sessions_that_are_over_do_not_count_among_those_kept(database: Database) -> None:
    account = stored(database, ada())
    signed_in(database, account, 1, NOW - IDLE_SECONDS)
    signed_in(database, account, 2)
    signed_in(database, account, 3)
    with database.begin() as tx:
        three = tx.sessions.claim("session-003")
        assert three
        tx.sessions.save(three.end(NOW))
        tx.sessions.add(session(account, 4, NOW + 1), keep=2)
    assert database.accounts.signed_in(account.id, "session-002", NOW + 1)
    assert database.accounts.signed_in(account.id, "session-004", NOW + 1)


def test_the_newest_session_lives_even_where_the_clock_stepped_back(database: Database) -> None:
    account = stored(database, ada())
    signed_in(database, account, 1, NOW)
    with database.begin() as tx:
        tx.sessions.add(session(account, 2, NOW - 3600), keep=1)
    assert database.accounts.signed_in(account.id, "session-002", NOW)
    assert database.accounts.signed_in(account.id, "session-001", NOW) is None


def test_ending_all_sessions_spares_the_one_and_other_accounts_and_counts_the_living(database: Database) -> None:
    account, other = stored(database, ada()), stored(database, bob())
    signed_in(database, other, 100)
    signed_in(database, account, 1, NOW - IDLE_SECONDS)
    for number in (2, 3, 4):
        signed_in(database, account, number)
    with database.begin() as tx:
        assert tx.sessions.end_all(account.id, NOW + 5, but="session-003") == 2
        assert tx.sessions.end_all(account.id, NOW + 6, but="session-003") == 0
        ended = tx.sessions.claim("session-002")
        assert ended
        assert ended.ended_at == NOW + 5
    assert [n for n in (2, 3, 4) if database.accounts.signed_in(account.id, f"session-{n:03}", NOW + 7)] == [3]
    with database.begin() as tx:
        assert tx.sessions.end_all(account.id, NOW + 8) == 1
    assert database.accounts.signed_in(other.id, "session-100", NOW + 9)


# --- tallies ----------------------------------------------------------------------------------------------------------


def test_tallies_come_back_in_the_order_of_their_keys_and_empty_where_there_is_none(database: Database) -> None:
    moments = (NOW, NOW + 0.1, NOW + 1 / 3)
    with database.begin() as tx:
        assert tx.tallies.claim(["b", "a"]) == [Tally("b"), Tally("a")]
        tx.tallies.save([Tally("a", moments)], NOW + 60)
    with database.begin() as tx:
        assert list(tx.tallies.claim(["c", "a"])) == [Tally("c"), Tally("a", moments)]
        tx.tallies.save([Tally("a")], NOW)
    assert list(database.tallies.look(["a", "b"])) == [Tally("a"), Tally("b")]
    assert list(database.tallies.look([])) == []


def test_a_tally_that_was_not_claimed_here_cannot_be_saved(database: Database) -> None:
    with database.begin() as tx:
        tx.tallies.claim(["a"])
        tx.tallies.look(["b"])
        with pytest.raises(LookupError):
            tx.tallies.save([Tally("b", (NOW,))], NOW + 60)
    assert list(database.tallies.look(["b"])) == [Tally("b")]


# --- outbox and journal -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "one", [message(1), message(1, kind=Channel.MOBILE, sent_to=None, challenge=None, values={}, attempts=2)]
)
def test_a_message_comes_out_of_the_outbox_as_it_went_in(database: Database, one: Message) -> None:
    post(database, one)
    assert lease(database, NOW) == [one]


def test_due_messages_come_oldest_first_and_no_more_than_wanted(database: Database) -> None:
    post(database, message(1, not_before=NOW + 9), message(2, not_before=NOW - 5), message(3), message(4))
    assert [one.id for one in lease(database, NOW, most=2)] == ["message-2", "message-3"]
    assert [one.id for one in lease(database, NOW)] == ["message-4"]
    assert [one.id for one in lease(database, NOW + 9)] == ["message-1"]


def test_a_courier_of_one_kind_leaves_the_other_alone(database: Database) -> None:
    post(database, message(1), message(2, kind=Channel.MOBILE), message(3))
    with database.begin() as tx:
        assert [one.id for one in tx.outbox.lease(NOW, seconds=60, most=10, kind=Channel.MOBILE)] == ["message-2"]
        assert [one.id for one in tx.outbox.lease(NOW, seconds=60, most=10, kind=Channel.EMAIL)] == ["message-1", "message-3"]


def test_a_leased_message_comes_back_when_the_lease_ends_unless_it_is_done(database: Database) -> None:
    post(database, message(1), message(2))
    assert len(lease(database, NOW)) == 2
    with database.begin() as tx:
        tx.outbox.done("message-1")
    assert lease(database, NOW + 59) == []
    assert lease(database, NOW + 60) == [message(2)]


def test_a_failed_message_waits_for_its_next_time_and_counts_the_attempt(database: Database) -> None:
    post(database, message(1))
    lease(database, NOW)
    with database.begin() as tx:
        tx.outbox.later("message-1", NOW + 90)
    assert lease(database, NOW + 89) == []
    assert lease(database, NOW + 90) == [message(1, not_before=NOW + 90, attempts=1)]


def test_a_dead_message_is_kept_with_its_reason_and_never_comes_again(kept: Kept) -> None:
    post(kept.database, message(1))
    lease(kept.database, NOW)
    with kept.database.begin() as tx:
        tx.outbox.dead("message-1", "Undeliverable")
        tx.outbox.later("message-1", NOW)
    assert lease(kept.database, NOW + 10**6) == []
    assert kept.dead() == [("message-1", "Undeliverable")]


def test_a_message_that_was_not_tried_is_due_again_at_once_with_its_attempts_as_they_were(database: Database) -> None:
    post(database, message(1, attempts=2))
    lease(database, NOW)
    with database.begin() as tx:
        tx.outbox.put_back("message-1")
    assert lease(database, NOW) == [message(1, attempts=2)]


def test_what_was_given_up_or_sent_is_not_put_back(kept: Kept) -> None:
    post(kept.database, message(1), message(2))
    lease(kept.database, NOW)
    with kept.database.begin() as tx:
        tx.outbox.dead("message-1", "Undeliverable")
        tx.outbox.done("message-2")
        for name in ("message-1", "message-2"):
            tx.outbox.put_back(name)
    assert lease(kept.database, NOW + 10**6) == []
    assert kept.dead() == [("message-1", "Undeliverable")]


def test_the_outbox_is_looked_through_in_order_the_dead_ones_too(database: Database) -> None:
    decoy = message(2, sent_to=None, not_before=NOW + 9)
    post(database, message(1), decoy, message(3), message(4))
    with database.begin() as tx:
        tx.outbox.lease(NOW, seconds=60, most=1)
        tx.outbox.dead("message-3", "Undeliverable")
        tx.outbox.dead("message-4", "Timeout")
    found = database.outbox.find(dead=False, after=0, most=9)
    positions = [one.position for one in found]
    assert positions == sorted(set(positions))
    assert [(one.message, one.due_at, one.dead_because) for one in found] == [
        (message(1), NOW + 60, None),
        (decoy, NOW + 9, None),
        (message(3), None, "Undeliverable"),
        (message(4), None, "Timeout"),
    ]
    assert [(one.is_leased(NOW), one.is_leased(NOW + 60), one.is_dead) for one in found] == [
        (True, False, False),
        (False, False, False),
        (False, False, True),
        (False, False, True),
    ]
    assert names(database.outbox.find(dead=True, after=0, most=9)) == ["message-3", "message-4"]
    assert names(database.outbox.find(dead=True, after=positions[2], most=9)) == ["message-4"]
    assert names(database.outbox.find(dead=False, after=positions[0], most=2)) == ["message-2", "message-3"]


def test_looking_through_the_outbox_waits_for_no_writer(database: Database) -> None:
    post(database, message(1))
    with database.begin() as tx:
        tx.outbox.done("message-1")
        assert names(database.outbox.find(dead=False, after=0, most=9)) == ["message-1"]


def test_a_message_is_claimed_as_it_lies_there(database: Database) -> None:
    post(database, message(1))
    [lies] = database.outbox.find(dead=False, after=0, most=1)
    with database.begin() as tx:
        assert tx.outbox.claim("message-1") == lies
        assert tx.outbox.claim("message-2") is None


def test_a_dead_message_that_is_to_be_tried_again_is_as_new(kept: Kept) -> None:
    post(kept.database, message(1, attempts=5), message(2))
    with kept.database.begin() as tx:
        tx.outbox.dead("message-1", "Undeliverable")
        tx.outbox.later("message-2", NOW + 600)
    calls = len(kept.calls)
    with kept.database.begin() as tx:
        for name in ("message-1", "message-2", "message-3"):
            tx.outbox.retry(name, NOW + 7)
    assert kept.dead() == []
    assert kept.calls[calls:] == ["message"]
    assert lease(kept.database, NOW + 6) == []
    again = sorted(lease(kept.database, NOW + 7), key=lambda one: one.id)
    assert again == [message(number, not_before=NOW + 7, attempts=0) for number in (1, 2)]


def test_a_message_that_kills_its_couriers_does_not_keep_the_others_back(database: Database) -> None:
    post(database, message(1, not_before=NOW - 1))
    assert [one.id for one in lease(database, NOW, most=1)] == ["message-1"]
    post(database, message(2, not_before=NOW + 1))
    assert [one.id for one in lease(database, NOW + 60, most=1)] == ["message-2"]
    assert [one.id for one in lease(database, NOW + 60, most=1)] == ["message-1"]


def test_the_courier_is_woken_after_the_commit_and_only_for_a_new_message(kept: Kept) -> None:
    with kept.database.begin() as tx:
        tx.outbox.add(message(1))
        tx.outbox.add(message(2))
        assert kept.calls == []
    assert kept.calls == ["message"]
    lease(kept.database, NOW)
    stored(kept.database, ada())
    assert kept.calls == ["message"]


def test_the_journal_keeps_what_happened_in_its_order(kept: Kept) -> None:
    caller = Caller(address="192.0.2.1", agent="Browser/1", request_id="request")
    with kept.database.begin() as tx:
        tx.journal.add(Event(what=What.LOGGED_IN, at=NOW, account_id=7, session_id="s", caller=caller, note="password"))
        tx.journal.add(Event(what=What.LOGIN_FAILED, at=NOW - 1))
    assert kept.events() == [
        (NOW, "logged_in", 7, "s", "192.0.2.1", "Browser/1", "request", "password"),
        (NOW - 1, "login_failed", None, None, None, None, None, ""),
    ]


def test_a_caller_whose_agent_cannot_be_written_down_stops_nothing(kept: Kept) -> None:
    with kept.database.begin() as tx:
        tx.journal.add(Event(what=What.LOGGED_IN, at=NOW, caller=Caller(agent="\ud800 and \0")))
    assert len(kept.events()) == 1


# --- at the same time -------------------------------------------------------------------------------------------------


def test_of_many_registrations_of_one_name_at_once_one_wins(database: Database) -> None:
    def register(number: int) -> str:
        try:
            stored(database, bob(username=Username("wanted", "wanted"), email=None, name=f"{number}"))
        except AlreadyTaken as refused:
            return ",".join(refused.fields)
        return "won"

    with ThreadPoolExecutor(8) as threads:
        outcomes = sorted(threads.map(register, range(8)))
    assert outcomes == ["username"] * 7 + ["won"]


def test_no_increment_is_lost_among_sixteen_threads(database: Database) -> None:
    limits = (Limit(1000, 60),)

    def count(number: int) -> None:
        for step in range(5):
            with database.begin() as tx:
                [tally] = tx.tallies.claim(["key"])
                tx.tallies.save([tally.add(limits, NOW + number + step)], NOW + 60)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(count, range(16)))
    assert len(database.tallies.look(["key"])[0].moments) == 80


def guess(database: Database) -> int:
    with database.begin() as tx:
        [one] = tx.challenges.claim(Flow.OTP, [MAIL])
        tx.challenges.save(one.missed())
        return one.guesses


def rename(database: Database) -> int:
    with database.begin() as tx:
        account = tx.accounts.claim_having(MAIL)
        assert account
        tx.accounts.save(replace(account, name=f"{account.name}+"))
        return account.name.count("+")


def count(database: Database) -> int:
    with database.begin() as tx:
        [tally] = tx.tallies.claim(["key"])
        tx.tallies.save([tally.add((Limit(9, 60),), NOW)], NOW + 60)
        return len(tally.moments)


def turn(database: Database) -> int:
    with database.begin() as tx:
        begun = tx.sessions.claim("session-001")
        assert begun
        tx.sessions.save(begun.refresh(begun.generation, NOW)[1])
        return begun.generation


@pytest.mark.parametrize("claim", [guess, rename, count, turn])
def test_a_second_claimant_waits_and_then_sees_what_the_first_has_saved(
    database: Database, claim: Callable[[Database], int]
) -> None:
    signed_in(database, stored(database, ada()))
    put(database, challenge(1))
    assert claim(database) == 0
    at_the_door, done, seen = Signal(), Signal(), list[int]()

    def second() -> None:
        at_the_door.set()
        seen.append(claim(database))
        done.set()

    waiting = Thread(target=second)
    with database.begin() as tx:
        one = tx.accounts.claim_having(MAIL)
        [code] = tx.challenges.claim(Flow.OTP, [MAIL])
        [tally] = tx.tallies.claim(["key"])
        begun = tx.sessions.claim("session-001")
        assert one
        assert begun
        waiting.start()
        assert at_the_door.wait(5)
        assert not done.wait(0.05)
        tx.accounts.save(replace(one, name=f"{one.name}+"))
        tx.challenges.save(code.missed())
        tx.tallies.save([tally.add((Limit(9, 60),), NOW)], NOW + 60)
        tx.sessions.save(begun.refresh(begun.generation, NOW)[1])
    waiting.join()
    assert seen == [2]


def test_two_couriers_never_hold_the_same_message(database: Database) -> None:
    post(database, *(message(number) for number in range(24)))
    with ThreadPoolExecutor(4) as threads:
        leased = [one.id for batch in threads.map(lambda _: lease(database, NOW, most=4), range(8)) for one in batch]
    assert len(leased) == 24
    assert len(set(leased)) == 24


def test_living_sessions_are_listed_the_newest_first_with_who_began_them(database: Database) -> None:
    ann, other = stored(database, ada()), stored(database, bob())
    begun = [signed_in(database, ann, number, NOW + number) for number in (1, 2, 3)]
    signed_in(database, other, 4)
    with database.begin() as tx:
        named = replace(session(ann, 5, NOW + 5), address="192.0.2.1", agent="a phone")
        tx.sessions.add(named, keep=100)
        ended = tx.sessions.claim(begun[1].id)
        assert ended is not None
        tx.sessions.save(ended.end(NOW + 6))

    assert list(database.sessions.living(ann.id, NOW + 7)) == [named, begun[2], begun[0]]
    assert list(database.sessions.living(ann.id, NOW + 7 + IDLE_SECONDS)) == []
    assert list(database.sessions.living(2**70, NOW)) == []


def test_sessions_that_were_ended_are_told_in_the_order_of_their_ends_beyond_a_place_in_it(database: Database) -> None:
    ann, other = stored(database, ada()), stored(database, bob())
    begun = [signed_in(database, ann, number) for number in (1, 2, 3, 4)]
    with database.begin() as tx:
        tx.sessions.claim(begun[3].id)
        tx.sessions.save(begun[3].end(NOW + 1))
    with database.begin() as tx:
        tx.sessions.end_all(ann.id, NOW + 2.125, but=begun[0].id)
    with database.begin() as tx:
        tx.sessions.add(session(other, 5, NOW + 3), keep=1)
        tx.sessions.add(session(other, 6, NOW + 4), keep=1)
    first, second, third, fourth = every = [
        (NOW + 1, "session-004"),
        (NOW + 2.125, "session-002"),
        (NOW + 2.125, "session-003"),
        (NOW + 4, "session-005"),
    ]
    ended = database.sessions.ended
    assert list(ended((0.0, ""), most=10)) == every
    assert list(ended((0.0, ""), most=2)) == [first, second]
    assert list(ended(second, most=1)) == [third]
    assert list(ended((NOW + 2.125, ""), most=10)) == [second, third, fourth]
    assert list(ended(fourth, most=10)) == []


def test_an_end_that_is_committed_late_stands_before_what_was_told(database: Database) -> None:
    ann = stored(database, ada())
    early, late = signed_in(database, ann, 1), signed_in(database, ann, 2)
    with database.begin() as tx:
        tx.sessions.claim(late.id)
        tx.sessions.save(late.end(NOW + 2))
    assert [found for _, found in database.sessions.ended((NOW, ""), most=10)] == [late.id]
    with database.begin() as tx:
        tx.sessions.claim(early.id)
        tx.sessions.save(early.end(NOW + 1))
    assert [found for _, found in database.sessions.ended((NOW, ""), most=10)] == [early.id, late.id]


def test_the_agents_of_an_account_are_those_of_all_its_sessions_ended_ones_too(database: Database) -> None:
    ann, other = stored(database, ada()), stored(database, bob())
    with database.begin() as tx:
        assert tx.sessions.agents(ann.id) == frozenset()
        tx.sessions.add(replace(session(ann, 1), agent="a phone"), keep=100)
        tx.sessions.add(session(ann, 2), keep=100)
        tx.sessions.add(replace(session(other, 3), agent="a tower"), keep=100)
        tx.sessions.end_all(ann.id, NOW)
    with database.begin() as tx:
        assert tx.sessions.agents(ann.id) == {"a phone", None}


def test_an_agent_of_whatever_text_does_not_stop_a_sign_in(database: Database) -> None:
    ann = stored(database, ada())
    with database.begin() as tx:
        tx.sessions.add(replace(session(ann, 1), agent="nul \0 and half a pair \ud800"), keep=100)
    assert len(database.sessions.living(ann.id, NOW)) == 1


def test_the_journal_is_asked_by_account_kind_caller_and_time_and_goes_on_where_it_stopped(database: Database) -> None:
    events = [
        Event(what=What.REGISTERED, at=NOW, account_id=1, caller=Caller("192.0.2.1", "a phone", "request")),
        Event(what=What.LOGIN_FAILED, at=NOW + 1, caller=Caller("192.0.2.2"), note="unknown"),
        Event(what=What.LOGGED_IN, at=NOW + 2, account_id=1, session_id="session", caller=Caller("192.0.2.1")),
        Event(what=What.LOGGED_IN, at=NOW + 3, account_id=2),
    ]
    with database.begin() as tx:
        for event in events:
            tx.journal.add(event)

    def found(most: int = 10, **wanted: Any) -> list[Event]:
        return [event for _, event in database.journal.find(Query(**wanted), most=most)]

    assert found() == events
    assert found(account_id=1) == [events[0], events[2]]
    assert found(what=What.LOGGED_IN) == events[2:]
    assert found(address="192.0.2.2") == [events[1]]
    assert found(since=NOW + 1, until=NOW + 3) == events[1:3]
    assert found(account_id=1, what=What.LOGGED_IN, address="192.0.2.1", since=NOW) == [events[2]]
    positions = [position for position, _ in database.journal.find(Query(), most=2)]
    assert positions == sorted(positions)
    assert found(after=positions[-1]) == events[2:]


def journalled(database: Database, *accounts: int, at: float = NOW) -> None:
    with database.begin() as tx:
        for account_id in accounts:
            tx.journal.add(Event(what=What.REGISTERED, at=at, account_id=account_id))


def followed(database: Database, after: int = 0, *, now: float = NOW, most: int = 9) -> list[int | None]:
    return [event.account_id for _, event in database.journal.follow(after, now, most=most)]


def test_the_journal_is_followed_in_order_from_any_position(database: Database) -> None:
    journalled(database, 1, 2, 3)
    assert followed(database) == [1, 2, 3]
    [(first, _), *_] = database.journal.follow(0, NOW, most=1)
    assert followed(database, first) == [2, 3]
    assert followed(database, most=2) == [1, 2]
    journalled(database, 4)
    assert followed(database, first + 2) == [4]
    assert followed(database, first + 3) == []


def test_whoever_waits_for_events_is_called_after_each_commit_that_holds_one(kept: Kept) -> None:
    journalled(kept.database, 1, 2)
    with suppress(KeyError), kept.database.begin() as tx:
        tx.journal.add(Event(what=What.REGISTERED, at=NOW))
        raise KeyError
    stored(kept.database, ada())
    assert kept.calls == ["event"]


def test_a_reader_begins_at_the_beginning_and_moves_on(database: Database) -> None:
    assert database.cursors.look("crm") == Cursor(name="crm")
    with database.begin() as tx:
        assert tx.cursors.claim("crm") == Cursor(name="crm")
        moved = Cursor(name="crm", position=7, moved_at=NOW, held_until=NOW + 1 / 3)
        tx.cursors.save(moved)
        assert tx.cursors.look("crm") == moved
    assert database.cursors.look("crm") == moved
    with database.begin() as tx:
        assert tx.cursors.claim("crm") == moved
        tx.cursors.save(Cursor(name="crm", position=2**40))
    assert database.cursors.look("crm") == Cursor(name="crm", position=2**40)
    assert database.cursors.look("nul \0") == Cursor(name="nul \0")


def test_a_cursor_that_was_not_claimed_here_cannot_be_saved(database: Database) -> None:
    with database.begin() as tx:
        tx.cursors.claim("crm")
        with pytest.raises(LookupError):
            tx.cursors.save(Cursor(name="billing", position=1))
    assert database.cursors.look("billing") == Cursor(name="billing")


def test_a_second_reader_of_a_name_waits_for_the_first(database: Database) -> None:
    done, seen = Signal(), list[int]()

    def second() -> None:
        with database.begin() as tx:
            seen.append(tx.cursors.claim("crm").position)
        done.set()

    waiting = Thread(target=second)
    with database.begin() as tx:
        found = tx.cursors.claim("crm")
        waiting.start()
        assert not done.wait(0.05)
        tx.cursors.save(replace(found, position=3))
    waiting.join()
    assert seen == [3]


# --- accounts in a table of one's own ---------------------------------------------------------------------------------


def test_a_table_of_ones_own_that_lacks_a_column_is_refused() -> None:
    columns = {name: column for name, column in people.COLUMNS.items() if name not in {"settled", "image"}}
    with pytest.raises(ValueError, match="needs columns for these too: settled, image"):
        AccountsTable(columns)


def test_a_table_of_ones_own_whose_keys_are_not_unique_is_refused() -> None:
    twin = Table("twin", MetaData(), *(Column(name, column.type) for name, column in people.COLUMNS.items()))
    with pytest.raises(ValueError, match="have to be unique: username_key, email_key, mobile_key"):
        AccountsTable(dict(twin.columns))


def test_accounts_in_two_tables_are_refused() -> None:
    other = Table("other", MetaData(), Column("image", Text))
    with pytest.raises(ValueError, match="all in one table"):
        AccountsTable({**people.COLUMNS, "image": other.c.image})
