"""The records of an account."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from ....application.ports import RecordedDatabase
from ....domain.account import Account
from ....domain.code import Proof
from ....domain.events import Caller, Event, EventType
from .builders import MAIL, MOBILE, NOW, ada, bob, challenge, logged_in, message, post, put, registered, stored, with_events


def records(database: RecordedDatabase, account: Account) -> dict[str, list[Mapping[str, Any]]]:
    """Returns the rows of each kind, in order; the rows of a kind must follow one another."""
    found = [(kind, list(rows)) for kind, rows in groupby(database.records.read(account), key=lambda one: one[0])]
    assert len(dict(found)) == len(found)
    return {kind: [row for _, row in rows] for kind, rows in found}


def prove(database: RecordedDatabase, *proofs: Proof) -> None:
    with database.begin() as tx:
        for proof in proofs:
            tx.proofs.add(proof)


class RecordsContract:
    """The records of an account."""

    def test_account_comes_first_and_kinds_without_rows_do_not_come(self, database: RecordedDatabase) -> None:
        account = stored(database, ada())
        (kind,) = found = records(database, account)
        assert kind == "account"
        [row] = found["account"]
        assert (row["id"], row["username"], row["email"]) == (account.id, "Ada", MAIL.text)
        assert (row["mobile_verified"], row["email_verified"]) == (True, False)
        assert row["created_at"] == datetime.fromtimestamp(NOW, UTC)

    def test_rows_of_other_accounts_are_left_out(self, database: RecordedDatabase) -> None:
        own, other = stored(database, ada()), stored(database, bob())
        logged_in(database, own, 1)
        logged_in(database, other, 2)
        with_events(database, registered(own.id), registered(other.id), Event(type=EventType.CODE_SENT, occurred_at=NOW))
        post(
            database,
            message(1, recipient=MAIL.text, template="notice", challenge=None, account_id=own.id),
            message(2, recipient="bob@example.org", template="notice", challenge=None, account_id=other.id),
        )
        found = records(database, own)
        assert [row["id"] for row in found["sessions"]] == ["session-1"]
        assert [row["account_id"] for row in found["audit_log"]] == [own.id]
        assert [(row["id"], row["recipient"]) for row in found["messages"]] == [("message-1", MAIL.text)]

    def test_codes_and_proofs_are_those_of_verified_addresses(self, database: RecordedDatabase) -> None:
        account = stored(database, ada())
        put(database, challenge(1, address=MAIL), challenge(2, address=MOBILE))
        prove(database, *(Proof(digest=f"digest of {one.kind}", address=one, verified_at=NOW) for one in (MAIL, MOBILE)))
        found = records(database, account)
        assert [row["address"] for row in found["codes"]] == [MOBILE.text]
        assert [row["address"] for row in found["proofs"]] == [MOBILE.text]

    def test_secrets_and_what_codes_are_derived_from_are_left_out(self, database: RecordedDatabase) -> None:
        account = stored(database, ada())
        put(database, challenge(2, address=MOBILE))
        prove(database, Proof(digest="digest of a proof", address=MOBILE, verified_at=NOW))
        post(database, message(1, account_id=account.id))
        text = repr(records(database, account))
        for secret in (str(account.password_hash), "challenge-1", "challenge-2", "digest of a proof"):
            assert secret not in text

    def test_operators_are_not_named(self, database: RecordedDatabase) -> None:
        account, caller = stored(database, ada()), Caller("192.0.2.1", "a browser", "request-1")
        by_operator = Event(
            type=EventType.SUSPENDED, occurred_at=NOW, account_id=account.id, caller=caller, actor="account 7", reason="spam"
        )
        with_events(
            database, by_operator, Event(type=EventType.LOGGED_IN, occurred_at=NOW, account_id=account.id, caller=caller)
        )
        operators, own = records(database, account)["audit_log"]
        assert (operators["actor"], operators["reason"], operators["caller_ip_address"]) == ("operator", "spam", None)
        assert (operators["caller_user_agent"], operators["request_id"]) == (None, None)
        assert (own["actor"], own["caller_ip_address"]) == (None, "192.0.2.1")

    def test_any_number_of_rows_is_read_in_order(self, database: RecordedDatabase) -> None:
        account = stored(database, ada())
        with_events(
            database,
            *(
                Event(type=EventType.REFRESHED, occurred_at=NOW, account_id=account.id, detail=str(number))
                for number in range(1001)
            ),
        )
        assert [row["detail"] for row in records(database, account)["audit_log"]] == [str(number) for number in range(1001)]
