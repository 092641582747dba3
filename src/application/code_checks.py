"""Checks of one-time codes, and the use cases that verify an address or log in by a code."""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..domain.account import Address, AddressKind
from ..domain.code import Challenge, CodePurpose, Proof, decoy_address
from ..domain.errors import AddressNotVerified, InvalidCode, Refusal
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.ownership import verified
from ..domain.rate_limits import Limits
from ..domain.texts import code_digits
from . import rate_limits
from .audit import record
from .ownership import AccountOpener
from .password_attempts import in_a_row, key_in_a_row
from .ports import Clock, Codes, Database, Holder, Identifiers, NewId, Transaction
from .rate_limits import Counter, Counters, key_by_knower, per_network
from .retry import retry_on_conflict
from .tokens import Identity, SessionIssuer, StartedSession, TokenSet
from .validation import Validator, digest_of_proof

POLICY = "wrong-codes"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeCheck:
    """The result of a code check; `matched` is the challenge of the right code, still to be consumed.

    `compared` are stored challenges, decoys of requests among them, and placeholders in place of those that are missing.
    `idle` are the keys of the counters of addresses without a stored one: there was no code to guess.
    """

    matched: Challenge | None
    compared: tuple[Challenge, ...]
    counters: Counters
    idle: frozenset[str]
    caller: Caller

    @property
    def matched_alone(self) -> bool:
        """Returns whether the code was sent for its address itself: that of a companion mail proves an email and no more."""
        return self.matched is not None and self.matched.on_behalf_of is None

    @property
    def now(self) -> float:
        return self.counters.now

    def consume(self, tx: Transaction) -> Challenge:
        """Marks the matched challenge as used."""
        assert self.matched  # noqa: S101 — the caller has checked it
        tx.challenges.save([self.matched.as_used(self.now)])
        record(tx, EventType.CODE_ACCEPTED, self.now, self.caller, detail=self.matched.purpose)
        return self.matched

    def clear_failed_logins(self, tx: Transaction, account_id: int) -> None:
        """Clears the wrong passwords in a row of the account that the code opens."""
        self.counters.clear(tx.rate_limits, [key_in_a_row(account_id)])

    def record_failure(self, tx: Transaction) -> None:
        """Counts a failed attempt: for each compared challenge, for its address, and for the caller's network."""
        if self.counters.refusal():
            return
        tx.challenges.save([challenge.with_failed_attempt(self.caller.ip_address) for challenge in self.compared])
        full = [counter.key for counter, _ in self.counters.counted if self.counters.is_full(counter.key)]
        counted = self.counters.hit(leaving_out=self.idle.union(full))
        counted.save(tx.rate_limits)
        record(tx, EventType.CODE_REFUSED, self.now, self.caller)
        if any(counted.is_full(counter.key) for counter, _ in counted.counted if counter.key not in full):
            record(tx, EventType.RATE_LIMITED, self.now, self.caller, detail="codes")

    def refusal(self) -> Refusal:
        return self.counters.refusal() or InvalidCode()


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeVerifier:
    """Compares a code with the open challenges of its addresses; failed attempts are counted in the same transaction.

    An address without an open challenge gets a placeholder, so that the response time does not reveal which addresses got
    codes.
    """

    database: Database
    codes: Codes
    clock: Clock
    limits: Limits
    limits_by_ip_address: bool = True

    def __call__(
        self,
        tx: Transaction,
        purpose: CodePurpose,
        holders: Mapping[Address, Holder],
        code: str,
        caller: Caller,
        *,
        on_behalf_of: str | None = None,
        opens: bool = True,
    ) -> CodeCheck:
        """Checks a code for any of the addresses, or of the companion mails for the mobile `on_behalf_of`.

        `opens` says that a right code may open an account, whose wrong passwords in a row it then clears.
        """
        locked = tx.challenges.lock(purpose, holders, on_behalf_of=on_behalf_of)
        now, max_failed = self.clock(), self.limits.wrong_codes_per_code
        stored = [challenge for challenge in locked if challenge.is_open(now, caller.ip_address, max_failed)]
        first, companions = next(iter(holders)), 2 if on_behalf_of is not None else 0
        addresses = {one.address.key: one.address for one in stored if one.on_behalf_of is not None}
        decoys = [decoy_address(AddressKind.EMAIL, f"{number}:{first.canonical}") for number in range(companions)]
        counted = [*holders, *addresses.values(), *decoys[len(addresses) :]]
        digests = {address.key: self.codes.keyed_digest(address.key) for address in counted}
        counters = {one.key: self._counter(one, digests[one.key], holders, now) for one in counted}
        network = caller.ip_address if self.limits_by_ip_address else None
        of_network = per_network("wrong-codes", network, self.limits.wrong_codes_per_network, POLICY)
        of_logins = [in_a_row(holder.account, digests[to.key]) for to, holder in holders.items()] if opens else []
        windows = rate_limits.lock(tx.rate_limits, [*counters.values(), *of_network, *of_logins], self.clock)
        # A challenge whose address has used up its wrong codes is left out: not even the right code matches it.
        full = {key for key, counter in counters.items() if windows.is_full(counter.key)}
        allowed = [one for one in stored if one.address.key not in full] if windows.refusal() is None else []
        matched = self._match(allowed, code)
        if matched is None:  # a wrong code costs the same whether or not the addresses have codes
            number_of_slots = 2 * (len(holders) + companions)  # for known and for unknown networks
            placeholders = [self._placeholder(purpose, first, number, now) for number in range(len(stored), number_of_slots)]
            self._match(placeholders, code)
            allowed += placeholders if first.key not in full and windows.refusal() is None else []
        to_guess = {one.address.key for one in stored}
        idle = frozenset(counter.key for key, counter in counters.items() if key not in to_guess)
        return CodeCheck(matched=matched, compared=tuple(allowed), counters=windows, idle=idle, caller=caller)

    def holders(self, addresses: Iterable[Address], caller: Caller) -> dict[Address, Holder]:
        """The holder of each address, read before the transaction."""
        accounts, now = self.database.accounts, self.clock()
        return {address: accounts.holder(address, caller.ip_address, now) for address in addresses}

    def _counter(self, address: Address, digest: str, holders: Mapping[Address, Holder], now: float) -> Counter:
        """The counter of wrong codes for an address; those from networks that its account knows are counted apart."""
        knower = next((found for holder in holders.values() if (found := holder.knower_of(address, now))), None)
        limits = self.limits.wrong_codes_per_destination_from_unknown_networks
        if knower is not None:
            limits = self.limits.wrong_codes_per_destination_from_known_networks
        return Counter(key_by_knower(f"wrong-codes:{digest}", knower), limits, POLICY, refuses=False)

    def _placeholder(self, purpose: CodePurpose, instead_of: Address, number: int, now: float) -> Challenge:
        """A decoy that has expired already, with an address that no check looks up; stored only if the check fails."""
        address = decoy_address(instead_of.kind, f"{number}:{instead_of.canonical}")
        challenge_id = self.codes.keyed_digest(f"decoy:{purpose}:{address.canonical}:{now}")
        return Challenge(
            id=challenge_id, purpose=purpose, address=address, reference="", is_decoy=True, sent_at=now, expires_at=now
        )

    def _match(self, challenges: Iterable[Challenge], code: str) -> Challenge | None:
        """Compares with every challenge, in constant time."""
        matched = None
        for challenge in challenges:
            expected = self.codes.code(challenge.id, challenge.purpose, challenge.address.canonical).encode()
            if hmac.compare_digest(expected, code.encode()) and not challenge.is_decoy:
                matched = challenge
        return matched


