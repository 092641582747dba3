"""End of all sessions and codes after a restore: a session that was ended after the backup must not be active again."""

from sqlalchemy import bindparam, delete, func, select, update

from .schema import challenges, invitations, proofs, sessions
from .sql import ConnectionPool

_BATCH = 1000

_batch = (
    select(sessions.c.id).where(sessions.c.id > bindparam("after")).order_by(sessions.c.id).limit(bindparam("limit")).subquery()
)
_LAST_OF_BATCH = select(func.max(_batch.c.id))
_END = (
    update(sessions)
    .where(
        sessions.c.id > bindparam("after"),
        sessions.c.id <= bindparam("last"),
        sessions.c.revoked_at.is_(None),
        sessions.c.expires_at > bindparam("now"),
    )
    .values(revoked_at=bindparam("now"))
    .returning(sessions.c.id)
)
_codes_and_proofs = delete(challenges), delete(proofs), delete(invitations)


def end_sessions_and_codes(pool: ConnectionPool, now: float) -> int:
    """Revokes all active sessions, in batches of a transaction each, and deletes all codes, proofs and
    invitations. Returns how many sessions it revoked. Raises `Unavailable`; batches before that stay.
    """
    ended, after = 0, ""
    with pool.begin() as sql:
        for statement in _codes_and_proofs:
            sql.run(statement)
    while last := pool.query(_LAST_OF_BATCH, after=after, limit=_BATCH)[0][0]:
        with pool.begin() as sql:
            ended += len(sql.run(_END, after=after, last=last, now=now))
        after = last
    return ended
