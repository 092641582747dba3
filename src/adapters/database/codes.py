"""Challenges and proofs in SQL."""

from collections.abc import Iterable, Sequence

from sqlalchemy import bindparam, delete, select, update

from ...domain.account import Address, AddressKind
from ...domain.code import Challenge, CodePurpose, Proof
from .locked_rows import LockedRows
from .schema import challenges, proofs
from .sql import OpenTransaction, Row, upsert, values_of

_columns = challenges.columns
_PLAIN = ("id", "on_behalf_of", "reference", "sent_at", "expires_at", "failed_attempts", "used_at")
_challenges = select(*_columns["address_kind", "canonical_address", "purpose", "address", "is_decoy", *_PLAIN])
_to_address = (_columns.address_kind == bindparam("kind"), _columns.canonical_address == bindparam("canonical"))
_on_behalf_of = _columns.on_behalf_of == bindparam("on_behalf_of")
_purpose = _columns.purpose == bindparam("purpose")

_LOCK = _challenges.where(*_to_address, _purpose).with_for_update()
_LOCK_ON_BEHALF_OF = _challenges.where(_on_behalf_of, _purpose).with_for_update()
_PUT = upsert(challenges)
_SAVE = (
    update(challenges)
    .where(_columns.id == bindparam("challenge_id"))
    .values(failed_attempts=bindparam("failed_attempts"), used_at=bindparam("used_at"), expires_at=bindparam("expires_at"))
)
_REPLACE_ON_BEHALF_OF = delete(challenges).where(_on_behalf_of, _purpose)
_REVOKE = delete(challenges).where(*_to_address)
_REVOKE_ON_BEHALF_OF = delete(challenges).where(_on_behalf_of)
_IS_CURRENT = select(_columns.id).where(
    _columns.id == bindparam("challenge_id"), _columns.used_at.is_(None), _columns.expires_at > bindparam("now")
)

_ADD_PROOF = upsert(proofs)
_FIND_PROOF = select(proofs).where(proofs.c.digest == bindparam("digest"), proofs.c.verified_at >= bindparam("since"))
_PROOF_OF_ADDRESS = (
    select(proofs.c.digest)
    .where(
        proofs.c.canonical_address == bindparam("canonical"),
        proofs.c.verified_at >= bindparam("since"),
        proofs.c.address_kind == bindparam("kind"),
    )
    .limit(1)
)


class SqlChallenges:
    """Locks and changes challenges in one transaction; one for each purpose and address."""

    def __init__(self, sql: OpenTransaction, locked: LockedRows) -> None:
        self._sql = sql
        self._locked = locked

    def lock(
        self, purpose: CodePurpose, addresses: Iterable[Address], *, on_behalf_of: str | None = None
    ) -> Sequence[Challenge]:
        rows: list[Row] = []
        for address in _in_lock_order(addresses):
            rows += self._sql.query(_LOCK, purpose=purpose.value, kind=address.kind.value, canonical=address.canonical)
        if on_behalf_of is not None:
            rows += self._sql.query(_LOCK_ON_BEHALF_OF, purpose=purpose.value, on_behalf_of=on_behalf_of)
        matches = [_challenge(row) for row in sorted(set(rows))]
        for challenge in matches:
            self._locked.add("challenges", challenge.id)
        return matches

    def put(self, challenge: Challenge) -> None:
        address, purpose = challenge.address, challenge.purpose.value
        if challenge.on_behalf_of is not None:
            self._sql.run(_REPLACE_ON_BEHALF_OF, purpose=purpose, on_behalf_of=challenge.on_behalf_of)
        self._sql.run(
            _PUT,
            address_kind=address.kind.value,
            canonical_address=address.canonical,
            purpose=purpose,
            address=address.text,
            is_decoy=challenge.is_decoy,
            **values_of(challenge, _PLAIN),
        )
        self._locked.add("challenges", challenge.id)

    def save(self, challenge: Challenge) -> None:
        self._locked.require("challenges", challenge.id)
        values = values_of(challenge, ("failed_attempts", "used_at", "expires_at"))
        self._sql.run(_SAVE, challenge_id=challenge.id, **values)

    def revoke(self, addresses: Iterable[Address]) -> None:
        for address in _in_lock_order(addresses):
            self._sql.run(_REVOKE, kind=address.kind.value, canonical=address.canonical)
            self._sql.run(_REVOKE_ON_BEHALF_OF, on_behalf_of=address.canonical)

    def is_current(self, challenge_id: str, now: float) -> bool:
        return bool(self._sql.query(_IS_CURRENT, challenge_id=challenge_id, now=now))


class SqlProofs:
    """Reads and adds proofs in one transaction."""

    def __init__(self, sql: OpenTransaction) -> None:
        self._sql = sql

    def add(self, proof: Proof) -> None:
        address = proof.address
        self._sql.run(
            _ADD_PROOF,
            digest=proof.digest,
            address_kind=address.kind.value,
            address=address.text,
            canonical_address=address.canonical,
            verified_at=proof.verified_at,
        )

    def find(self, digest: str, since: float) -> Proof | None:
        for _, kind, text, canonical, verified_at in self._sql.query(_FIND_PROOF, digest=digest, since=since):
            return Proof(digest=digest, address=Address(AddressKind(kind), text, canonical), verified_at=verified_at)
        return None

    def is_verified(self, address: Address, since: float) -> bool:
        values = {"canonical": address.canonical, "kind": address.kind.value, "since": since}
        return bool(self._sql.query(_PROOF_OF_ADDRESS, **values))


def _in_lock_order(addresses: Iterable[Address]) -> list[Address]:
    """Emails before mobiles, and so an email that a code was requested for by a mobile before that mobile."""
    return sorted(addresses, key=lambda address: (address.kind, address.canonical))


def _challenge(row: Row) -> Challenge:
    kind, canonical, purpose, text, is_decoy, *plain = row
    address = Address(AddressKind(kind), text, canonical)
    return Challenge(
        purpose=CodePurpose(purpose), address=address, is_decoy=bool(is_decoy), **dict(zip(_PLAIN, plain, strict=True))
    )
