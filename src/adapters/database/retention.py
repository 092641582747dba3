"""Retention: how long rows are kept after their last use, and their deletion in small batches."""

from typing import Any

from sqlalchemy import ClauseElement, Column, ColumnElement, Table, bindparam, delete, select

from .schema import audit_log, challenges, invitations, outbox, proofs, rate_limits, sessions
from .sql import OpenTransaction

_DAY = 86_400.0


def _delete(table: Table, key: Column[Any], *conditions: ColumnElement[bool]) -> ClauseElement:
    """Skips locked rows: the transaction that holds the lock may put them to use again."""
    batch = select(key).where(*conditions).limit(bindparam("limit")).with_for_update(skip_locked=True)
    return delete(table).where(key.in_(batch)).returning(key)


def _before(moment: Column[Any]) -> ColumnElement[bool]:
    return moment < bindparam("cutoff")


_oldest = (
    select(audit_log.c.position, audit_log.c.occurred_at).order_by(audit_log.c.position).limit(bindparam("limit")).subquery()
)
_PURGE_SESSIONS = _delete(sessions, sessions.c.id, _before(sessions.c.created_at))
_PURGES = (
    (_DAY, _delete(challenges, challenges.c.id, _before(challenges.c.expires_at))),
    (_DAY, _delete(proofs, proofs.c.digest, _before(proofs.c.verified_at))),
    (_DAY, _delete(invitations, invitations.c.id, _before(invitations.c.expires_at))),
    (0.0, _delete(rate_limits, rate_limits.c.key, _before(rate_limits.c.expires_at))),
    (7 * _DAY, _delete(outbox, outbox.c.position, outbox.c.due_at.is_(None), _before(outbox.c.expires_at))),
    (
        400 * _DAY,
        delete(audit_log)
        .where(audit_log.c.position.in_(select(_oldest.c.position).where(_oldest.c.occurred_at < bindparam("cutoff"))))
        .returning(audit_log.c.position),
    ),
)


def purge(sql: OpenTransaction, now: float, limit: int, session_lifetime: float) -> int:
    """Deletes up to `limit` expired rows of each table; returns how many.

    Codes and invitations are deleted a day after they expire, proofs a day after the verification, sessions 30 days after they
    expire at the latest, failed messages a week after they expire, events after 400 days.
    """
    purges = ((session_lifetime + 30 * _DAY, _PURGE_SESSIONS), *_PURGES)
    return sum(len(sql.run(statement, cutoff=now - age, limit=limit)) for age, statement in purges)
