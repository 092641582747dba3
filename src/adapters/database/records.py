"""Everything that the tables hold about an account, for its owner.

Columns are exported unless they are left out by name, so that a new column is in the export as well.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Double, Select, Table, bindparam, select

from ...application.ports import Channel
from ...domain.account import Account
from .schema import accounts, audit_log, challenges, imports, invitations, outbox, proofs, sessions
from .sql import Query

PAGE = 500

LEFT_OUT: Mapping[Table, frozenset[str]] = {
    accounts: frozenset({"password_hash"}),
    challenges: frozenset({"id", "on_behalf_of", "network"}),
    proofs: frozenset({"digest"}),
    invitations: frozenset({"id", "digest"}),
    outbox: frozenset({"challenge"}),
    imports: frozenset({"digests"}),
}
"""Hashes and digests of secrets, that from which codes and tokens are derived, and the network and the mobile of a
code's requester."""


def _select(table: Table, condition: ColumnElement[bool], key: str = "") -> Select[Any]:
    """Selects the columns that are not left out; with `key` one page, of the rows beyond the parameter `after`."""
    kept = [column for column in table.columns if column.name not in LEFT_OUT.get(table, ())]
    rows = select(*kept).where(condition)
    if not key:
        return rows
    return rows.where(table.columns[key] > bindparam("after")).order_by(table.columns[key]).limit(PAGE)


_ACCOUNT = _select(accounts, accounts.c.id == bindparam("account_id"))
_SESSIONS = _select(sessions, sessions.c.account_id == bindparam("account_id"), "id")
_CODES, _PROOFS, _INVITATIONS = (
    _select(table, (table.c.address_kind == bindparam("kind")) & (table.c.canonical_address == bindparam("canonical")))
    for table in (challenges, proofs, invitations)
)
_SENT_INVITATIONS = _select(invitations, invitations.c.invited_by == bindparam("account_id"))
_IMPORTS = _select(imports, imports.c.account_id == bindparam("account_id"))
_MESSAGES = _select(
    outbox, (outbox.c.account_id == bindparam("account_id")) & (outbox.c.channel != Channel.WEBHOOK.value), "position"
)
_EVENTS = _select(audit_log, audit_log.c.account_id == bindparam("account_id"), "position")


class SqlAccountRecords:
    """Reads them page by page."""

    def __init__(self, query: Query) -> None:
        self._query = query

    def read(self, account: Account) -> Iterator[tuple[str, Mapping[str, object]]]:
        own = {"account_id": account.id}
        verified = [address for address in account.addresses if account.has_verified(address)]
        for row in self._query(_ACCOUNT, **own):
            yield "account", _record(_ACCOUNT, row)
        yield from (("sessions", one) for one in self._paged(_SESSIONS, "id", "", own))
        for kind, statement in (("codes", _CODES), ("proofs", _PROOFS), ("invitations", _INVITATIONS)):
            for address in verified:
                rows = self._query(statement, kind=address.kind.value, canonical=address.canonical)
                yield from ((kind, _record(statement, row)) for row in rows)
        yield from (("invitations", _record(_SENT_INVITATIONS, row)) for row in self._query(_SENT_INVITATIONS, **own))
        yield from (("imports", _record(_IMPORTS, row)) for row in self._query(_IMPORTS, **own))
        yield from (("messages", one) for one in self._paged(_MESSAGES, "position", 0, own))
        yield from (("audit_log", _without_operator(one)) for one in self._paged(_EVENTS, "position", 0, own))

    def _paged(self, statement: Select[Any], key: str, after: Any, values: Mapping[str, Any]) -> Iterator[dict[str, object]]:
        while rows := self._query(statement, after=after, **values):
            for row in rows:
                record = _record(statement, row)
                after = record[key]
                yield record


def _without_operator(event: dict[str, object]) -> dict[str, object]:
    """The event without the operator's name, network and device, which are another person's: an operator is just `operator`."""
    if event["actor"] is None:
        return event
    return event | {"actor": "operator", "caller_ip_address": None, "caller_user_agent": None, "request_id": None}


def _record(statement: Select[Any], row: tuple[Any, ...]) -> dict[str, object]:
    return {column.name: _value(column, value) for column, value in zip(statement.selected_columns, row, strict=True)}


def _value(column: Any, value: Any) -> object:
    if value is None:
        return None
    if isinstance(column.type, Double):  # every such column is a time
        return datetime.fromtimestamp(value, UTC)
    if isinstance(column.type, Boolean):  # SQLite returns numbers
        return bool(value)
    read = _READERS.get(column.name)
    try:
        return read(value) if read else value
    except (ValueError, TypeError, LookupError, OverflowError):  # a damaged row is exported as it is
        return value


def _recovery_addresses(text: str) -> list[dict[str, object]]:
    """The addresses that can recover the account; `other_address` is that of the other kind, which comes back with it."""
    return [
        {
            "address": address[1],
            "replaced_at": datetime.fromtimestamp(replaced_at, UTC),
            "expires_at": None if expires_at is None else datetime.fromtimestamp(expires_at, UTC),
            "other_address": other and other[1],
            "other_address_verified": other_verified,
        }
        for address, replaced_at, expires_at, other, other_verified in json.loads(text)
    ]


_READERS: Mapping[str, Callable[[str], object]] = {"parameters": json.loads, "recovery": _recovery_addresses}
"""The readers of columns of JSON text, by name; the same name in two tables means the same."""
