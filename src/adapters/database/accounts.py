"""Accounts in SQL."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import BindParameter, Text, bindparam, or_, select, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles for SQLite too, not the reverse

from ...application.ports import Clock, LoginIdentifier
from ...domain.account import Account, Address, AddressKind, Username
from ...domain.errors import AlreadyTaken, Conflict
from .locked_rows import LockedRows
from .schema import accounts, sessions
from .sql import OpenTransaction, Query, Row, UniqueViolation, binds

_SIZES = (2, 4, 8, 16, 32)  # of a query for several sessions: a statement for each number would be prepared 31 times

_columns = accounts.columns
_canonical = {"username": _columns.canonical_username, "email": _columns.canonical_email, "mobile": _columns.canonical_mobile}
_account = select(accounts)
_values_of = binds([column for column in _columns if not column.primary_key])
_is_active = (sessions.c.revoked_at.is_(None), sessions.c.expires_at > bindparam("now"), _columns.is_active)


def _session_ids(size: int) -> list[BindParameter[Any]]:
    return [bindparam(f"session{number}", type_=Text) for number in range(size)]


_GET = _account.where(_columns.id == bindparam("account_id"))
_LOCK = _GET.with_for_update()
_BY_ADDRESS = {kind: _account.where(_canonical[kind] == bindparam("canonical")) for kind in AddressKind}
_LOCK_BY_ADDRESS = {kind: statement.with_for_update() for kind, statement in _BY_ADDRESS.items()}
_BY_LOGIN = _account.where(or_(*(column == bindparam(field) for field, column in _canonical.items())))
_OWNER = {field: select(_columns.id).where(column == bindparam("canonical")) for field, column in _canonical.items()}
_BY_ACTIVE_SESSION = _account.join(sessions, sessions.c.account_id == _columns.id).where(
    sessions.c.id == bindparam("session_id"), sessions.c.account_id == bindparam("account_id"), *_is_active
)
_BY_ACTIVE_SESSIONS = {
    size: _account.add_columns(sessions.c.id)
    .join(sessions, sessions.c.account_id == _columns.id)
    .where(sessions.c.id.in_(_session_ids(size)), *_is_active)
    for size in _SIZES
}
_WITH_IMAGES = (
    select(_columns.id, _columns.image)
    .where(_columns.id > bindparam("after"), _columns.image.is_not(None))
    .order_by(_columns.id)
    .limit(bindparam("limit"))
)
_ADD = insert(accounts).values(_values_of).on_conflict_do_nothing().returning(_columns.id)
_SAVE = update(accounts).where(_columns.id == bindparam("account_id")).values(_values_of)


class SqlAccountReads:
    """Reads accounts by `query`: committed ones, or those that one transaction sees."""

    def __init__(self, query: Query) -> None:
        self._query = query

    def get(self, account_id: int) -> Account | None:
        return _first(self._query(_GET, account_id=account_id))

    def by_address(self, address: Address) -> Account | None:
        return _first(self._query(_BY_ADDRESS[address.kind], canonical=address.canonical))

    def by_login(self, login: LoginIdentifier) -> Account | None:
        address = login.address
        canonical = {kind.value: address.canonical if address and address.kind is kind else None for kind in AddressKind}
        matches = map(account_of, self._query(_BY_LOGIN, username=login.canonical_username, **canonical))
        return min(matches, key=lambda account: address is None or not account.has(address), default=None)

    def by_active_session(self, account_id: int, session_id: str, now: float) -> Account | None:
        return _first(self._query(_BY_ACTIVE_SESSION, account_id=account_id, session_id=session_id, now=now))

    def by_active_sessions(self, identities: Sequence[tuple[int, str]], now: float) -> Sequence[Account | None]:
        if len(identities) == 1:
            return [self.by_active_session(*identities[0], now)]
        ids = [session_id for _, session_id in identities if session_id.isascii() and session_id.isprintable()]
        by_identity: dict[tuple[int, str], Account] = {}
        for start in range(0, len(ids), _SIZES[-1]):
            by_identity |= self._by_session(ids[start : start + _SIZES[-1]], now)
        return [by_identity.get(identity) for identity in identities]

    def _by_session(self, ids: list[str], now: float) -> dict[tuple[int, str], Account]:
        size = next(size for size in _SIZES if size >= len(ids))
        padded = {f"session{number}": ids[min(number, len(ids) - 1)] for number in range(size)}
        rows = self._query(_BY_ACTIVE_SESSIONS[size], now=now, **padded)
        return {(row[0], row[-1]): account_of(row[:-1]) for row in rows}

    def taken_fields(self, username: Username | None, addresses: Iterable[Address], *, excluding: int = 0) -> frozenset[str]:
        wanted = [(address.kind.value, address.canonical) for address in addresses]
        if username:
            wanted.append(("username", username.canonical))
        owned = ((field, self._query(_OWNER[field], canonical=canonical)) for field, canonical in wanted)
        return frozenset(field for field, rows in owned if rows and rows[0][0] != excluding)

    def with_images(self, after: int, *, limit: int) -> Sequence[tuple[int, str]]:
        return [(row[0], row[1]) for row in self._query(_WITH_IMAGES, after=after, limit=limit)]


class SqlAccounts(SqlAccountReads):
    """Reads, locks and changes accounts in one transaction."""

    def __init__(self, sql: OpenTransaction, locked: LockedRows) -> None:
        super().__init__(sql.query)
        self._sql = sql
        self._locked = locked

    def lock(self, account_id: int) -> Account | None:
        return self._mark_locked(_first(self._query(_LOCK, account_id=account_id)))

    def lock_by_address(self, address: Address) -> Account | None:
        return self._mark_locked(_first(self._query(_LOCK_BY_ADDRESS[address.kind], canonical=address.canonical)))

    def lock_by_active_session(self, account_id: int, session_id: str, clock: Clock) -> Account | None:
        """Checks the session by a second statement: the first one still sees the rows as they were before it waited."""
        if not self._sql.is_only_writer and self.lock(account_id) is None:
            return None
        return self._mark_locked(self.by_active_session(account_id, session_id, clock()))

    def add(self, account: Account) -> Account:
        added = self._sql.run(_ADD, **_values(account))
        if not added:
            raise self._already_taken(account)
        [(account_id,)] = added
        self._locked.add("accounts", account_id)
        return replace(account, id=account_id)

    def save(self, account: Account) -> None:
        self._locked.require("accounts", account.id)
        try:
            self._sql.run_in_savepoint(_SAVE, account_id=account.id, **_values(account))
        except UniqueViolation:
            raise self._already_taken(account) from None

    def _mark_locked(self, account: Account | None) -> Account | None:
        if account is not None:
            self._locked.add("accounts", account.id)
        return account

    def _already_taken(self, account: Account) -> AlreadyTaken:
        """Names every taken field; the violated constraint would name only one."""
        fields = self.taken_fields(account.username, account.addresses, excluding=account.id)
        if not fields:  # the other account has just released the value
            raise Conflict
        return AlreadyTaken(*(field for field in _canonical if field in fields))


def _first(rows: list[Row]) -> Account | None:
    return account_of(rows[0]) if rows else None


def account_of(row: Row) -> Account:
    (account_id, username, canonical_username, name, email, canonical_email, mobile, canonical_mobile, email_verified,
     mobile_verified, owner_verified, password_hash, is_active, is_staff, is_superuser, image, created_at) = row  # fmt: skip
    return Account(
        id=account_id,
        username=Username(username, canonical_username),
        name=name,
        email=None if canonical_email is None else Address(AddressKind.EMAIL, email, canonical_email),
        mobile=None if canonical_mobile is None else Address(AddressKind.MOBILE, mobile, canonical_mobile),
        email_verified=bool(email_verified),
        mobile_verified=bool(mobile_verified),
        owner_verified=bool(owner_verified),
        password_hash=password_hash,
        is_active=bool(is_active),
        is_staff=bool(is_staff),
        is_superuser=bool(is_superuser),
        image=image,
        created_at=created_at,
    )


def _values(account: Account) -> dict[str, object]:
    email, mobile = account.email, account.mobile
    return {
        "username": account.username.text,
        "canonical_username": account.username.canonical,
        "name": account.name,
        "email": email and email.text,
        "canonical_email": email and email.canonical,
        "mobile": mobile and mobile.text,
        "canonical_mobile": mobile and mobile.canonical,
        "email_verified": account.email_verified,
        "mobile_verified": account.mobile_verified,
        "owner_verified": account.owner_verified,
        "password_hash": account.password_hash,
        "is_active": account.is_active,
        "is_staff": account.is_staff,
        "is_superuser": account.is_superuser,
        "image": account.image,
        "created_at": account.created_at,
    }
