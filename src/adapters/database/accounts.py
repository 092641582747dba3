"""Accounts in SQL."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import BindParameter, Column, Select, Table, Text, UniqueConstraint, bindparam, or_, select, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles for SQLite as well; not so the reverse

from ...application.ports import Clock, LoginIdentifier
from ...domain.account import Account, Address, AddressKind, Username
from ...domain.errors import AlreadyTaken, Conflict
from .locked_rows import Claims
from .schema import accounts, sessions
from .sql import Ask, Row, UniqueViolation, Unit

_NAMES = tuple(accounts.columns.keys())
SESSION = ("id", "account_id", "created_at", "refreshed_at", "generation", "ended_at", "address", "user_agent")
"""The columns that make a session."""

_WRITTEN = _NAMES[1:]  # all but the id, which the database gives
_SIZES = (2, 4, 8, 16, 32)  # how many are asked for at once: a statement for each number would be prepared 31 times
_KEYS = {"username": "canonical_username", "email": "canonical_email", "mobile": "canonical_mobile"}


class AccountsTable:
    """A table of accounts, and what is asked of it and done to it.

    `columns` says, for each column of `schema.accounts` by its name, which column it is in a table of one's own; what else is
    there has to have a default. Types are those of `schema.accounts`, for values go to the driver as they are; the id is given
    by the database, and each of the three keys is unique. Raises `ValueError` where that is not so.
    """

    def __init__(self, columns: Mapping[str, Column[Any]]) -> None:
        self.id = _demanded(columns)["id"]
        keys = {field: columns[name] for field, name in _KEYS.items()}
        written: dict[Any, BindParameter[Any]] = {columns[name]: bindparam(name) for name in _WRITTEN}
        all_of = select(*(columns[name] for name in _NAMES))
        self.get = all_of.where(self.id == bindparam("of_account"))
        self.claim = self.get.with_for_update()
        self.having = {kind: all_of.where(keys[kind] == bindparam("key")) for kind in AddressKind}
        self.claim_having = {kind: statement.with_for_update() for kind, statement in self.having.items()}
        self.by_login = all_of.where(or_(*(column == bindparam(field) for field, column in keys.items())))
        self.owner = {field: select(self.id).where(column == bindparam("key")) for field, column in keys.items()}
        self.by_active_session = all_of.join(sessions, sessions.c.account_id == self.id).where(
            sessions.c.id == bindparam("session_id"),
            sessions.c.account_id == bindparam("of_account"),
            sessions.c.ended_at.is_(None),
            sessions.c.expires_at > bindparam("now"),
            columns["is_active"],
        )
        ids: dict[int, list[BindParameter[Any]]] = {
            size: [bindparam(f"session{number}", type_=Text) for number in range(size)] for size in _SIZES
        }
        self.by_active_sessions = {size: _signed_in(columns, all_of, ids[size]) for size in _SIZES}
        self.with_session = (
            select(*sessions.c[SESSION], *(columns[name] for name in _NAMES))
            .join_from(sessions, self.id.table, sessions.c.account_id == self.id)
            .where(sessions.c.id == bindparam("session_id"))
            .with_for_update(of=sessions)
        )
        self.with_images = (
            select(self.id, columns["image"])
            .where(self.id > bindparam("after"), columns["image"].is_not(None))
            .order_by(self.id)
            .limit(bindparam("limit"))
        )
        self.is_there = select(self.id).where(self.id == bindparam("of_account"))
        self.add = insert(self.id.table).values(written).on_conflict_do_nothing().returning(self.id)
        self.save = update(self.id.table).where(self.id == bindparam("of_account")).values(written)


def _signed_in(columns: Mapping[str, Column[Any]], all_of: Select[Any], ids: list[BindParameter[Any]]) -> Select[Any]:
    """Which of these sessions are alive, after the columns of their accounts."""
    joined = all_of.add_columns(sessions.c.id).join(sessions, sessions.c.account_id == columns["id"])
    return joined.where(
        sessions.c.id.in_(ids), sessions.c.ended_at.is_(None), sessions.c.expires_at > bindparam("now"), columns["is_active"]
    )


def _demanded(columns: Mapping[str, Column[Any]]) -> Mapping[str, Column[Any]]:
    if lacking := [name for name in _NAMES if name not in columns]:
        raise ValueError(f"A table of accounts needs columns for these too: {', '.join(lacking)}.")
    if len({columns[name].table for name in _NAMES}) > 1:
        raise ValueError("The columns of accounts are all in one table.")
    if double := [name for name in _KEYS.values() if not _is_unique(columns[name])]:
        raise ValueError(f"These columns of a table of accounts have to be unique: {', '.join(double)}.")
    return columns


def _is_unique(column: Column[Any]) -> bool:
    table = column.table
    assert isinstance(table, Table)  # noqa: S101 — no alias, no subquery: rows are written to it
    constraints = [one.columns for one in table.constraints if isinstance(one, UniqueConstraint)]
    indexes = [one.columns for one in table.indexes if one.unique]
    return any(list(columns) == [column] for columns in (*constraints, *indexes))


ACCOUNTS = AccountsTable(dict(accounts.columns))
"""Vestibule's own."""


