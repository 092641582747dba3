"""The outbox in SQL: sent messages are deleted, failed ones stay, out of the delivery workers' sight."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec import json
from sqlalchemy import Double, bindparam, case, delete, func, insert, null, select, union_all, update

from ...application.ports import TURN_SECONDS, Backlog, Channel, Message, OutboxEntry
from ...domain.account import Address
from ...domain.code import CodePurpose
from .schema import outbox
from .sql import OpenTransaction, Query, Row, binds, values_of

_columns = outbox.columns
_by_id = _columns.id == bindparam("message_id")
_PLAIN: dict[str, type | tuple[type, ...]] = {
    "id": str,
    "recipient": (str, type(None)),
    "template": str,
    "not_before": float,
    "expires_at": float,
    "failed_attempts": int,
    "account_id": (int, type(None)),
}
"""The columns that are fields of a message as they are, with their types: SQLite stores any type in any column."""

_URGENT, _ROUTINE = 0, 1
_message = [*_columns["channel", "challenge", "parameters", "priority", *_PLAIN]]
_entry = select(_columns.position, _columns.due_at, _columns.failure_reason, *_message)

_next_turn = select(func.max(_columns.turn) + TURN_SECONDS).where(
    _columns.account_id == bindparam("account_id"),
    _columns.channel == bindparam("channel"),
    _columns.priority == bindparam("priority"),
)
_turns = union_all(select(bindparam("not_before", type_=Double).label("turn")), _next_turn).subquery()
_turn = select(func.max(_turns.c.turn)).scalar_subquery()
_ADD = insert(outbox).values({**binds([*_message, _columns.due_at]), "turn": _turn}).inline()
_DUE = (
    select(*_message)
    .where(_columns.due_at <= bindparam("now"))
    .order_by(_columns.priority, _columns.turn, _columns.position)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_DUE_OF_CHANNEL = _DUE.where(_columns.channel == bindparam("channel"))
_LEASE = update(outbox).where(_by_id).values(due_at=bindparam("until"), turn=_columns.turn + TURN_SECONDS)
"""Moves the turn too: a message that crashes its worker must not be first again."""

_DELETE = delete(outbox).where(_by_id)
_DELETE_OF = delete(outbox).where(_columns.account_id == bindparam("account_id"))
_DELETE_TO = delete(outbox).where(_columns.channel == bindparam("channel"), _columns.recipient == bindparam("recipient"))
"""Reads all waiting messages of a channel, once for each address of a deleted account."""

_later_turn = case((_columns.turn > bindparam("again"), _columns.turn), else_=bindparam("again"))
_again = {"not_before": bindparam("again"), "due_at": bindparam("again"), "turn": _later_turn}
_COUNT_FAILURE = (
    update(outbox).where(_by_id, _columns.due_at.is_not(None)).values(failed_attempts=_columns.failed_attempts + 1, **_again)
)
_RELEASE_LEASE = (
    update(outbox)
    .where(_by_id, _columns.due_at.is_not(None))
    .values(due_at=_columns.not_before, turn=_columns.turn - TURN_SECONDS)
)
_MARK_FAILED = update(outbox).where(_by_id).values(due_at=null(), failure_reason=bindparam("reason"))
_REQUEUE = update(outbox).where(_by_id).values(failed_attempts=0, failure_reason=null(), **_again)
_LOCK = _entry.where(_by_id).with_for_update()
_FIND = _entry.where(_columns.position > bindparam("after")).order_by(_columns.position).limit(bindparam("limit"))
_FIND_FAILED = _FIND.where(_columns.due_at.is_(None))
_BACKLOG = union_all(
    select(_columns.channel, func.count(), func.min(_columns.due_at))
    .where(_columns.due_at.between(0.0, bindparam("now")))  # with a lower bound SQLite takes the index of `due_at`
    .group_by(_columns.channel),
    select(_columns.channel, func.count(), null()).where(_columns.due_at.is_(None)).group_by(_columns.channel),
)

_log = logging.getLogger("vestibule.delivery")


class SqlOutboxReads:
    """Reads committed messages."""

    def __init__(self, query: Query) -> None:
        self._query = query

    def backlog(self, now: float) -> Sequence[Backlog]:
        rows = {(channel, since is None): (count, since) for channel, count, since in self._query(_BACKLOG, now=now)}
        empty = (0, None)
        return [
            Backlog(channel, *rows.get((channel.value, False), empty), rows.get((channel.value, True), empty)[0])
            for channel in Channel
        ]

    def find(self, *, failed: bool, after: int, limit: int) -> Sequence[OutboxEntry]:
        return [_entry_of(row) for row in self._query(_FIND_FAILED if failed else _FIND, after=after, limit=limit)]


class SqlOutbox:
    """Adds, leases and changes messages in one transaction, and calls `on_add` for each that becomes due."""

    def __init__(self, sql: OpenTransaction, on_add: Callable[[], None]) -> None:
        self._sql = sql
        self._on_add = on_add

    def add(self, message: Message) -> None:
        self._sql.run(
            _ADD,
            channel=message.channel.value,
            challenge=message.challenge and json.encode(message.challenge).decode(),
            parameters=json.encode(dict(message.values)).decode(),
            priority=_URGENT if message.is_urgent else _ROUTINE,
            due_at=message.not_before,
            **values_of(message, _PLAIN),
        )
        self._on_add()

    def lease(self, now: float, *, seconds: float, limit: int, channel: Channel | None = None) -> Sequence[Message]:
        statement, filters = (_DUE, {}) if channel is None else (_DUE_OF_CHANNEL, {"channel": channel.value})
        leased: list[Message] = []
        while not leased and (rows := self._sql.query(statement, now=now, limit=limit, **filters)):
            for row in rows:
                try:
                    message = _message_of(row)
                except Exception as error:  # noqa: BLE001 — whatever is wrong with one row, the others must be sent
                    self._mark_damaged(_id_of(row), error)
                else:
                    self._sql.run(_LEASE, message_id=message.id, until=now + seconds)
                    leased.append(message)
        return leased

    def _mark_damaged(self, message_id: str, error: Exception) -> None:
        reason = f"its row is damaged ({type(error).__name__})"
        _log.error("message %s failed permanently: %s", message_id, reason)
        self.mark_failed(message_id, reason)

    def delete(self, message_id: str) -> None:
        self._sql.run(_DELETE, message_id=message_id)

    def delete_of(self, account_id: int, addresses: Iterable[Address]) -> None:
        self._sql.run(_DELETE_OF, account_id=account_id)
        for address in addresses:
            self._sql.run(_DELETE_TO, channel=Channel(address.kind).value, recipient=address.recipient)

    def count_failure(self, message_id: str, retry_at: float) -> None:
        self._sql.run(_COUNT_FAILURE, message_id=message_id, again=retry_at)

    def release_lease(self, message_id: str) -> None:
        self._sql.run(_RELEASE_LEASE, message_id=message_id)

    def mark_failed(self, message_id: str, reason: str) -> None:
        self._sql.run(_MARK_FAILED, message_id=message_id, reason=reason)

    def lock(self, message_id: str) -> OutboxEntry | None:
        rows = self._sql.query(_LOCK, message_id=message_id)
        return _entry_of(rows[0]) if rows else None

    def requeue(self, message_id: str, now: float) -> None:
        self._sql.run(_REQUEUE, message_id=message_id, again=now)
        self._on_add()


def _entry_of(row: Row) -> OutboxEntry:
    position, due_at, failure_reason, *columns = row
    try:
        message, is_readable = _message_of(columns), True
    except Exception:  # noqa: BLE001 — the operator must see and drop such a row, whatever is wrong with it
        unknown: dict[str, Any] = {"channel": Channel.EMAIL, "recipient": None, "not_before": 0.0, "expires_at": 0.0}
        message, is_readable = Message(id=_id_of(columns), template="", **unknown), False
    return OutboxEntry(
        position=position, message=message, due_at=due_at, failure_reason=failure_reason, is_readable=is_readable
    )


def _id_of(row: Sequence[Any]) -> str:
    message_id: str = row[_message.index(_columns.id)]
    return message_id


def _message_of(row: Sequence[Any]) -> Message:
    """Raises an exception of some kind for a row that this program has not written."""
    channel, challenge, parameters, priority, *plain = row
    fields, values = dict(zip(_PLAIN, plain, strict=True)), json.decode(parameters)
    wrong = [name for name, kind in _PLAIN.items() if not isinstance(fields[name], kind)]
    if wrong or not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise TypeError
    return Message(
        channel=Channel(channel),
        challenge=challenge and _challenge_of(*json.decode(challenge)),
        values=values,
        is_urgent=priority == _URGENT,
        **fields,
    )


def _challenge_of(challenge_id: str, purpose: str, canonical_address: str) -> tuple[str, CodePurpose, str]:
    if not isinstance(challenge_id, str) or not isinstance(canonical_address, str):
        raise TypeError
    return challenge_id, CodePurpose(purpose), canonical_address
