"""Challenges and proofs in SQL."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Text, bindparam, delete, select, update

from ...domain.account import Address, AddressKind
from ...domain.code import Challenge, CodePurpose, Proof
from .locked_rows import LockedRows
from .schema import challenges as schema_challenges
from .schema import proofs
from .sql import OpenTransaction, Row, numbered, storable, upsert, upsert_rows, values_of

_columns = schema_challenges.columns
_PLAIN = (
    *("id", "network", "on_behalf_of", "reference", "sent_at", "expires_at", "failed_attempts", "failed_attempts_elsewhere"),
    "used_at",
)
_challenges = select(
    *_columns["address_kind", "canonical_address", "purpose", "from_known_network", "address", "is_decoy", *_PLAIN]
)
_to_address = (_columns.address_kind == bindparam("kind"), _columns.canonical_address == bindparam("canonical"))
_on_behalf_of = _columns.on_behalf_of == bindparam("on_behalf_of")
_purpose = _columns.purpose == bindparam("purpose")

_LOCK = _challenges.where(*_to_address, _purpose).with_for_update()
_LOCK_ON_BEHALF_OF = _challenges.where(_on_behalf_of, _purpose).with_for_update()
_kept = [bindparam(name, type_=Text) for name in ("first", "last")]
_SAVE = (
    update(schema_challenges)
    .where(_columns.id == bindparam("challenge_id"))
    .values({name: bindparam(name) for name in ("failed_attempts", "failed_attempts_elsewhere", "used_at")})
)
_REPLACE_ON_BEHALF_OF = delete(schema_challenges).where(
    _on_behalf_of,
    _purpose,
    _columns.from_known_network == bindparam("from_known_network"),
    _columns.canonical_address.not_in(_kept),
)
"""Spares the rows of the addresses that get new ones: a decoy's row would be deleted where the email's was replaced already."""

_REVOKE = delete(schema_challenges).where(*_to_address)
_REVOKE_ASKED_FROM = _REVOKE.where(_columns.network.is_not_distinct_from(bindparam("network")))
_REVOKE_ON_BEHALF_OF = delete(schema_challenges).where(_on_behalf_of)
_IS_CURRENT = select(_columns.id).where(
    _columns.id == bindparam("challenge_id"), _columns.used_at.is_(None), _columns.expires_at > bindparam("now")
)

_ADD_PROOF = upsert(proofs)
_DELETE_PROOFS_OF = delete(proofs).where(
    proofs.c.canonical_address == bindparam("canonical"), proofs.c.address_kind == bindparam("kind")
)
_SPEND_PROOF = (
    delete(proofs)
    .where(proofs.c.digest == bindparam("digest"), proofs.c.verified_at >= bindparam("since"))
    .returning(proofs.c.digest)
)
_FIND_PROOF = select(proofs).where(proofs.c.digest == bindparam("digest"), proofs.c.verified_at >= bindparam("since"))
_PROOF_OF_ADDRESS = (
    select(proofs.c.digest)
    .where(
        proofs.c.canonical_address == bindparam("canonical"),
        proofs.c.verified_at >= bindparam("since"),
        proofs.c.address_kind == bindparam("kind"),
        proofs.c.network.is_not_distinct_from(bindparam("network")),
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

    def put(self, challenges: Sequence[Challenge]) -> None:
        companions: dict[tuple[str, str, bool], list[str]] = {}
        for one in challenges:
            if one.on_behalf_of is not None:
                key = one.on_behalf_of, one.purpose.value, one.from_known_network
                companions.setdefault(key, []).append(one.address.canonical)
        for (on_behalf_of, purpose, is_known), (first, *others) in companions.items():
            values = {"on_behalf_of": on_behalf_of, "purpose": purpose, "from_known_network": is_known}
            self._sql.run(_REPLACE_ON_BEHALF_OF, **values, first=first, last=others[-1] if others else first)
        self._store(challenges)

    def save(self, challenges: Sequence[Challenge]) -> None:
        """Saves several by one statement. A single one, as of a right code, is cheaper by an UPDATE of the columns that change:
        SQLite rewrites the index entry of every column that is set, even to its value.
        """
        for challenge in challenges:
            if not challenge.is_decoy:
                self._locked.require("challenges", challenge.id)
        match challenges:
            case [one] if not one.is_decoy:
                values = values_of(one, ("failed_attempts", "failed_attempts_elsewhere", "used_at"))
                self._sql.run(_SAVE, challenge_id=one.id, **values)
            case _:
                self._store(challenges)

    def _store(self, challenges: Sequence[Challenge]) -> None:
        if not challenges:
            return
        rows = [_row_of(one) for one in sorted(challenges, key=lambda one: (one.address.kind, one.address.canonical))]
        self._sql.run(upsert_rows(schema_challenges, len(rows)), **numbered(rows))
        for challenge in challenges:
            self._locked.add("challenges", challenge.id)

    def revoke(self, addresses: Iterable[Address]) -> None:
        for address in _in_lock_order(addresses):
            self._sql.run(_REVOKE, kind=address.kind.value, canonical=address.canonical)
            self._sql.run(_REVOKE_ON_BEHALF_OF, on_behalf_of=address.canonical)

    def revoke_asked_from(self, network: str | None, addresses: Iterable[Address]) -> None:
        for address in _in_lock_order(addresses):
            values = {"kind": address.kind.value, "canonical": address.canonical, "network": network}
            self._sql.run(_REVOKE_ASKED_FROM, **values)

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
            network=proof.network,
        )

    def find(self, digest: str, since: float) -> Proof | None:
        for _, kind, text, canonical, verified_at, network in self._sql.query(_FIND_PROOF, digest=digest, since=since):
            address = Address(AddressKind(kind), text, canonical)
            return Proof(digest=digest, address=address, verified_at=verified_at, network=network)
        return None

    def spend(self, digest: str, since: float) -> bool:
        return bool(self._sql.run(_SPEND_PROOF, digest=digest, since=since))

    def delete_of(self, addresses: Iterable[Address]) -> None:
        for address in _in_lock_order(addresses):
            self._sql.run(_DELETE_PROOFS_OF, canonical=address.canonical, kind=address.kind.value)

    def is_verified(self, address: Address, since: float, network: str | None) -> bool:
        values = {"canonical": address.canonical, "kind": address.kind.value, "since": since, "network": network}
        return bool(self._sql.query(_PROOF_OF_ADDRESS, **values))


def _in_lock_order(addresses: Iterable[Address]) -> list[Address]:
    """Emails before mobiles, and so an email that a code was requested for by a mobile before that mobile."""
    return sorted(addresses, key=lambda address: (address.kind, address.canonical))


def _row_of(challenge: Challenge) -> dict[str, Any]:
    return {
        "address_kind": challenge.address.kind.value,
        "canonical_address": challenge.address.canonical,
        "purpose": challenge.purpose.value,
        "from_known_network": challenge.from_known_network,
        "address": challenge.address.text,
        "is_decoy": challenge.is_decoy,
        **values_of(challenge, _PLAIN),
        "network": storable(challenge.network),
    }


def _challenge(row: Row) -> Challenge:
    kind, canonical, purpose, from_known_network, text, is_decoy, *plain = row
    return Challenge(
        purpose=CodePurpose(purpose),
        address=Address(AddressKind(kind), text, canonical),
        from_known_network=bool(from_known_network),
        is_decoy=bool(is_decoy),
        **dict(zip(_PLAIN, plain, strict=True)),
    )
