"""How long rows are kept when nothing asks for them any more, and their end, a few at a time."""

from typing import Any

from sqlalchemy import ClauseElement, Column, ColumnElement, Table, bindparam, delete, select

from .schema import audit_log, challenges, outbox, proofs, rate_limits, sessions
from .sql import Unit

_DAY = 86_400.0
_SESSION_LIFE = 30 * _DAY


def _old(table: Table, key: Column[Any], *conditions: ColumnElement[bool]) -> ClauseElement:
    """Not what somebody has claimed: it may be of use again, and then is not what was looked for."""
    some = select(key).where(*conditions).limit(bindparam("limit")).with_for_update(skip_locked=True)
    return delete(table).where(key.in_(some)).returning(key)


def _before(moment: Column[Any]) -> ColumnElement[bool]:
    return moment < bindparam("cutoff")


_oldest = (
    select(audit_log.c.position, audit_log.c.occurred_at).order_by(audit_log.c.position).limit(bindparam("limit")).subquery()
)
_PURGES = (
    (_DAY, _old(challenges, challenges.c.id, _before(challenges.c.expires_at))),
    (_DAY, _old(proofs, proofs.c.digest, _before(proofs.c.verified_at))),
    (_SESSION_LIFE + 30 * _DAY, _old(sessions, sessions.c.id, _before(sessions.c.created_at))),
    (0.0, _old(rate_limits, rate_limits.c.key, _before(rate_limits.c.expires_at))),
    (7 * _DAY, _old(outbox, outbox.c.position, outbox.c.due_at.is_(None), _before(outbox.c.expires_at))),
    (
        400 * _DAY,
        delete(audit_log)
        .where(audit_log.c.position.in_(select(_oldest.c.position).where(_oldest.c.occurred_at < bindparam("cutoff"))))
        .returning(audit_log.c.position),
    ),
)


def purge(unit: Unit, now: float, limit: int) -> int:
    """Deletes up to `most` rows of each table whose time is over; answers how many.

    Codes and proofs go a day after their end, sessions 30 days after the latest they can have ended, dead letters a week
    after theirs, events after 400 days.
    """
    return sum(len(unit.run(statement, cutoff=now - kept, limit=limit)) for kept, statement in _PURGES)
