"""Challenges in SQL: one to a purpose and address."""

from collections.abc import Iterable, Sequence

from sqlalchemy import bindparam, delete, select, update

from ...domain.account import Address, AddressKind
from ...domain.code import Challenge, CodePurpose
from .locked_rows import Claims
from .schema import challenges
from .sql import Row, Unit, upsert

_columns = challenges.columns
_to_address = (_columns.address_kind == bindparam("kind"), _columns.canonical_address == bindparam("key"))

_CLAIM = select(challenges).where(*_to_address, _columns.purpose == bindparam("purpose")).with_for_update()
_CLAIM_BESIDE = (
    select(challenges)
    .where(_columns.requested_for == bindparam("requested_for"), _columns.purpose == bindparam("purpose"))
    .with_for_update()
)
_PUT = upsert(challenges)
_SAVE = (
    update(challenges)
    .where(_columns.id == bindparam("challenge_id"))
    .values(failed_attempts=bindparam("failed_attempts"), used_at=bindparam("used_at"), expires_at=bindparam("expires_at"))
)
_DROP_BESIDE = delete(challenges).where(
    _columns.requested_for == bindparam("requested_for"), _columns.purpose == bindparam("purpose")
)
_END_TO = delete(challenges).where(*_to_address)
_END_BESIDE = delete(challenges).where(_columns.requested_for == bindparam("key"))
_CURRENT = select(_columns.id).where(
    _columns.id == bindparam("challenge_id"), _columns.used_at.is_(None), _columns.expires_at > bindparam("now")
)


class SqlChallenges:
    """Challenges inside a transaction."""

    def __init__(self, unit: Unit, claims: Claims) -> None:
        self._unit = unit
        self._claims = claims

    def lock(
        self, purpose: CodePurpose, addresses: Iterable[Address], *, requested_for: str | None = None
    ) -> Sequence[Challenge]:
        rows: list[Row] = []
        if requested_for is not None:
            rows += self._unit.ask(_CLAIM_BESIDE, purpose=purpose.value, requested_for=requested_for)
        for address in _in_lock_order(addresses):
            rows += self._unit.ask(_CLAIM, purpose=purpose.value, kind=address.kind.value, key=address.canonical)
        claimed = [_challenge(row) for row in sorted(set(rows))]
        for challenge in claimed:
            self._claims.hold("challenges", challenge.id)
        return claimed

    def put(self, challenge: Challenge) -> None:
        values = _values(challenge)
        if challenge.requested_for is not None:
            self._unit.run(_DROP_BESIDE, purpose=values["purpose"], requested_for=challenge.requested_for)
        self._unit.run(_PUT, **values)
        self._claims.hold("challenges", challenge.id)

    def save(self, challenge: Challenge) -> None:
        self._claims.demand("challenges", challenge.id)
        self._unit.run(
            _SAVE,
            challenge_id=challenge.id,
            failed_attempts=challenge.failed_attempts,
            used_at=challenge.used_at,
            expires_at=challenge.expires_at,
        )

    def revoke(self, addresses: Iterable[Address]) -> None:
        for address in _in_lock_order(addresses):
            self._unit.run(_END_BESIDE, key=address.canonical)
            self._unit.run(_END_TO, kind=address.kind.value, key=address.canonical)

    def is_current(self, challenge_id: str, now: float) -> bool:
        return bool(self._unit.ask(_CURRENT, challenge_id=challenge_id, now=now))


def _in_lock_order(addresses: Iterable[Address]) -> list[Address]:
    """Emails before mobiles, and so an email that a code was requested for by a mobile before that mobile."""
    return sorted(addresses, key=lambda address: (address.kind, address.canonical))


def _challenge(row: Row) -> Challenge:
    (
        kind,
        key,
        purpose,
        challenge_id,
        text,
        requested_for,
        reference,
        is_decoy,
        sent_at,
        expires_at,
        failed_attempts,
        used_at,
    ) = row
    return Challenge(
        id=challenge_id,
        purpose=CodePurpose(purpose),
        address=Address(AddressKind(kind), text, key),
        requested_for=requested_for,
        reference=reference,
        is_decoy=bool(is_decoy),
        sent_at=sent_at,
        expires_at=expires_at,
        failed_attempts=failed_attempts,
        used_at=used_at,
    )


def _values(challenge: Challenge) -> dict[str, object]:
    return {
        "address_kind": challenge.address.kind.value,
        "canonical_address": challenge.address.canonical,
        "purpose": challenge.purpose.value,
        "id": challenge.id,
        "address": challenge.address.text,
        "requested_for": challenge.requested_for,
        "reference": challenge.reference,
        "is_decoy": challenge.is_decoy,
        "sent_at": challenge.sent_at,
        "expires_at": challenge.expires_at,
        "failed_attempts": challenge.failed_attempts,
        "used_at": challenge.used_at,
    }