class SqlAccounts:
    """Questions to whatever `ask` reads: what is committed, or one transaction's own rows."""

    def __init__(self, ask: Ask, table: AccountsTable) -> None:
        self._ask = ask
        self._table = table

    def get(self, account_id: int) -> Account | None:
        return _first(self._ask(self._table.get, of_account=account_id))

    def by_address(self, address: Address) -> Account | None:
        return _first(self._ask(self._table.having[address.kind], key=address.canonical))

    def by_login(self, login: LoginIdentifier) -> Account | None:
        address = login.address
        wanted = {kind.value: address.canonical if address and address.kind is kind else None for kind in AddressKind}
        found = [account_of(row) for row in self._ask(self._table.by_login, username=login.canonical_username, **wanted)]
        found.sort(key=lambda account: address is None or not account.has(address))
        return found[0] if found else None

    def by_active_session(self, account_id: int, session_id: str, now: float) -> Account | None:
        return _first(self._ask(self._table.by_active_session, of_account=account_id, session_id=session_id, now=now))

    def by_active_sessions(self, asked: Sequence[tuple[int, str]], now: float) -> Sequence[Account | None]:
        if len(asked) == 1:
            return [self.by_active_session(*asked[0], now)]
        ids = [session_id for _, session_id in asked if session_id.isascii() and session_id.isprintable()]
        found: dict[tuple[int, str], Account] = {}
        for start in range(0, len(ids), _SIZES[-1]):
            found |= self._living(ids[start : start + _SIZES[-1]], now)
        return [found.get(one) for one in asked]

    def _living(self, ids: list[str], now: float) -> dict[tuple[int, str], Account]:
        size = next(size for size in _SIZES if size >= len(ids))
        wanted = {f"session{number}": ids[min(number, len(ids) - 1)] for number in range(size)}
        rows = self._ask(self._table.by_active_sessions[size], now=now, **wanted)
        return {(row[0], row[-1]): account_of(row[:-1]) for row in rows}

    def taken_fields(self, username: Username | None, addresses: Iterable[Address], *, excluding: int = 0) -> frozenset[str]:
        wanted = [(address.kind.value, address.canonical) for address in addresses]
        if username:
            wanted.append(("username", username.canonical))
        owned = ((field, self._ask(self._table.owner[field], key=key)) for field, key in wanted)
        return frozenset(field for field, rows in owned if rows and rows[0][0] != excluding)

    def with_images(self, after: int, *, limit: int) -> Sequence[tuple[int, str]]:
        return [(row[0], row[1]) for row in self._ask(self._table.with_images, after=after, limit=limit)]


class SqlClaimedAccounts(SqlAccounts):
    """The same inside a transaction, and changes."""

    def __init__(self, unit: Unit, claims: Claims, table: AccountsTable) -> None:
        super().__init__(unit.ask, table)
        self._unit = unit
        self._claims = claims

    def lock(self, account_id: int) -> Account | None:
        return self._claimed(_first(self._ask(self._table.claim, of_account=account_id)))

    def lock_with_session(self, account_id: int, session_id: str, clock: Clock) -> Account | None:
        """Checks the session by a second statement, for the first one still sees the rows as they were before it waited."""
        if not self._unit.is_alone and self.lock(account_id) is None:
            return None
        return self._claimed(self.by_active_session(account_id, session_id, clock()))

    def lock_by_address(self, address: Address) -> Account | None:
        return self._claimed(_first(self._ask(self._table.claim_having[address.kind], key=address.canonical)))

    def add(self, account: Account) -> Account:
        added = self._unit.run(self._table.add, **_values(account))
        if not added:
            raise self._already_taken(account)
        [(account_id,)] = added
        self._claims.hold("accounts", account_id)
        return replace(account, id=account_id)

    def save(self, account: Account) -> None:
        self._claims.demand("accounts", account.id)
        try:
            self._unit.try_to_run(self._table.save, of_account=account.id, **_values(account))
        except UniqueViolation:
            raise self._already_taken(account) from None

    def _claimed(self, account: Account | None) -> Account | None:
        if account is not None:
            self._claims.hold("accounts", account.id)
        return account

    def _already_taken(self, account: Account) -> AlreadyTaken:
        """Names every field that is taken; the broken key alone would tell only one."""
        fields = self.taken_fields(account.username, account.addresses, excluding=account.id)
        if not fields:  # it was let go of in this moment
            raise Conflict
        return AlreadyTaken(*(field for field in _KEYS if field in fields))


def _first(rows: list[Row]) -> Account | None:
    return account_of(rows[0]) if rows else None


def account_of(row: Row) -> Account:
    (number, username, canonical_username, name, email, canonical_email, mobile, canonical_mobile, email_verified,
     mobile_verified, owner_verified, password_hash, is_active, is_staff, is_superuser, image, created_at) = row  # fmt: skip
    return Account(
        id=number,
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
