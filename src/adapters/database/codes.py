"""Challenges in SQL: one to a flow and address."""

from collections.abc import Iterable, Sequence

from sqlalchemy import bindparam, delete, select, update

from ...domain.account import Address, AddressKind
from ...domain.code import Challenge, CodePurpose
from .locked_rows import Claims
from .schema import challenges
from .sql import Row, Unit, upsert

_columns = challenges.columns
_to_address = (_columns.address_kind == bindparam("kind"), _columns.address_key == bindparam("key"))

_CLAIM = select(challenges).where(*_to_address, _columns.flow == bindparam("flow")).with_for_update()
_CLAIM_BESIDE = (
    select(challenges).where(_columns.beside == bindparam("beside"), _columns.flow == bindparam("flow")).with_for_update()
)
_PUT = upsert(challenges)
_SAVE = (
    update(challenges)
    .where(_columns.id == bindparam("challenge_id"))
    .values(guesses=bindparam("guesses"), used_at=bindparam("used_at"), expires_at=bindparam("expires_at"))
)
_DROP_BESIDE = delete(challenges).where(_columns.beside == bindparam("beside"), _columns.flow == bindparam("flow"))
_END_TO = delete(challenges).where(*_to_address)
_END_BESIDE = delete(challenges).where(_columns.beside == bindparam("key"))
_CURRENT = select(_columns.id).where(
    _columns.id == bindparam("challenge_id"), _columns.used_at.is_(None), _columns.expires_at > bindparam("now")
)


class SqlChallenges:
    """Challenges inside a transaction."""

    def __init__(self, unit: Unit, claims: Claims) -> None:
        self._unit = unit
        self._claims = claims

    def lock(self, flow: CodePurpose, addresses: Iterable[Address], *, beside: str | None = None) -> Sequence[Challenge]:
        rows: list[Row] = []
        for address in addresses:
            rows += self._unit.ask(_CLAIM, flow=flow.value, kind=address.kind.value, key=address.canonical)
        if beside is not None:
            rows += self._unit.ask(_CLAIM_BESIDE, flow=flow.value, beside=beside)
        claimed = [_challenge(row) for row in sorted(set(rows))]
        for challenge in claimed:
            self._claims.hold("challenges", challenge.id)
        return claimed

    def put(self, challenge: Challenge) -> None:
        values = _values(challenge)
        if challenge.requested_for is not None:
            self._unit.run(_DROP_BESIDE, flow=values["flow"], beside=challenge.requested_for)
        self._unit.run(_PUT, **values)
        self._claims.hold("challenges", challenge.id)

    def save(self, challenge: Challenge) -> None:
        self._claims.demand("challenges", challenge.id)
        self._unit.run(
            _SAVE,
            challenge_id=challenge.id,
            guesses=challenge.failed_attempts,
            used_at=challenge.used_at,
            expires_at=challenge.expires_at,
        )

    def revoke(self, addresses: Iterable[Address]) -> None:
        for address in addresses:
            self._unit.run(_END_TO, kind=address.kind.value, key=address.canonical)
            self._unit.run(_END_BESIDE, key=address.canonical)

    def is_current(self, challenge_id: str, now: float) -> bool:
        return bool(self._unit.ask(_CURRENT, challenge_id=challenge_id, now=now))


def _challenge(row: Row) -> Challenge:
    (kind, key, flow, challenge_id, text, beside, reference, sent, sent_at, expires_at, guesses, used_at) = row
    return Challenge(
        id=challenge_id,
        purpose=CodePurpose(flow),
        address=Address(AddressKind(kind), text, key),
        requested_for=beside,
        reference=reference,
        is_decoy=not sent,
        sent_at=sent_at,
        expires_at=expires_at,
        failed_attempts=guesses,
        used_at=used_at,
    )


def _values(challenge: Challenge) -> dict[str, object]:
    return {
        "address_kind": challenge.address.kind.value,
        "address_key": challenge.address.canonical,
        "flow": challenge.purpose.value,
        "id": challenge.id,
        "address": challenge.address.text,
        "beside": challenge.requested_for,
        "reference": challenge.reference,
        "sent": not challenge.is_decoy,
        "sent_at": challenge.sent_at,
        "expires_at": challenge.expires_at,
        "guesses": challenge.failed_attempts,
        "used_at": challenge.used_at,
    }
