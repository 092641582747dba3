"""The outbox in SQL: what is sent is forgotten, what is given up stays, out of the couriers' sight."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, func, insert, null, select, union_all, update

from ...application.ports import Channel, Message, OutboxEntry
from ...domain.code import CodePurpose
from .schema import outbox
from .sql import Ask, Row, Unit, binds

_columns = outbox.columns
_this = _columns.id == bindparam("message_id")
_message = [
    _columns.id,
    _columns.channel,
    _columns.recipient,
    _columns.template,
    _columns.challenge,
    _columns.parameters,
    _columns.not_before,
    _columns.expires_at,
    _columns.attempts,
]

_ADD = insert(outbox).values(binds([*_message, _columns.due_at]))
_DUE = (
    select(*_message)
    .where(_columns.due_at <= bindparam("now"))
    .order_by(_columns.due_at, _columns.position)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_DUE_OF_CHANNEL = _DUE.where(_columns.channel == bindparam("channel"))
_LEASE = update(outbox).where(_this).values(due_at=bindparam("until"))
_DONE = delete(outbox).where(_this)
_LATER = (
    update(outbox)
    .where(_this, _columns.due_at.is_not(None))
    .values(attempts=_columns.attempts + 1, not_before=bindparam("again"), due_at=bindparam("again"))
)
_PUT_BACK = update(outbox).where(_this, _columns.due_at.is_not(None)).values(due_at=_columns.not_before)
_DEAD = update(outbox).where(_this).values(due_at=null(), failure_reason=bindparam("reason"))
_RETRY = (
    update(outbox)
    .where(_this)
    .values(attempts=0, not_before=bindparam("again"), due_at=bindparam("again"), failure_reason=null())
)
_POSTED = ("position", "due_at", "failure_reason")
_CLAIM = select(*_columns[_POSTED], *_message).where(_this).with_for_update()
_FIND = (
    select(*_columns[_POSTED], *_message)
    .where(_columns.position > bindparam("after"))
    .order_by(_columns.position)
    .limit(bindparam("limit"))
)
_FIND_DEAD = _FIND.where(_columns.due_at.is_(None))
_BACKLOG = union_all(
    select(_columns.channel, func.count(), func.min(_columns.due_at))
    .where(_columns.due_at <= bindparam("now"))
    .group_by(_columns.channel),
    select(_columns.channel, func.count(), null()).where(_columns.due_at.is_(None)).group_by(_columns.channel),
)


class Backlog(NamedTuple):
    """Messages of one kind: how many are due, since when the oldest is, and how many were given up."""

    kind: Channel
    due: int
    due_since: float | None
    dead: int


def backlog(ask: Ask, now: float) -> list[Backlog]:
    """Of every kind. What a courier has, and what waits for its next try, is not due."""
    rows = {(kind, since is None): (count, since) for kind, count, since in ask(_BACKLOG, now=now)}
    nothing = (0, None)
    return [
        Backlog(kind, *rows.get((kind.value, False), nothing), rows.get((kind.value, True), nothing)[0]) for kind in Channel
    ]


class SqlOutboxReads:
    """Messages as committed."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def find(self, *, failed: bool, after: int, limit: int) -> Sequence[OutboxEntry]:
        return [_posted(row) for row in self._ask(_FIND_DEAD if failed else _FIND, after=after, limit=limit)]


class SqlOutbox:
    """Messages inside a transaction."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self.has_new = False

    def add(self, message: Message) -> None:
        self._unit.run(
            _ADD,
            id=message.id,
            channel=message.channel.value,
            recipient=message.recipient,
            template=message.template,
            challenge=message.challenge and json.dumps(message.challenge),
            parameters=json.dumps(dict(message.values)),
            not_before=message.not_before,
            expires_at=message.expires_at,
            attempts=message.attempts,
            due_at=message.not_before,
        )
        self.has_new = True

    def lease(self, now: float, *, seconds: float, limit: int, channel: Channel | None = None) -> Sequence[Message]:
        due, of = (_DUE, {}) if channel is None else (_DUE_OF_CHANNEL, {"channel": channel.value})
        leased = [_read(row) for row in self._unit.ask(due, now=now, limit=limit, **of)]
        for message in leased:
            self._unit.run(_LEASE, message_id=message.id, until=now + seconds)
        return leased

    def delete(self, message_id: str) -> None:
        self._unit.run(_DONE, message_id=message_id)

    def reschedule(self, message_id: str, not_before: float) -> None:
        self._unit.run(_LATER, message_id=message_id, again=not_before)

    def release(self, message_id: str) -> None:
        self._unit.run(_PUT_BACK, message_id=message_id)

    def give_up(self, message_id: str, reason: str) -> None:
        self._unit.run(_DEAD, message_id=message_id, reason=reason)

    def lock(self, message_id: str) -> OutboxEntry | None:
        rows = self._unit.ask(_CLAIM, message_id=message_id)
        return _posted(rows[0]) if rows else None

    def retry(self, message_id: str, now: float) -> None:
        self._unit.run(_RETRY, message_id=message_id, again=now)
        self.has_new = True


def _posted(row: Row) -> OutboxEntry:
    position, due_at, failure_reason, *message = row
    return OutboxEntry(position=position, message=_read(message), due_at=due_at, failure_reason=failure_reason)


def _read(row: Sequence[Any]) -> Message:
    message_id, channel, recipient, template, challenge, parameters, not_before, expires_at, attempts = row
    return Message(
        id=message_id,
        channel=Channel(channel),
        recipient=recipient,
        template=template,
        challenge=challenge and _challenge(*json.loads(challenge)),
        values=json.loads(parameters),
        not_before=not_before,
        expires_at=expires_at,
        attempts=attempts,
    )


def _challenge(challenge_id: str, purpose: str, canonical: str) -> tuple[str, CodePurpose, str]:
    return challenge_id, CodePurpose(purpose), canonical
