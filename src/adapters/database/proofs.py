"""Proofs in SQL: which address was proven when, and the digest of what its bearer holds."""

from sqlalchemy import bindparam, select

from ...domain.account import Address, AddressKind
from ...domain.code import Proof
from .schema import proofs
from .sql import Unit, upsert

_columns = proofs.columns

_ADD = upsert(proofs)
_FIND = select(proofs).where(_columns.digest == bindparam("digest"), _columns.verified_at >= bindparam("since"))
_OF_ADDRESS = (
    select(_columns.digest)
    .where(
        _columns.canonical_address == bindparam("key"),
        _columns.verified_at >= bindparam("since"),
        _columns.address_kind == bindparam("kind"),
    )
    .limit(1)
)


class SqlProofs:
    """Proofs inside a transaction."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def add(self, proof: Proof) -> None:
        address = proof.address
        self._unit.run(
            _ADD,
            digest=proof.digest,
            address_kind=address.kind.value,
            address=address.text,
            canonical_address=address.canonical,
            verified_at=proof.verified_at,
        )

    def find(self, digest: str, since: float) -> Proof | None:
        for found, kind, text, key, verified_at in self._unit.ask(_FIND, digest=digest, since=since):
            return Proof(digest=found, address=Address(AddressKind(kind), text, key), verified_at=verified_at)
        return None

    def is_verified(self, address: Address, since: float) -> bool:
        return bool(self._unit.ask(_OF_ADDRESS, key=address.canonical, kind=address.kind.value, since=since))
