"""Accounts in SQL."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, replace
from functools import cache
from typing import Any, overload

from msgspec import json
from sqlalchemy import (
    BigInteger,
    BindParameter,
    ClauseElement,
    Column,
    ColumnElement,
    Select,
    Text,
    bindparam,
    cast,
    delete,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles for SQLite too, not the reverse

from ...application.ports import (
    AccountFilters,
    AccountNames,
    Candidate,
    Clock,
    Holder,
    KeyOfHolder,
    LoginIdentifier,
    SearchPath,
    SearchPosition,
)
from ...domain.account import Account, Address, AddressKind, RecoveryAddress, Suspension, Username
from ...domain.errors import AlreadyTaken, Conflict
from ...domain.ownership import is_taken, state_of
from ...domain.rate_limits import SlidingWindow
from ...domain.session import KNOWN_NETWORK_SECONDS
from ...domain.texts import MAX_WORDS, search_words
from .locked_rows import LockedRows
from .rate_limits import window_of
from .schema import account_words, accounts, rate_limits, sessions
from .search import search
from .sql import OpenTransaction, Query, Row, UniqueViolation, binds, in_parts, insert_rows, numbered, padded

_ACCOUNTS_NEAR_DECOY: ColumnElement[int] = literal_column("16")
_FIRST: ColumnElement[int] = literal_column("1")
"""Limits that PostgreSQL knows when it plans: with unknown ones it would plan the statement anew each time."""
_MAX_POWER = 2**61  # twice that is a number in SQL
_SIZES = (2, 4, 8, 16, 32)  # of a query for several sessions: a statement for each number would be prepared 31 times

_columns = accounts.columns
_canonical = {"username": _columns.canonical_username, "email": _columns.canonical_email, "mobile": _columns.canonical_mobile}
_recovery = {AddressKind.EMAIL: _columns.recovery_email, AddressKind.MOBILE: _columns.recovery_mobile}
COLUMNS = tuple(column for column in _columns if column not in set(_recovery.values()))
"""The columns of an `Account`, in the order of `account_of`."""

_account = select(*COLUMNS)
_values_of = binds([column for column in _columns if not column.primary_key])
_is_active = (sessions.c.revoked_at.is_(None), sessions.c.expires_at > bindparam("now"), _columns.is_active)
_knows_network = exists().where(
    sessions.c.account_id == func.coalesce(_columns.id, 0),  # unknown accounts cost the same look-up
    sessions.c.network == bindparam("network"),
    sessions.c.created_at > bindparam("since"),
)
_one_row = select(literal(1).label("one")).subquery()

_power = select(literal(1, BigInteger).label("value")).cte("power", recursive=True)
_others = accounts.alias("others")
_last_id = select(func.max(_others.c.id)).scalar_subquery().correlate(None)
_power = _power.union_all(select(_power.c.value * 2).where(_power.c.value <= _last_id, _power.c.value < _MAX_POWER))
_low_bits = bindparam("decoy", type_=BigInteger) % _power.c.value
_id_of_decoy = select(func.max(_low_bits)).where(_low_bits <= _last_id).scalar_subquery()
_near_decoy = (
    select(_others.c.id, _others.c.password_hash)
    .where(_others.c.id >= _id_of_decoy)
    .order_by(_others.c.id)
    .limit(_ACCOUNTS_NEAR_DECOY)
    .subquery()
)
_decoy_hash = (
    select(_near_decoy.c.password_hash)
    .where(_near_decoy.c.password_hash.is_not(None))
    .order_by(_near_decoy.c.id)
    .limit(_FIRST)
    .scalar_subquery()
)
"""The password hash of the first account from an id on: as many of the lowest bits of the number `decoy` as give an id up to
the last one. So a number chooses another account only when accounts are deleted, or when their number doubles."""


def _holder(condition: ColumnElement[bool]) -> Select[Any]:
    """Reads the account that meets the condition and whether it knows a network; a row of nulls if there is none."""
    return select(*COLUMNS, _knows_network).select_from(_one_row.outerjoin(accounts, condition))


@cache
def holder_by_login(count: int) -> Select[Any]:
    """Reads each account with the name, as `_holder` does, and a row of it for each of `count` windows that is stored.

    Each row ends with a decoy hash, and the key and times of the window.
    """
    named = _one_row.outerjoin(accounts, _has_name)
    key_of_holder = bindparam("prefix", type_=Text) + func.coalesce(cast(_columns.id, Text), bindparam("otherwise", type_=Text))
    keys = [*(bindparam(f"key{number}", type_=Text) for number in range(count - 1)), key_of_holder]
    windows = named.outerjoin(rate_limits, rate_limits.c.key.in_(keys))
    values = (_knows_network, _decoy_hash, rate_limits.c.key, rate_limits.c.timestamps)
    return select(*COLUMNS, *values).select_from(windows)


_NO_ACCOUNT: Row = (0, *("",) * 7, *(False,) * 3, None, None, *(False,) * 3, *(None,) * 5, 0.0, None)


def _session_ids(size: int) -> list[BindParameter[Any]]:
    return [bindparam(f"session{number}", type_=Text) for number in range(size)]


_has_name = or_(*(column == bindparam(field) for field, column in _canonical.items()))


def _has_address(kind: AddressKind) -> ColumnElement[bool]:
    return or_(_canonical[kind] == bindparam("canonical"), _recovery[kind] == bindparam("canonical"))


_GET = _account.where(_columns.id == bindparam("account_id"))
_LOCK = _GET.with_for_update()
_BY_ADDRESS = {kind: _account.where(_has_address(kind)) for kind in AddressKind}
_HAVING: Mapping[AddressKind | None, Sequence[Column[Any]]] = {
    None: [_columns.canonical_username],
    **{kind: [_canonical[kind], _recovery[kind]] for kind in AddressKind},
}
"""The columns that hold a canonical username, or the canonical form of an address of that kind."""

_LOCK_BY_ADDRESS = {kind: statement.with_for_update() for kind, statement in _BY_ADDRESS.items()}
_HOLDER = {kind: _holder(_has_address(kind)) for kind in AddressKind}
_BY_LOGIN = _account.where(_has_name)
_OWNER = {field: select(_columns.id).where(column == bindparam("canonical")) for field, column in _canonical.items()}
_names = [bindparam(name, type_=Text) for name in ("canonical", "text")]
_WITH_NAME = {kind: _account.where(or_(_has_address(kind), _columns.canonical_username.in_(_names))) for kind in AddressKind}
"""Accounts that have the address, now or for their recovery, or as their username."""

_BY_ACTIVE_SESSION = (
    _account.add_columns(sessions.c.created_at)
    .join(sessions, sessions.c.account_id == _columns.id)
    .where(sessions.c.id == bindparam("session_id"), sessions.c.account_id == bindparam("account_id"), *_is_active)
)
_BY_ACTIVE_SESSIONS = {
    size: _account.add_columns(sessions.c.created_at, sessions.c.id)
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
_DUE_FOR_DELETION = (
    _account.where(_columns.deletion_due_at <= bindparam("now"), _columns.id > bindparam("after"))
    .order_by(_columns.id)
    .limit(bindparam("limit"))
)
_LOCK_SUPERUSERS = (
    select(_columns.id)
    .where(_columns.is_staff, _columns.is_superuser, _columns.is_active, _columns.deletion_due_at.is_(None))
    .order_by(_columns.created_at, _columns.id)  # as in the index of staff
    .with_for_update()
)
_DUE_FOR_REINSTATEMENT = (
    select(_columns.id)
    .where(_columns.suspended_until <= bindparam("now"), _columns.id > bindparam("after"))
    .order_by(_columns.id)
    .limit(bindparam("limit"))
)
_AFTER = _account.where(_columns.id > bindparam("after")).order_by(_columns.id).limit(bindparam("limit"))
_COUNT = select(func.count()).select_from(accounts)
_COUNT_CREATED = select(func.count()).where(_columns.created_at >= bindparam("since"), _columns.created_at < bindparam("until"))
_DELETE = delete(accounts).where(_columns.id == bindparam("account_id"))
_ADD = insert(accounts).values(_values_of).on_conflict_do_nothing().returning(_columns.id)
_ADD_WORDS = tuple(  # by their number: one statement for all words of a name
    insert(account_words).values(
        [{"word": bindparam(f"word{number}"), "account_id": bindparam("account_id")} for number in range(count)]
    )
    for count in range(1, MAX_WORDS + 1)
)
_DELETE_WORDS = tuple(
    delete(account_words).where(
        account_words.c.word.in_([bindparam(f"word{number}", type_=Text) for number in range(count)]),
        account_words.c.account_id == bindparam("account_id"),
    )
    for count in range(1, MAX_WORDS + 1)
)
_ADDED = tuple(_columns)
_WORDS = tuple(account_words.columns)
_NUMBERED_ANEW = tuple(column for column in _columns if not column.primary_key)
_move_sequence = text(  # not undone by a rollback, which leaves a gap; SQLite moves its own
    "SELECT setval(numbers.sequence, :highest) "
    "FROM (SELECT CAST(pg_get_serial_sequence('accounts', 'id') AS regclass) AS sequence) AS numbers "
    "WHERE coalesce(pg_sequence_last_value(numbers.sequence), 0) < :highest"
).bindparams(bindparam("highest", type_=BigInteger))
_SAVE = update(accounts).where(_columns.id == bindparam("account_id")).values(_values_of)


@cache
def _has_outgrown_statistics() -> ClauseElement:
    """Reads a row if the rows that were inserted since the statistics were made take more than half of the table."""
    return text(
        "SELECT 1 FROM pg_class WHERE oid = CAST('accounts' AS regclass) "
        "AND pg_relation_size(oid) > 2 * relpages * CAST(current_setting('block_size') AS bigint)"
    )


@cache
def _analyze() -> ClauseElement:
    return text("ANALYZE accounts, account_words, audit_log, imports")


@cache
def _with_any(column: Column[Any], count: int) -> Select[Any]:
    kind = BigInteger if column is _columns.id else Text
    return _account.where(column.in_([bindparam(f"value{number}", type_=kind) for number in range(count)]))


@cache
def _add_rows(columns: tuple[Column[Any], ...], count: int) -> ClauseElement:
    """Of a row whose id or name another account has nothing is returned."""
    return insert_rows(columns, count).on_conflict_do_nothing().returning(_columns.id, _columns.canonical_username)


@cache
def _lock_any(count: int) -> Select[Any]:
    return _with_any(_columns.id, count).order_by(_columns.id).with_for_update()


class SqlAccountReads:
    """Reads accounts by `query`: committed ones, or those that one transaction sees."""

    def __init__(self, query: Query) -> None:
        self._query = query

    def get(self, account_id: int) -> Account | None:
        return _first(self._query(_GET, account_id=account_id))

    def by_address(self, address: Address, now: float) -> Account | None:
        return _having(address, now, self._query(_BY_ADDRESS[address.kind], canonical=address.canonical))

    def by_login(self, login: LoginIdentifier) -> Account | None:
        return _best(login, self._query(_BY_LOGIN, **_login_values(login)))

    def holder(self, address: Address, network: str | None, now: float) -> Holder:
        values = {"canonical": address.canonical, "network": network, "since": now - KNOWN_NETWORK_SECONDS}
        rows = self._query(_HOLDER[address.kind], **values)
        return _holder_of(_having(address, now, [row[:-1] for row in rows]), rows)

    def holder_by_login(
        self,
        login: LoginIdentifier,
        network: str | None,
        now: float,
        keys: Sequence[str],
        key_of_holder: KeyOfHolder,
        decoy: int = 0,
    ) -> tuple[Holder, Sequence[SlidingWindow]]:
        values = {"network": network, "since": now - KNOWN_NETWORK_SECONDS, "decoy": decoy, **key_of_holder._asdict()}
        wanted = {f"key{number}": key for number, key in enumerate(keys)}
        joined = self._query(holder_by_login(len(keys) + 1), **_login_values(login), **values, **wanted)
        rows = list({row[0]: row[:-3] for row in joined}.values())  # one for each account
        timestamps = {row[-2]: row[-1] for row in joined}
        holder = replace(
            _holder_of(_best(login, [row[:-1] for row in rows]), rows), decoy_hash=joined[0][-3] if joined else None
        )
        own = key_of_holder.of(holder.account.id if holder.account else None)
        return holder, [window_of(key, timestamps.get(key, "[]")) for key in (*keys, own)]

    def by_active_session(self, account_id: int, session_id: str, now: float) -> tuple[Account, float] | None:
        for row in self._query(_BY_ACTIVE_SESSION, account_id=account_id, session_id=session_id, now=now):
            return account_of(row[:-1]), row[-1]
        return None

    def by_active_sessions(self, identities: Sequence[tuple[int, str]], now: float) -> Sequence[tuple[Account, float] | None]:
        if len(identities) == 1:
            return [self.by_active_session(*identities[0], now)]
        ids = [session_id for _, session_id in identities if session_id.isascii() and session_id.isprintable()]
        by_identity: dict[tuple[int, str], tuple[Account, float]] = {}
        for start in range(0, len(ids), _SIZES[-1]):
            by_identity |= self._by_session(ids[start : start + _SIZES[-1]], now)
        return [by_identity.get(identity) for identity in identities]

    def _by_session(self, ids: list[str], now: float) -> dict[tuple[int, str], tuple[Account, float]]:
        size = next(size for size in _SIZES if size >= len(ids))
        padded = {f"session{number}": ids[min(number, len(ids) - 1)] for number in range(size)}
        rows = self._query(_BY_ACTIVE_SESSIONS[size], now=now, **padded)
        return {(row[0], row[-1]): (account_of(row[:-2]), row[-2]) for row in rows}

    def taken_fields(
        self,
        username: Username | None,
        addresses: Iterable[Address],
        now: float,
        *,
        proved: Collection[Address] = (),
        excluding: int = 0,
    ) -> frozenset[str]:
        taken = set()
        if username and self._is_owned("username", username.canonical, excluding):
            taken.add("username")
        for address in addresses:
            texts = {"canonical": address.canonical, "text": address.text}
            holders = map(account_of, self._query(_WITH_NAME[address.kind], **texts))
            others = [holder for holder in holders if holder.id != excluding]
            if any(is_taken(address, holder, now, is_proved=address in proved) for holder in others):
                taken.add(address.kind.value)
        return frozenset(taken)

    def _is_owned(self, field: str, canonical: str, excluding: int) -> bool:
        return any(row[0] != excluding for row in self._query(_OWNER[field], canonical=canonical))

    def with_images(self, after: int, *, limit: int) -> Sequence[tuple[int, str]]:
        return [(row[0], row[1]) for row in self._query(_WITH_IMAGES, after=after, limit=limit)]

    def due_for_deletion(self, now: float, *, after: int, limit: int) -> Sequence[Account]:
        return [account_of(row) for row in self._query(_DUE_FOR_DELETION, now=now, after=after, limit=limit)]

    def due_for_reinstatement(self, now: float, *, after: int, limit: int) -> Sequence[int]:
        return [row[0] for row in self._query(_DUE_FOR_REINSTATEMENT, now=now, after=after, limit=limit)]

    def many(self, ids: Sequence[int]) -> Sequence[Account]:
        by_id = {account.id: account for account in self._read(_columns.id, ids)}
        return [by_id[account_id] for account_id in ids if account_id in by_id]

    def having(self, names: AccountNames) -> Sequence[Account]:
        texts: dict[AddressKind | None, list[str]] = {None: list(names.usernames)}
        for kind, canonical in names.addresses:
            texts.setdefault(kind, []).append(canonical)
        columns = ((column, some) for kind, some in texts.items() for column in _HAVING[kind])
        found = {account.id: account for column, some in columns for account in self._read(column, some)}
        return list(found.values())

    def _read(self, column: Column[Any], values: Collection[object]) -> Iterator[Account]:
        for part in padded(values):
            rows = self._query(_with_any(column, len(part)), **{f"value{number}": value for number, value in enumerate(part)})
            yield from map(account_of, rows)

    def after(self, account_id: int, *, limit: int) -> Sequence[Account]:
        return [account_of(row) for row in self._query(_AFTER, after=account_id, limit=limit)]

    def count(self) -> int:
        [(count,)] = self._query(_COUNT)
        return int(count)

    def count_created(self, since: float, until: float) -> int:
        [(count,)] = self._query(_COUNT_CREATED, since=since, until=until)
        return int(count)

    def search(
        self,
        path: SearchPath,
        filters: AccountFilters,
        *,
        after: SearchPosition | None,
        excluding: Sequence[SearchPath],
        limit: int,
    ) -> Sequence[Candidate]:
        return search(self._query, path, filters, after, excluding, limit)


class SqlAccounts(SqlAccountReads):
    """Reads, locks and changes accounts in one transaction."""

    def __init__(self, sql: OpenTransaction, locked: LockedRows, on_mobile: Callable[[], None]) -> None:
        super().__init__(sql.query)
        self._sql = sql
        self._locked = locked
        self._on_mobile = on_mobile
        self._names: dict[int, str] = {}
        """The names of locked accounts, as they are stored."""
        self._mobiles: dict[int, str | None] = {}
        """Their mobiles, in the canonical form, as they were when they were locked."""

    def lock(self, account_id: int) -> Account | None:
        return self._mark_locked(_first(self._query(_LOCK, account_id=account_id)))

    def lock_by_address(self, address: Address, now: float) -> Account | None:
        rows = self._query(_LOCK_BY_ADDRESS[address.kind], canonical=address.canonical)
        return self._mark_locked(_having(address, now, rows))

    def lock_by_active_session(self, account_id: int, session_id: str, clock: Clock) -> Account | None:
        """Checks the session by a second statement: the first one still sees the rows as they were before it waited."""
        if not self._sql.is_only_writer and self.lock(account_id) is None:
            return None
        found = self.by_active_session(account_id, session_id, clock())
        return self._mark_locked(found and found[0])

    def add(self, account: Account) -> Account:
        self._note_mobile(account)
        added = self._sql.run(_ADD, **_values(account))
        if not added:
            raise self._already_taken(account)
        [(account_id,)] = added
        self._run_for_words(_ADD_WORDS, account_id, search_words(account.name))
        stored = replace(account, id=account_id)
        self._mark_locked(stored)
        return stored

    def add_many(self, accounts: Sequence[Account]) -> Sequence[Account]:
        for account in accounts:
            self._note_mobile(account)
        kept = [account for account in accounts if account.id]
        if kept and not self._sql.is_only_writer:
            self._sql.query(_move_sequence, highest=max(account.id for account in kept))
        ids = self._insert(kept, _ADDED) | self._insert([account for account in accounts if not account.id], _NUMBERED_ANEW)
        added = [replace(account, id=ids[account.username.canonical]) for account in accounts]
        words = [{"word": word, "account_id": account.id} for account in added for word in search_words(account.name)]
        for part in in_parts(words):
            self._sql.run(insert_rows(_WORDS, len(part)), **numbered(part))
        for account in added:
            self._mark_locked(account)
        self._renew_statistics()
        return added

    def _renew_statistics(self) -> None:
        """Lets PostgreSQL plan anew whenever the table has doubled.

        It keeps the plans of prepared statements: those made for a few rows, which read the whole table, would otherwise last
        until autovacuum comes by, in every process that serves clients too. SQLite plans for an index anyway.
        """
        if not self._sql.is_only_writer and self._sql.query(_has_outgrown_statistics()):
            self._sql.run(_analyze())

    def _insert(self, accounts: Sequence[Account], columns: tuple[Column[Any], ...]) -> dict[str, int]:
        """Returns the ids by canonical username. Raises `Conflict` if some were not inserted."""
        ids: dict[str, int] = {}
        for part in in_parts(accounts):
            values = numbered([{"id": account.id, **_values(account)} for account in part])
            ids |= {row[1]: row[0] for row in self._sql.run(_add_rows(columns, len(part)), **values)}
        if len(ids) < len(accounts):
            raise Conflict
        return ids

    def lock_many(self, ids: Collection[int]) -> Sequence[Account]:
        found = []
        for part in padded(sorted(ids)):
            rows = self._query(_lock_any(len(part)), **{f"value{number}": value for number, value in enumerate(part)})
            found += [self._mark_locked(account_of(row)) for row in rows]
        return found

    def save(self, account: Account) -> None:
        self._locked.require("accounts", account.id)
        self._note_mobile(account)
        try:
            self._sql.run_in_savepoint(_SAVE, account_id=account.id, **_values(account))
        except UniqueViolation:
            raise self._already_taken(account) from None
        if account.name != self._names[account.id]:
            self._replace_words(account.id, account.name)

    def delete(self, account_id: int) -> None:
        self._locked.require("accounts", account_id)
        self._replace_words(account_id, "")
        self._sql.run(_DELETE, account_id=account_id)

    def lock_superusers(self) -> Sequence[int]:
        return [row[0] for row in self._sql.query(_LOCK_SUPERUSERS)]

    def _note_mobile(self, account: Account) -> None:
        mobile = account.mobile and account.mobile.canonical
        if mobile not in (None, self._mobiles.get(account.id)):
            self._on_mobile()

    def _replace_words(self, account_id: int, name: str) -> None:
        old, new = search_words(self._names[account_id]), search_words(name)
        self._run_for_words(_DELETE_WORDS, account_id, [word for word in old if word not in new])
        self._run_for_words(_ADD_WORDS, account_id, [word for word in new if word not in old])
        self._names[account_id] = name

    def _run_for_words(self, statements: Sequence[ClauseElement], account_id: int, words: Sequence[str]) -> None:
        if words:
            numbered = {f"word{number}": word for number, word in enumerate(words)}
            self._sql.run(statements[len(words) - 1], account_id=account_id, **numbered)

    @overload
    def _mark_locked(self, account: Account) -> Account: ...
    @overload
    def _mark_locked(self, account: Account | None) -> Account | None: ...
    def _mark_locked(self, account: Account | None) -> Account | None:
        if account is not None:
            self._locked.add("accounts", account.id)
            self._names[account.id] = account.name
            self._mobiles[account.id] = None if account.mobile is None else account.mobile.canonical
        return account

    def _already_taken(self, account: Account) -> AlreadyTaken:
        """Names every taken field; the violated constraint would name only one."""
        canonical = {"username": account.username.canonical, **{one.kind.value: one.canonical for one in account.addresses}}
        fields = [field for field, value in canonical.items() if self._is_owned(field, value, account.id)]
        if not fields:  # the other account has just released the value
            raise Conflict
        return AlreadyTaken(*fields)


def _first(rows: list[Row]) -> Account | None:
    return account_of(rows[0]) if rows else None


def _having(address: Address, now: float, rows: list[Row]) -> Account | None:
    """The account that has the address, else the one whose recovery address it still is."""
    states = [(state_of(account, address, now), account) for account in _accounts_of(rows)]
    matches = [account for state, account in states if state is not None]
    return min(matches, key=lambda account: not account.has(address), default=None)


def _best(login: LoginIdentifier, rows: list[Row]) -> Account | None:
    address, matches = login.address, [account for account in _accounts_of(rows) if account.id]
    return min(matches, key=lambda account: address is None or not account.has(address), default=None)


def _accounts_of(rows: list[Row]) -> list[Account]:
    """The accounts of the rows. A row of nulls becomes an account that has nothing, with id 0, for it must take as long."""
    return [account_of(_NO_ACCOUNT if row[0] is None else row) for row in rows]


def _login_values(login: LoginIdentifier) -> dict[str, str | None]:
    address = login.address
    canonical = {kind.value: address.canonical if address and address.kind is kind else None for kind in AddressKind}
    return {"username": login.canonical_username, **canonical}


def _holder_of(account: Account | None, rows: list[Row]) -> Holder:
    knows_network = account is not None and any(row[-1] for row in rows if row[0] == account.id)
    return Holder(account, knows_network)


def account_of(row: Row) -> Account:
    (account_id, username, canonical_username, name, email, canonical_email, mobile, canonical_mobile, email_verified,
     mobile_verified, ever_verified, recovery, password_hash, is_active, is_staff, is_superuser, roles, suspended_at,
     suspended_until, suspension_reason, image, created_at, deletion_due_at) = row  # fmt: skip
    return Account(
        id=account_id,
        username=Username(username, canonical_username),
        name=name,
        email=None if canonical_email is None else Address(AddressKind.EMAIL, email, canonical_email),
        mobile=None if canonical_mobile is None else Address(AddressKind.MOBILE, mobile, canonical_mobile),
        email_verified=bool(email_verified),
        mobile_verified=bool(mobile_verified),
        ever_verified=bool(ever_verified),
        recovery_addresses=() if recovery is None else _recovery_addresses(recovery),
        password_hash=password_hash,
        is_active=bool(is_active),
        is_staff=bool(is_staff),
        is_superuser=bool(is_superuser),
        roles=() if roles is None else tuple(json.decode(roles)),
        suspension=(
            None
            if suspended_at is None
            else Suspension(since=suspended_at, until=suspended_until, reason=suspension_reason or "")
        ),
        image=image,
        created_at=created_at,
        deletion_due_at=deletion_due_at,
    )


def _recovery_addresses(text: str) -> tuple[RecoveryAddress, ...]:
    return tuple(
        RecoveryAddress(
            address=_address(address),
            replaced_at=replaced_at,
            expires_at=expires_at,
            other=other and _address(other),
            other_verified=other_verified,
        )
        for address, replaced_at, expires_at, other, other_verified in json.decode(text)
    )


def recovery_json(recovery_addresses: Iterable[RecoveryAddress]) -> str:
    return json.encode([astuple(kept) for kept in recovery_addresses]).decode()


def _address(fields: list[str]) -> Address:
    kind, text, canonical = fields
    return Address(AddressKind(kind), text, canonical)


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
        "ever_verified": account.ever_verified,
        **{f"recovery_{kind}": (kept := account.recovery_address(kind)) and kept.address.canonical for kind in AddressKind},
        "recovery": recovery_json(account.recovery_addresses) if account.recovery_addresses else None,
        "password_hash": account.password_hash,
        "is_active": account.is_active,
        "is_staff": account.is_staff,
        "is_superuser": account.is_superuser,
        "roles": json.encode(account.roles).decode() if account.roles else None,
        "suspended_at": account.suspension and account.suspension.since,
        "suspended_until": account.suspension and account.suspension.until,
        "suspension_reason": account.suspension and account.suspension.reason,
        "image": account.image,
        "created_at": account.created_at,
        "deletion_due_at": account.deletion_due_at,
    }
