"""Codes, proofs of addresses, and the counters that guard them, in memory."""

from collections.abc import Callable, Iterable, Sequence

from ...domain.account import Address, AddressKind
from ...domain.code import Challenge, CodePurpose, Proof
from ...domain.rate_limits import SlidingWindow
from .memory_state import State, Unit


class MemoryChallenges:
    """One challenge to a purpose and address."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def lock(
        self, purpose: CodePurpose, addresses: Iterable[Address], *, requested_for: str | None = None
    ) -> Sequence[Challenge]:
        rows = self._unit.state.challenges
        keys = {(purpose, address.kind, address.canonical) for address in addresses}
        claimed = [
            challenge
            for key, challenge in sorted(rows.items())
            if key in keys
            or (requested_for is not None and challenge.purpose is purpose and challenge.requested_for == requested_for)
        ]
        for challenge in claimed:
            self._unit.claims.hold("challenges", challenge.id)
        return claimed

    def put(self, challenge: Challenge) -> None:
        if challenge.requested_for is not None:
            self._drop(lambda old: old.purpose is challenge.purpose and old.requested_for == challenge.requested_for)
        self._unit.state.challenges[_place(challenge)] = challenge
        self._unit.claims.hold("challenges", challenge.id)

    def save(self, challenge: Challenge) -> None:
        self._unit.claims.demand("challenges", challenge.id)
        rows = self._unit.state.challenges
        stored = rows.get(_place(challenge))
        if stored is not None and stored.id == challenge.id:
            rows[_place(challenge)] = challenge

    def revoke(self, addresses: Iterable[Address]) -> None:
        to = {(address.kind, address.canonical) for address in addresses}
        keys = {key for _, key in to}
        self._drop(lambda old: (old.address.kind, old.address.canonical) in to or old.requested_for in keys)

    def is_current(self, challenge_id: str, now: float) -> bool:
        rows = self._unit.state.challenges.values()
        return any(row.id == challenge_id and row.used_at is None and now < row.expires_at for row in rows)

    def _drop(self, is_gone: Callable[[Challenge], bool]) -> None:
        rows = self._unit.state.challenges
        for key in [key for key, old in rows.items() if is_gone(old)]:
            del rows[key]


class MemoryProofs:
    """Proofs by their digests."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def add(self, proof: Proof) -> None:
        self._unit.state.proofs[proof.digest] = proof

    def find(self, digest: str, since: float) -> Proof | None:
        proof = self._unit.state.proofs.get(digest)
        return proof if proof is not None and proof.verified_at >= since else None

    def is_verified(self, address: Address, since: float) -> bool:
        return any(
            (proof.address.kind, proof.address.canonical) == (address.kind, address.canonical) and proof.verified_at >= since
            for proof in self._unit.state.proofs.values()
        )


class MemoryTallyReads:
    """Tallies in the version of the rows that `state` answers."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._now_held = state

    def get(self, keys: Sequence[str]) -> Sequence[SlidingWindow]:
        rows = self._now_held().tallies
        return [rows.get(key, SlidingWindow(key)) for key in keys]


class MemoryTallies(MemoryTallyReads):
    """The same inside a transaction, and changes. They are kept for ever, which is long enough."""

    def __init__(self, unit: Unit) -> None:
        super().__init__(lambda: unit.state)
        self._unit = unit

    def lock(self, keys: Sequence[str]) -> Sequence[SlidingWindow]:
        for key in keys:
            self._unit.claims.hold("rate_limits", key)
        return self.get(keys)

    def save(self, tallies: Iterable[SlidingWindow], expires_at: float) -> None:  # noqa: ARG002 — nothing expires here
        for tally in tallies:
            self._unit.claims.demand("rate_limits", tally.key)
            self._unit.state.tallies[tally.key] = tally


def _place(challenge: Challenge) -> tuple[CodePurpose, AddressKind, str]:
    return challenge.purpose, challenge.address.kind, challenge.address.canonical
