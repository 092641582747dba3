"""Codes, proofs of addresses, and the counters that guard them, in memory."""

from collections.abc import Callable, Iterable, Sequence

from ...domain.account import Address, Kind
from ...domain.code import Challenge, Flow, Proof
from ...domain.rate_limits import Tally
from .memory_state import State, Unit


class MemoryChallenges:
    """One challenge to a flow and address."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def claim(self, flow: Flow, addresses: Iterable[Address], *, beside: str | None = None) -> Sequence[Challenge]:
        rows = self._unit.state.challenges
        keys = {(flow, address.kind, address.key) for address in addresses}
        claimed = [
            challenge
            for key, challenge in sorted(rows.items())
            if key in keys or (beside is not None and challenge.flow is flow and challenge.beside == beside)
        ]
        for challenge in claimed:
            self._unit.claims.hold("challenges", challenge.id)
        return claimed

    def put(self, challenge: Challenge) -> None:
        if challenge.beside is not None:
            self._drop(lambda old: old.flow is challenge.flow and old.beside == challenge.beside)
        self._unit.state.challenges[_place(challenge)] = challenge
        self._unit.claims.hold("challenges", challenge.id)

    def save(self, challenge: Challenge) -> None:
        self._unit.claims.demand("challenges", challenge.id)
        rows = self._unit.state.challenges
        stored = rows.get(_place(challenge))
        if stored is not None and stored.id == challenge.id:
            rows[_place(challenge)] = challenge

    def end(self, addresses: Iterable[Address]) -> None:
        to = {(address.kind, address.key) for address in addresses}
        keys = {key for _, key in to}
        self._drop(lambda old: (old.address.kind, old.address.key) in to or old.beside in keys)

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
        return proof if proof is not None and proof.proven_at >= since else None

    def is_proven(self, address: Address, since: float) -> bool:
        return any(
            (proof.address.kind, proof.address.key) == (address.kind, address.key) and proof.proven_at >= since
            for proof in self._unit.state.proofs.values()
        )


class MemoryTallyReads:
    """Tallies in the version of the rows that `state` answers."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._now_held = state

    def look(self, keys: Sequence[str]) -> Sequence[Tally]:
        rows = self._now_held().tallies
        return [rows.get(key, Tally(key)) for key in keys]


class MemoryTallies(MemoryTallyReads):
    """The same inside a transaction, and changes. They are kept for ever, which is long enough."""

    def __init__(self, unit: Unit) -> None:
        super().__init__(lambda: unit.state)
        self._unit = unit

    def claim(self, keys: Sequence[str]) -> Sequence[Tally]:
        for key in keys:
            self._unit.claims.hold("tallies", key)
        return self.look(keys)

    def save(self, tallies: Iterable[Tally], expires_at: float) -> None:  # noqa: ARG002 — nothing expires here
        for tally in tallies:
            self._unit.claims.demand("tallies", tally.key)
            self._unit.state.tallies[tally.key] = tally


def _place(challenge: Challenge) -> tuple[Flow, Kind, str]:
    return challenge.flow, challenge.address.kind, challenge.address.key
