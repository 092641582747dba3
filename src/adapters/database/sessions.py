"""Sessions in SQL."""

from collections.abc import Sequence

from sqlalchemy import bindparam, insert, or_, select, update

from ...domain.account import Account
from ...domain.session import Session
from .accounts import SESSION, AccountsTable, account_of
from .locked_rows import Claims
from .schema import sessions
from .sql import Ask, Row, Unit, storable

_columns = sessions.columns
_living = (
    _columns.account_id == bindparam("account_id"),
    _columns.ended_at.is_(None),
    _columns.expires_at > bindparam("now"),
)
_beyond = select(_columns.id).where(*_living).order_by(_columns.created_at.desc(), _columns.id.desc()).offset(bindparam("stay"))

_CLAIM = select(*_columns[SESSION]).where(_columns.id == bindparam("session_id")).with_for_update()
_LIVING = select(*_columns[SESSION]).where(*_living).order_by(_columns.created_at.desc(), _columns.id.desc())
_ENDED = (
    select(_columns.ended_at, _columns.id)
    .where(
        _columns.ended_at >= bindparam("moment"),
        or_(_columns.ended_at > bindparam("moment"), _columns.id > bindparam("session_id")),
    )
    .order_by(_columns.ended_at, _columns.id)
    .limit(bindparam("limit"))
)
_of_account = select(_columns.id).where(_columns.account_id == bindparam("account_id"))
_IS_STRANGE = select(_of_account.exists() & ~_of_account.where(_columns.user_agent == bindparam("user_agent")).exists())
_TRIM = update(sessions).where(_columns.id.in_(_beyond)).values(ended_at=bindparam("now")).returning(_columns.id)
_ADD = insert(sessions)
_SAVE = (
    update(sessions)
    .where(_columns.id == bindparam("session_id"))
    .values(
        refreshed_at=bindparam("refreshed_at"),
        expires_at=bindparam("expires_at"),
        generation=bindparam("generation"),
    )
)
"""Without the end, which is in indexes: SQLite writes those anew for a column that is set, whatever to."""

_END = update(sessions).where(_columns.id == bindparam("session_id")).values(ended_at=bindparam("now"))
_END_ALL = (
    update(sessions).where(*_living, _columns.id != bindparam("but")).values(ended_at=bindparam("now")).returning(_columns.id)
)


class SqlSessionReads:
    """Sessions as committed."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def active(self, account_id: int, now: float) -> Sequence[Session]:
        return [_session(row) for row in self._ask(_LIVING, account_id=account_id, now=now)]

    def ended(self, after: tuple[float, str], *, limit: int) -> Sequence[tuple[float, str]]:
        return [(row[0], row[1]) for row in self._ask(_ENDED, moment=after[0], session_id=after[1], limit=limit)]


class SqlSessions:
    """Sessions inside a transaction."""

    def __init__(self, unit: Unit, claims: Claims, accounts: AccountsTable) -> None:
        self._unit = unit
        self._claims = claims
        self._accounts = accounts

    def lock(self, session_id: str) -> Session | None:
        for row in self._unit.ask(_CLAIM, session_id=session_id):
            session = _session(row)
            self._claims.hold("sessions", session.id)
            return session
        return None

    def lock_with_account(self, session_id: str) -> tuple[Session, Account] | None:
        for row in self._unit.ask(self._accounts.with_session, session_id=session_id):
            session = _session(row[: len(SESSION)])
            self._claims.hold("sessions", session.id)
            return session, account_of(row[len(SESSION) :])
        return None

    def add(self, session: Session, *, keep: int) -> Sequence[str]:
        if not self._claims.holds("accounts", session.account_id) and not self._is_there(session.account_id):
            raise LookupError("There is no account for this session.")
        ended = self._unit.run(_TRIM, account_id=session.account_id, now=session.created_at, stay=keep - 1)
        self._unit.run(
            _ADD,
            id=session.id,
            account_id=session.account_id,
            created_at=session.created_at,
            refreshed_at=session.refreshed_at,
            expires_at=session.expires_at,
            generation=session.generation,
            ended_at=session.ended_at,
            address=storable(session.address),
            user_agent=storable(session.user_agent),
        )
        self._claims.hold("sessions", session.id)
        return [row[0] for row in ended]

    def save(self, session: Session) -> None:
        self._claims.demand("sessions", session.id)
        self._unit.run(
            _SAVE,
            session_id=session.id,
            refreshed_at=session.refreshed_at,
            expires_at=session.expires_at,
            generation=session.generation,
        )
        if session.ended_at is not None:
            self._unit.run(_END, session_id=session.id, now=session.ended_at)

    def end_all(self, account_id: int, now: float, *, except_id: str | None = None) -> int:
        return len(self._unit.run(_END_ALL, account_id=account_id, now=now, but=except_id or ""))

    def is_new_user_agent(self, account_id: int, user_agent: str) -> bool:
        [(is_new_user_agent,)] = self._unit.ask(_IS_STRANGE, account_id=account_id, user_agent=storable(user_agent))
        return bool(is_new_user_agent)

    def _is_there(self, account_id: int) -> bool:
        return bool(self._unit.ask(self._accounts.is_there, of_account=account_id))


def _session(row: Row) -> Session:
    found, account_id, created_at, refreshed_at, generation, ended_at, address, user_agent = row
    return Session(
        id=found,
        account_id=account_id,
        created_at=created_at,
        refreshed_at=refreshed_at,
        generation=generation,
        ended_at=ended_at,
        address=address,
        user_agent=user_agent,
    )
