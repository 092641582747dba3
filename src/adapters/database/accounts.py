"""Accounts in SQL."""

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles for SQLite as well; not so the reverse

from ...application.ports import Login
from ...domain.account import Account, Address, Kind, Username
from ...domain.errors import AlreadyTaken, Unavailable
from .claims import Claims
from .schema import accounts, sessions
from .statements import Ask, Conflict, Row, Unit, binds

_columns = accounts.columns
_written = [column for column in _columns if column is not _columns.id]
_key_columns = {"username": _columns.username_key, "email": _columns.email_key, "mobile": _columns.mobile_key}

_GET = select(accounts).where(_columns.id == bindparam("account_id"))
_CLAIM = _GET.with_for_update()
_HAVING = {kind: select(accounts).where(_key_columns[kind] == bindparam("key")) for kind in Kind}
_CLAIM_HAVING = {kind: statement.with_for_update() for kind, statement in _HAVING.items()}
_MEANT_BY = select(accounts).where(or_(*(column == bindparam(field) for field, column in _key_columns.items())))
_OWNER = {field: select(_columns.id).where(column == bindparam("key")) for field, column in _key_columns.items()}
_SIGNED_IN = (
    select(accounts)
    .join(sessions, sessions.c.account_id == _columns.id)
    .where(
        sessions.c.id == bindparam("session_id"),
        sessions.c.account_id == bindparam("account_id"),
        sessions.c.ended_at.is_(None),
        sessions.c.expires_at > bindparam("now"),
        _columns.is_active,
    )
)
_ADD = insert(accounts).values(binds(_written)).on_conflict_do_nothing().returning(_columns.id)
_SAVE = update(accounts).where(_columns.id == bindparam("account_id")).values(binds(_written))


class SqlAccounts:
    """Questions to whatever `ask` reads: what is committed, or one transaction's own rows."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def get(self, account_id: int) -> Account | None:
        return _first(self._ask(_GET, account_id=account_id))

    def having(self, address: Address) -> Account | None:
        return _first(self._ask(_HAVING[address.kind], key=address.key))

    def meant_by(self, login: Login) -> Account | None:
        address = login.address
        wanted = {kind.value: address.key if address and address.kind is kind else None for kind in Kind}
        found = [_account(row) for row in self._ask(_MEANT_BY, username=login.username_key, **wanted)]
        found.sort(key=lambda account: address is None or not account.has(address))
        return found[0] if found else None

    def signed_in(self, account_id: int, session_id: str, now: float) -> Account | None:
        return _first(self._ask(_SIGNED_IN, account_id=account_id, session_id=session_id, now=now))

    def taken(self, username: Username | None, addresses: Iterable[Address], *, but: int = 0) -> frozenset[str]:
        wanted = [(address.kind.value, address.key) for address in addresses]
        if username:
            wanted.append(("username", username.key))
        owned = ((field, self._ask(_OWNER[field], key=key)) for field, key in wanted)
        return frozenset(field for field, rows in owned if rows and rows[0][0] != but)


class SqlClaimedAccounts(SqlAccounts):
    """The same inside a transaction, and changes."""

    def __init__(self, unit: Unit, claims: Claims) -> None:
        super().__init__(unit.ask)
        self._unit = unit
        self._claims = claims

    def claim(self, account_id: int) -> Account | None:
        return self._claimed(_first(self._ask(_CLAIM, account_id=account_id)))

    def claim_having(self, address: Address) -> Account | None:
        return self._claimed(_first(self._ask(_CLAIM_HAVING[address.kind], key=address.key)))

    def add(self, account: Account) -> Account:
        added = self._unit.run(_ADD, **_values(account))
        if not added:
            raise self._already_taken(account)
        [(account_id,)] = added
        self._claims.hold("accounts", account_id)
        return replace(account, id=account_id)

    def save(self, account: Account) -> None:
        self._claims.demand("accounts", account.id)
        try:
            self._unit.try_to_run(_SAVE, account_id=account.id, **_values(account))
        except Conflict:
            raise self._already_taken(account) from None

    def _claimed(self, account: Account | None) -> Account | None:
        if account is not None:
            self._claims.hold("accounts", account.id)
        return account

    def _already_taken(self, account: Account) -> AlreadyTaken:
        """Names every field that is taken; the broken key alone would tell only one."""
        fields = self.taken(account.username, account.addresses, but=account.id)
        if not fields:  # it was let go of in this moment
            raise Unavailable(retry_after=0)
        return AlreadyTaken(*(field for field in _key_columns if field in fields))


def _first(rows: list[Row]) -> Account | None:
    return _account(rows[0]) if rows else None


def _account(row: Row) -> Account:
    (number, username, username_key, name, email, email_key, mobile, mobile_key, email_proven, mobile_proven, settled,
     password_hash, is_active, is_staff, is_superuser, image, created_at) = row  # fmt: skip
    return Account(
        id=number,
        username=Username(username, username_key),
        name=name,
        email=None if email_key is None else Address(Kind.EMAIL, email, email_key),
        mobile=None if mobile_key is None else Address(Kind.MOBILE, mobile, mobile_key),
        email_proven=bool(email_proven),
        mobile_proven=bool(mobile_proven),
        settled=bool(settled),
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
        "username_key": account.username.key,
        "name": account.name,
        "email": email and email.text,
        "email_key": email and email.key,
        "mobile": mobile and mobile.text,
        "mobile_key": mobile and mobile.key,
        "email_proven": account.email_proven,
        "mobile_proven": account.mobile_proven,
        "settled": account.settled,
        "password_hash": account.password_hash,
        "is_active": account.is_active,
        "is_staff": account.is_staff,
        "is_superuser": account.is_superuser,
        "image": account.image,
        "created_at": account.created_at,
    }
