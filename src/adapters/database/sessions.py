"""Sessions in SQL."""

from collections.abc import Sequence
from dataclasses import fields

from sqlalchemy import bindparam, delete, func, insert, null, or_, select, update

from ...application.ports import AddedSession
from ...domain.account import Account
from ...domain.session import MAX_ENDED_SESSIONS, MAX_SESSIONS, Session
from .accounts import COLUMNS, account_of
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
    select(*_session, *COLUMNS)
    .join_from(sessions, accounts, _columns.account_id == accounts.c.id)
    .where(_columns.id == bindparam("session_id"))
    .with_for_update(of=sessions)
)
_ACTIVE = select(*_session).where(*_active).order_by(*_newest_first)
_LATEST = (
    select(*_session).where(_columns.account_id == bindparam("account_id")).order_by(*_newest_first).limit(bindparam("limit"))
)
_COUNT_STARTED = select(func.count()).where(_columns.created_at >= bindparam("since"), _columns.created_at < bindparam("until"))
_REVOKED = (
    select(_columns.revoked_at, _columns.id)
    .where(
        _columns.revoked_at >= bindparam("moment"),
        or_(_columns.revoked_at > bindparam("moment"), _columns.id > bindparam("session_id")),
    )
    .order_by(_columns.revoked_at, _columns.id)
    .limit(bindparam("limit"))
)
_latest = _of_account.add_columns(_columns.device).order_by(*_newest_first).limit(MAX_SESSIONS).subquery()
_HISTORY = select(
    select(_latest.c.id).exists(),
    select(_latest.c.id).where(_latest.c.device == bindparam("device")).exists(),
    _surplus.limit(1).exists(),
    _of_account.order_by(*_newest_first).offset(MAX_SESSIONS + MAX_ENDED_SESSIONS).limit(1).exists(),
)
"""Whether the account has sessions, whether one of the latest is of that device, and whether too many are active, or stored."""

_oldest_kept = (
    select(_columns.created_at)
    .where(_columns.account_id == bindparam("account_id"))
    .order_by(_columns.created_at.desc())
    .offset(MAX_SESSIONS + MAX_ENDED_SESSIONS)
    .limit(1)
)
_DELETE_OLDEST = delete(sessions).where(
    _columns.account_id == bindparam("account_id"),
    _columns.created_at <= _oldest_kept.scalar_subquery(),
    or_(_columns.revoked_at.is_not(None), _columns.expires_at <= bindparam("now")),
)
_FORGET_NETWORKS = (
    update(sessions)
    .where(
        _columns.account_id == bindparam("account_id"),
        _columns.network.is_not(None),
        _columns.network != bindparam("except_network"),
    )
    .values(network=null())
)
_ACCOUNT_EXISTS = select(accounts.c.id).where(accounts.c.id == bindparam("account_id"))
_DELETE_OF = delete(sessions).where(_columns.account_id == bindparam("account_id"))
_REVOKE_SURPLUS = update(sessions).where(_columns.id.in_(_surplus)).values(revoked_at=bindparam("now")).returning(_columns.id)
_ADD = insert(sessions)
_SAVE = (
    update(sessions)
    .where(_columns.id == bindparam("session_id"))
    .values({name: bindparam(name) for name in ("refreshed_at", "expires_at", "generation", "previous_generation")})
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

    def latest(self, account_id: int, *, limit: int) -> Sequence[Session]:
        return [_session_of(row) for row in self._query(_LATEST, account_id=account_id, limit=limit)]

    def count_started(self, since: float, until: float) -> int:
        [(count,)] = self._query(_COUNT_STARTED, since=since, until=until)
        return int(count)

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

    def add(self, session: Session, *, keep: int) -> AddedSession:
        """Reads the history first: changes that are seldom needed would each cost a statement of every login."""
        if not self._locked.contains("accounts", session.account_id) and not self._account_exists(session.account_id):
            raise LookupError("The account of this session does not exist.")
        texts = {name: storable(getattr(session, name)) for name in ("ip_address", "user_agent", "device", "network")}
        of_account = {"account_id": session.account_id, "now": session.created_at}
        [history] = self._sql.query(_HISTORY, **of_account, keep=keep - 1, device=texts["device"])
        has_sessions, knows_device, has_surplus, has_too_many = history
        revoked = self._sql.run(_REVOKE_SURPLUS, **of_account, keep=keep - 1) if has_surplus else []
        if has_too_many:
            self._sql.run(_DELETE_OLDEST, **of_account)
        self._sql.run(_ADD, **values_of(session, _columns.keys()) | texts)
        self._locked.add("sessions", session.id)
        is_new_device = bool(has_sessions) and session.device is not None and not knows_device
        return AddedSession([row[0] for row in revoked], is_new_device)

    def save(self, session: Session) -> None:
        self._locked.require("sessions", session.id)
        if session.revoked_at is not None:  # by one UPDATE: on PostgreSQL a second one of a row also locks its account
            self._sql.run(_REVOKE, session_id=session.id, now=session.revoked_at)
            return
        values = values_of(session, ("refreshed_at", "expires_at", "generation", "previous_generation"))
        self._sql.run(_SAVE, session_id=session.id, **values)

    def revoke_all(self, account_id: int, now: float, *, except_id: str | None = None) -> int:
        return len(self._sql.run(_REVOKE_ALL, account_id=account_id, now=now, except_id=except_id or ""))

    def delete_of(self, account_id: int) -> None:
        self._sql.run(_DELETE_OF, account_id=account_id)

    def forget_networks(self, account_id: int, *, except_network: str | None) -> None:
        self._sql.run(_FORGET_NETWORKS, account_id=account_id, except_network=except_network or "")

    def _account_exists(self, account_id: int) -> bool:
        return bool(self._sql.query(_ACCOUNT_EXISTS, account_id=account_id))


def _session_of(row: Row) -> Session:
    return Session(**dict(zip(_NAMES, row, strict=True)))