@dataclass(frozen=True, slots=True)
class IssuedProof:
    """The result of a verification: `proof` marks the address as verified in a registration or a change within the hour.

    `kind` is that of the address that the code was sent to, which differs from the destination for a code to its email.
    """

    proof: str = field(repr=False)
    kind: AddressKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofIssuer:
    """Issues proofs of addresses."""

    codes: Codes
    new_id: NewId

    def __call__(self, tx: Transaction, address: Address, now: float, caller: Caller) -> str:
        proof = self.new_id()
        digest = digest_of_proof(self.codes, proof)
        tx.proofs.add(Proof(digest=digest, address=address, verified_at=now, network=caller.ip_address))
        return proof


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyCode:
    """Verifies the address that the code was sent to, for the bearer of the proof, and on the account of `identity`.

    An account that does not have the address does not get it. Without `identity` no account is concerned. Raises
    `InvalidInput`, `InvalidCode`, `RateLimited`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    code_verifier: CodeVerifier
    proof_issuer: ProofIssuer
    recovery_seconds: float

    @retry_on_conflict
    def __call__(
        self, *, destination: str, verify_otp: str, identity: Identity | None = None, caller: Caller = TRUSTED_CALLER
    ) -> IssuedProof:
        to, code = read_code(self.identifiers, destination, verify_otp)
        holders = self.code_verifier.holders([to], caller)
        with self.database.begin() as tx:
            check = self.code_verifier(
                tx, CodePurpose.GENERAL, holders, code, caller, on_behalf_of=on_behalf_of(to), opens=False
            )
            if check.matched is not None:
                address = check.consume(tx).address
                issued = IssuedProof(self.proof_issuer(tx, address, check.now, caller), address.kind)
                if identity is not None:
                    self._verify(tx, address, identity, check.now, caller)
            else:
                check.record_failure(tx)
        if check.matched is None:
            raise check.refusal()
        return issued

    def _verify(self, tx: Transaction, address: Address, identity: Identity, now: float, caller: Caller) -> None:
        account = tx.accounts.lock_by_active_session(identity.account.id, identity.session_id, lambda: now)
        if account is None or not account.has(address) or account.has_verified(address):
            return
        tx.accounts.save(verified(account, address.kind, now, self.recovery_seconds))
        session_id, event = identity.session_id, EventType.ADDRESS_VERIFIED
        record(tx, event, now, caller, account_id=account.id, session_id=session_id, detail=address.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogInByCode:
    """Logs in to the account that has `destination`, with a code that was requested for it.

    `AccountOpener` says what the code does. With the account's own `identity` nothing is cleared. Raises `InvalidInput`,
    `InvalidCode`, `AddressNotVerified`, `RateLimited`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    code_verifier: CodeVerifier
    account_opener: AccountOpener
    proof_issuer: ProofIssuer
    session_issuer: SessionIssuer

    @retry_on_conflict
    def __call__(
        self, *, destination: str, verify_otp: str, identity: Identity | None = None, caller: Caller = TRUSTED_CALLER
    ) -> TokenSet:
        to, code = read_code(self.identifiers, destination, verify_otp)
        holders = self.code_verifier.holders([to], caller)
        with self.database.begin() as tx:
            check = self.code_verifier(tx, CodePurpose.GENERAL, holders, code, caller, on_behalf_of=on_behalf_of(to))
            result = self._start_session(tx, check, to, holders[to], identity)
        if isinstance(result, Refusal):
            raise result
        return self.session_issuer.token_set(result)

    def _start_session(
        self, tx: Transaction, check: CodeCheck, to: Address, holder: Holder, identity: Identity | None
    ) -> StartedSession | Refusal:
        now, caller, opening = check.now, check.caller, None
        if check.matched is not None and (check.matched_alone or to.kind is AddressKind.MOBILE):
            opening = self.account_opener.find_and_revoke_codes(tx, to, check.matched.address, holder, now)
        if opening is None:
            check.record_failure(tx)
            return check.refusal()
        address = check.consume(tx).address
        if not opening.opens:
            return AddressNotVerified(self.proof_issuer(tx, address, now, caller))
        check.clear_failed_logins(tx, opening.account.id)
        account, effects = self.account_opener.open(tx, opening, identity, now, caller)
        started = self.session_issuer.start(tx, account, now, caller, f"code:{address.kind}")
        return replace(started, effects=effects)


def read_code(identifiers: Identifiers, destination: str, verify_otp: str) -> tuple[Address, str]:
    """The address and the code; `verify_otp` is the code under its HTTP field's name, which `InvalidInput` reports."""
    validator = Validator()
    to = validator.text("destination", destination, identifiers.destination)
    code = validator.text("verify_otp", verify_otp, code_digits)
    return validator.valid(to, code)


def on_behalf_of(to: Address) -> str | None:
    return to.canonical if to.kind is AddressKind.MOBILE else None
