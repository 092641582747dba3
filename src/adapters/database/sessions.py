"""Sessions in SQL."""

from collections.abc import Sequence
from dataclasses import fields

from sqlalchemy import bindparam, insert, or_, select, update

from ...domain.account import Account
from ...domain.session import Session
from .accounts import account_of
from .locked_rows import LockedRows
from .schema import accounts, sessions
from .sql import OpenTransaction, Query, Row, storable, values_of

_columns = sessions.columns
_NAMES = tuple(field.name for field in fields(Session))
_session = _columns[_NAMES]
_active = (
    _columns.account_id == bindparam("account_id"),
    _columns.revoked_at.is_(None),
    _columns.expires_at > bindparam("now"),
)
_newest_first = (_columns.created_at.desc(), _columns.id.desc())
_surplus = select(_columns.id).where(*_active).order_by(*_newest_first).offset(bindparam("keep"))
_of_account = select(_columns.id).where(_columns.account_id == bindparam("account_id"))

_LOCK = select(*_session).where(_columns.id == bindparam("session_id")).with_for_update()
_LOCK_WITH_ACCOUNT = (
    select(*_session, *accounts.columns)
    .join_from(sessions, accounts, _columns.account_id == accounts.c.id)
    .where(_columns.id == bindparam("session_id"))
    .with_for_update(of=sessions)
)
_ACTIVE = select(*_session).where(*_active).order_by(*_newest_first)
_REVOKED = (
    select(_columns.revoked_at, _columns.id)
    .where(
        _columns.revoked_at >= bindparam("moment"),
        or_(_columns.revoked_at > bindparam("moment"), _columns.id > bindparam("session_id")),
    )
    .order_by(_columns.revoked_at, _columns.id)
    .limit(bindparam("limit"))
)
_IS_NEW_USER_AGENT = select(_of_account.exists() & ~_of_account.where(_columns.user_agent == bindparam("user_agent")).exists())
_ACCOUNT_EXISTS = select(accounts.c.id).where(accounts.c.id == bindparam("account_id"))
_REVOKE_SURPLUS = update(sessions).where(_columns.id.in_(_surplus)).values(revoked_at=bindparam("now")).returning(_columns.id)
_ADD = insert(sessions)
_SAVE = (
    update(sessions)
    .where(_columns.id == bindparam("session_id"))
    .values(refreshed_at=bindparam("refreshed_at"), expires_at=bindparam("expires_at"), generation=bindparam("generation"))
)
"""Leaves out `revoked_at`, which is indexed: SQLite rewrites the index entry of every column that is set, even to its value."""

_REVOKE = update(sessions).where(_columns.id == bindparam("session_id")).values(revoked_at=bindparam("now"))
_REVOKE_ALL = (
    update(sessions)
    .where(*_active, _columns.id != bindparam("except_id"))
    .values(revoked_at=bindparam("now"))
    .returning(_columns.id)
)


class SqlSessionReads:
    """Reads committed sessions."""

    def __init__(self, query: Query) -> None:
        self._query = query

    def active(self, account_id: int, now: float) -> Sequence[Session]:
        return [_session_of(row) for row in self._query(_ACTIVE, account_id=account_id, now=now)]

    def revoked(self, after: tuple[float, str], *, limit: int) -> Sequence[tuple[float, str]]:
        return [(row[0], row[1]) for row in self._query(_REVOKED, moment=after[0], session_id=after[1], limit=limit)]


class SqlSessions:
    """Locks and changes sessions in one transaction."""

    def __init__(self, sql: OpenTransaction, locked: LockedRows) -> None:
        self._sql = sql
        self._locked = locked

    def lock(self, session_id: str) -> Session | None:
        for row in self._sql.query(_LOCK, session_id=session_id):
            self._locked.add("sessions", session_id)
            return _session_of(row)
        return None

    def lock_with_account(self, session_id: str) -> tuple[Session, Account] | None:
        for row in self._sql.query(_LOCK_WITH_ACCOUNT, session_id=session_id):
            self._locked.add("sessions", session_id)
            return _session_of(row[: len(_NAMES)]), account_of(row[len(_NAMES) :])
        return None

    def add(self, session: Session, *, keep: int) -> Sequence[str]:
        if not self._locked.contains("accounts", session.account_id) and not self._account_exists(session.account_id):
            raise LookupError("The account of this session does not exist.")
        revoked = self._sql.run(_REVOKE_SURPLUS, account_id=session.account_id, now=session.created_at, keep=keep - 1)
        texts = {"ip_address": storable(session.ip_address), "user_agent": storable(session.user_agent)}
        self._sql.run(_ADD, **values_of(session, _columns.keys()) | texts)
        self._locked.add("sessions", session.id)
        return [row[0] for row in revoked]

    def save(self, session: Session) -> None:
        self._locked.require("sessions", session.id)
        values = values_of(session, ("refreshed_at", "expires_at", "generation"))
        self._sql.run(_SAVE, session_id=session.id, **values)
        if session.revoked_at is not None:
            self._sql.run(_REVOKE, session_id=session.id, now=session.revoked_at)

    def revoke_all(self, account_id: int, now: float, *, except_id: str | None = None) -> int:
        return len(self._sql.run(_REVOKE_ALL, account_id=account_id, now=now, except_id=except_id or ""))

    def is_new_user_agent(self, account_id: int, user_agent: str) -> bool:
        [(is_new,)] = self._sql.query(_IS_NEW_USER_AGENT, account_id=account_id, user_agent=storable(user_agent))
        return bool(is_new)

    def _account_exists(self, account_id: int) -> bool:
        return bool(self._sql.query(_ACCOUNT_EXISTS, account_id=account_id))


def _session_of(row: Row) -> Session:
    return Session(**dict(zip(_NAMES, row, strict=True)))
