"""The outbox in SQL: sent messages are deleted, failed ones stay, out of the delivery workers' sight."""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, func, insert, null, select, union_all, update

from ...application.ports import Channel, Message, OutboxEntry
from ...domain.code import CodePurpose
from .schema import outbox
from .sql import OpenTransaction, Query, Row, binds, values_of

_columns = outbox.columns
_by_id = _columns.id == bindparam("message_id")
_PLAIN = ("id", "recipient", "template", "not_before", "expires_at", "failed_attempts")
_message = [*_columns["channel", "challenge", "parameters", *_PLAIN]]
_entry = select(_columns.position, _columns.due_at, _columns.failure_reason, *_message)

_ADD = insert(outbox).values(binds([*_message, _columns.due_at]))
_DUE = (
    select(*_message)
    .where(_columns.due_at <= bindparam("now"))
    .order_by(_columns.due_at, _columns.position)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_DUE_OF_CHANNEL = _DUE.where(_columns.channel == bindparam("channel"))
_LEASE = update(outbox).where(_by_id).values(due_at=bindparam("until"))
_DELETE = delete(outbox).where(_by_id)
_COUNT_FAILURE = (
    update(outbox)
    .where(_by_id, _columns.due_at.is_not(None))
    .values(failed_attempts=_columns.failed_attempts + 1, not_before=bindparam("again"), due_at=bindparam("again"))
)
_RELEASE_LEASE = update(outbox).where(_by_id, _columns.due_at.is_not(None)).values(due_at=_columns.not_before)
_MARK_FAILED = update(outbox).where(_by_id).values(due_at=null(), failure_reason=bindparam("reason"))
_REQUEUE = (
    update(outbox)
    .where(_by_id)
    .values(failed_attempts=0, not_before=bindparam("again"), due_at=bindparam("again"), failure_reason=null())
)
_LOCK = _entry.where(_by_id).with_for_update()
_FIND = _entry.where(_columns.position > bindparam("after")).order_by(_columns.position).limit(bindparam("limit"))
_FIND_FAILED = _FIND.where(_columns.due_at.is_(None))
_BACKLOG = union_all(
    select(_columns.channel, func.count(), func.min(_columns.due_at))
    .where(_columns.due_at <= bindparam("now"))
    .group_by(_columns.channel),
    select(_columns.channel, func.count(), null()).where(_columns.due_at.is_(None)).group_by(_columns.channel),
)


class Backlog(NamedTuple):
    """The messages of one channel: how many are due, since when the oldest is due, and how many have failed permanently."""

    channel: Channel
    due: int
    due_since: float | None
    failed: int


def backlog(query: Query, now: float) -> list[Backlog]:
    """The backlog of every channel. Leased messages and those that wait for a retry are not due."""
    rows = {(channel, since is None): (count, since) for channel, count, since in query(_BACKLOG, now=now)}
    empty = (0, None)
    return [
        Backlog(channel, *rows.get((channel.value, False), empty), rows.get((channel.value, True), empty)[0])
        for channel in Channel
    ]


class SqlOutboxReads:
    """Reads committed messages."""

    def __init__(self, query: Query) -> None:
        self._query = query

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
            challenge=message.challenge and json.dumps(message.challenge),
            parameters=json.dumps(dict(message.values)),
            due_at=message.not_before,
            **values_of(message, _PLAIN),
        )
        self._on_add()

    def lease(self, now: float, *, seconds: float, limit: int, channel: Channel | None = None) -> Sequence[Message]:
        statement, filters = (_DUE, {}) if channel is None else (_DUE_OF_CHANNEL, {"channel": channel.value})
        leased = [_message_of(row) for row in self._sql.query(statement, now=now, limit=limit, **filters)]
        for message in leased:
            self._sql.run(_LEASE, message_id=message.id, until=now + seconds)
        return leased

    def delete(self, message_id: str) -> None:
        self._sql.run(_DELETE, message_id=message_id)

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
    position, due_at, failure_reason, *message = row
    return OutboxEntry(position=position, message=_message_of(message), due_at=due_at, failure_reason=failure_reason)


def _message_of(row: Sequence[Any]) -> Message:
    channel, challenge, parameters, *plain = row
    return Message(
        channel=Channel(channel),
        challenge=challenge and _challenge_of(*json.loads(challenge)),
        values=json.loads(parameters),
        **dict(zip(_PLAIN, plain, strict=True)),
    )


def _challenge_of(challenge_id: str, purpose: str, canonical_address: str) -> tuple[str, CodePurpose, str]:
    return challenge_id, CodePurpose(purpose), canonical_address
