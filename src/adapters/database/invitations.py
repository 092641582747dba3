"""Invitations in SQL."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Text, bindparam, delete, select, tuple_

from ...domain.account import Address, AddressKind
from ...domain.invitation import Invitation
from .schema import invitations
from .sql import OpenTransaction, Query, Row, upsert

_columns = invitations.c
_rows = select(
    *_columns["address_kind", "address", "canonical_address", "id", "digest", "invited_at", "expires_at", "invited_by"]
)
_is_open = _columns.expires_at > bindparam("now")
_of_address = (_columns.address_kind == bindparam("kind"), _columns.canonical_address == bindparam("canonical"))

_ADD = upsert(invitations)
_FIND = _rows.where(_columns.digest == bindparam("digest"), _is_open)
_OF = _rows.where(*_of_address, _is_open)
_USE = delete(invitations).where(*_of_address, _is_open).returning(*_rows.selected_columns)
_IS_OPEN = select(_columns.id).where(_columns.id == bindparam("invitation_id"), _is_open)
_DELETE_TO = delete(invitations).where(*_of_address)
_DELETE_BY = delete(invitations).where(_columns.invited_by == bindparam("account_id"))
_after_kind, _after_canonical = (bindparam(name, type_=Text) for name in ("kind", "canonical"))
_PAGE = (
    _rows.where(tuple_(_columns.address_kind, _columns.canonical_address) > tuple_(_after_kind, _after_canonical), _is_open)
    .order_by(_columns.address_kind, _columns.canonical_address)
    .limit(bindparam("limit"))
)


class SqlInvitationReads:
    """Reads committed invitations."""

    def __init__(self, query: Query) -> None:
        self._query = query

    def find(self, after: Address | None, now: float, *, limit: int) -> Sequence[Invitation]:
        kind, canonical = ("", "") if after is None else (after.kind.value, after.canonical)
        return [_invitation(row) for row in self._query(_PAGE, kind=kind, canonical=canonical, now=now, limit=limit)]


class SqlInvitations:
    """Reads and changes invitations in one transaction."""

    def __init__(self, sql: OpenTransaction) -> None:
        self._sql = sql

    def add(self, invitation: Invitation) -> None:
        self._sql.run(
            _ADD,
            address_kind=invitation.address.kind.value,
            canonical_address=invitation.address.canonical,
            address=invitation.address.text,
            id=invitation.id,
            digest=invitation.digest,
            invited_at=invitation.invited_at,
            expires_at=invitation.expires_at,
            invited_by=invitation.invited_by,
        )

    def find(self, digest: str, now: float) -> Invitation | None:
        return _first(self._sql.query(_FIND, digest=digest, now=now))

    def of(self, address: Address, now: float) -> Invitation | None:
        return _first(self._sql.query(_OF, kind=address.kind.value, canonical=address.canonical, now=now))

    def use(self, address: Address, now: float) -> Invitation | None:
        return _first(self._sql.run(_USE, kind=address.kind.value, canonical=address.canonical, now=now))

    def is_open(self, invitation_id: str, now: float) -> bool:
        return bool(self._sql.query(_IS_OPEN, invitation_id=invitation_id, now=now))

    def delete_of(self, account_id: int, addresses: Iterable[Address]) -> None:
        self._sql.run(_DELETE_BY, account_id=account_id)
        for address in sorted(addresses, key=lambda one: (one.kind, one.canonical)):
            self._sql.run(_DELETE_TO, kind=address.kind.value, canonical=address.canonical)


def _first(rows: Sequence[Row]) -> Invitation | None:
    return next(map(_invitation, rows), None)


def _invitation(row: Row) -> Invitation:
    kind, text, canonical, invitation_id, digest, invited_at, expires_at, invited_by = row
    return Invitation(
        id=invitation_id,
        digest=digest,
        address=Address(AddressKind(kind), text, canonical),
        invited_at=invited_at,
        expires_at=expires_at,
        invited_by=invited_by,
    )
