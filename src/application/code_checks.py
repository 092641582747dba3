"""Checks of one-time codes, and the use cases that verify an address or log in by a code."""

import hmac
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from ..domain.account import Account, Address, AddressKind
from ..domain.code import Challenge, CodePurpose, Proof, decoy_address
from ..domain.errors import InvalidCode, RateLimited
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.rate_limits import DAY, WRONG_CODES, WRONG_CODES_BY_IP_ADDRESS, RateLimit, SlidingWindow
from .audit import record, record_verified_addresses
from .ports import Clock, Codes, Database, Identifiers, NewId, Transaction
from .retry import retry_on_conflict
from .tokens import Identity, SessionIssuer, TokenSet
from .validation import Validator


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeCheck:
    """The result of a code check; `matched` is the challenge of the right code, still to be consumed.

    `compared` are stored challenges, decoys of requests among them; `placeholders` are new decoys, in place of those that
    are missing.
    """

    matched: Challenge | None
    compared: tuple[Challenge, ...]
    placeholders: tuple[Challenge, ...]
    windows: tuple[tuple[SlidingWindow, tuple[RateLimit, ...]], ...]
    retry_after: int
    now: float
    caller: Caller

    def consume(self, tx: Transaction) -> Challenge:
        """Marks the matched challenge as used."""
        assert self.matched  # noqa: S101 — the caller has checked it
        tx.challenges.save(self.matched.as_used(self.now))
        return self.matched

    def record_failure(self, tx: Transaction) -> None:
        """Counts a failed attempt: for each compared challenge, for each address, and for the caller's IP address."""
        if self.retry_after:
            return
        for challenge in self.compared:
            tx.challenges.save(challenge.with_failed_attempt())
        for placeholder in self.placeholders:
            tx.challenges.put(placeholder.with_failed_attempt())
        counted = [(window.with_hit(limits, self.now), limits) for window, limits in self.windows]
        tx.rate_limits.save([window for window, _ in counted], self.now + DAY)
        record(tx, EventType.CODE_REFUSED, self.now, self.caller)
        if any(window.retry_after(limits, self.now) for window, limits in counted):
            record(tx, EventType.RATE_LIMITED, self.now, self.caller, detail="codes")

    def refusal(self) -> RateLimited | InvalidCode:
        return RateLimited(self.retry_after) if self.retry_after else InvalidCode()


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeVerifier:
    """Compares a code with the open challenges of its addresses; failed attempts are counted in the same transaction.

    An address without an open challenge gets a placeholder, so that the response time does not reveal which addresses got
    codes.
    """

    codes: Codes
    clock: Clock
    limits_by_ip_address: bool = True

    def __call__(
        self,
        tx: Transaction,
        purpose: CodePurpose,
        addresses: Sequence[Address],
        code: str,
        caller: Caller,
        *,
        on_behalf_of: str | None = None,
    ) -> CodeCheck:
        locked = tx.challenges.lock(purpose, addresses, on_behalf_of=on_behalf_of)
        now = self.clock()
        challenges = [challenge for challenge in locked if challenge.is_open(now)]
        missing = len(addresses) + (on_behalf_of is not None) - len(challenges)  # each has at most one
        placeholders = [self._placeholder(purpose, addresses[0], number, now) for number in range(missing)]
        keyed = [(self._key(challenge.address), challenge) for challenge in (*challenges, *placeholders)]
        caller_keys = (
            [f"wrong-codes@{caller.ip_address}"] if self.limits_by_ip_address and caller.ip_address is not None else []
        )
        windows = {window.key: window for window in tx.rate_limits.lock(sorted([*(key for key, _ in keyed), *caller_keys]))}
        retry_after = max((windows[key].retry_after(WRONG_CODES_BY_IP_ADDRESS, now) for key in caller_keys), default=0)
        # A challenge whose address has used up its wrong codes is left out: not even the right code matches it.
        allowed = [] if retry_after else [pair for pair in keyed if not windows[pair[0]].retry_after(WRONG_CODES, now)]
        counted = [(windows[key], WRONG_CODES) for key, _ in allowed]
        compared = [challenge for _, challenge in allowed]
        return CodeCheck(
            matched=self._match(compared, code),
            compared=tuple(challenge for challenge in compared if challenge not in placeholders),
            placeholders=tuple(challenge for challenge in compared if challenge in placeholders),
            windows=(*counted, *((windows[key], WRONG_CODES_BY_IP_ADDRESS) for key in caller_keys)),
            retry_after=retry_after,
            now=now,
            caller=caller,
        )

    def _key(self, address: Address) -> str:
        return f"wrong-codes:{self.codes.keyed_digest(address.key)}"

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


def claim_if_needed(
    tx: Transaction,
    check: CodeCheck,
    account: Account,
    address: Address,
    already_revoked: Collection[Address],
    name: str | None = None,
) -> Account:
    """Claims the locked account if `Account.after_code_login` says so, and returns it as the login by a code leaves it.

    `already_revoked` are the addresses whose codes this transaction has revoked.
    """
    after = account.after_code_login(address)
    if after is not account:
        after = replace(after, name=name or after.name)
        save_and_revoke_access(tx, account, after, check.now, already_revoked)
        record(tx, EventType.ACCOUNT_CLAIMED, check.now, check.caller, account_id=account.id)
        record_verified_addresses(tx, account, after, check.now, check.caller)
    return after


def save_and_revoke_access(
    tx: Transaction, before: Account, after: Account, now: float, already_revoked: Collection[Address]
) -> None:
    """Stores the account and revokes its sessions and open codes, except those to `already_revoked` addresses."""
    tx.accounts.save(after)
    tx.sessions.revoke_all(before.id, now)
    revoke_codes_of_added_addresses(tx, before.addresses, already_revoked)


def revoke_codes_before_claim(tx: Transaction, known: Account | None, address: Address) -> tuple[Address, ...]:
    """Revokes the codes of an account that a login by a code sent to `address` will clear, and returns their addresses.

    Challenges are locked before accounts, so this precedes the lock on the account; `known` was read without locking.
    """
    if known is None or not accepts_code(known, address) or known.after_code_login(address) is known:
        return ()
    tx.challenges.revoke(known.addresses)
    return known.addresses


def revoke_codes_of_added_addresses(
    tx: Transaction, addresses: Iterable[Address], already_revoked: Collection[Address]
) -> None:
    """Revokes codes to those addresses that the account got after it was read, which is rare, under the account's lock."""
    keys = {address.key for address in already_revoked}
    if added := [address for address in addresses if address.key not in keys]:
        tx.challenges.revoke(added)


def accepts_code(account: Account | None, address: Address) -> bool:
    """Returns whether a code sent to the address may log in to the account."""
    return account is not None and account.is_active and account.accepts_code_sent_to(address)


@dataclass(frozen=True, slots=True)
class IssuedProof:
    """The result of a verification: `proof` marks the address as verified in a registration or a change within the hour."""

    proof: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyCode:
    """Verifies the address that the code was sent to: on its account, and for an hour for the bearer of the proof.

    With the `identity` of the address's own account, that account keeps its state. Without one, the first login by a code
    clears its password and sessions. If the account has another verified address, a verification without a session of the
    account returns a proof but does not change the account. Raises `InvalidInput`, `InvalidCode`, `RateLimited`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    code_verifier: CodeVerifier
    codes: Codes
    new_id: NewId

    @retry_on_conflict
    def __call__(
        self, *, destination: str, verify_otp: str, identity: Identity | None = None, caller: Caller = TRUSTED_CALLER
    ) -> IssuedProof:
        to, code = _read_code(self.identifiers, destination, verify_otp)
        with self.database.begin() as tx:
            check = self.code_verifier(tx, CodePurpose.GENERAL, [to], code, caller, on_behalf_of=_on_behalf_of(to))
            if check.matched is not None:
                address = check.consume(tx).address
                proof = self.new_id()
                tx.proofs.add(Proof(digest=self.codes.keyed_digest(f"proof:{proof}"), address=address, verified_at=check.now))
                self._verify(tx, address, identity, check.now, caller)
            else:
                check.record_failure(tx)
        if check.matched is None:
            raise check.refusal()
        return IssuedProof(proof)

    def _verify(self, tx: Transaction, address: Address, identity: Identity | None, now: float, caller: Caller) -> None:
        owner = tx.accounts.lock_by_address(address)
        if owner is None:
            return
        is_own = identity and tx.accounts.by_active_session(owner.id, identity.session_id, now)
        session_id = identity.session_id if identity and is_own else None
        verified = owner.verified_without_session(address) if session_id is None else owner.verified_by_session(address)
        if verified != owner:
            tx.accounts.save(verified)
            event = EventType.ADDRESS_VERIFIED
            record(tx, event, now, caller, account_id=owner.id, session_id=session_id, detail=address.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogInByCode:
    """Logs in to the account that has `destination`, with a code that was requested for it.

    Raises `InvalidInput`, `InvalidCode`, `RateLimited`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    code_verifier: CodeVerifier
    session_issuer: SessionIssuer

    @retry_on_conflict
    def __call__(self, *, destination: str, verify_otp: str, caller: Caller = TRUSTED_CALLER) -> TokenSet:
        to, code = _read_code(self.identifiers, destination, verify_otp)
        session = None
        with self.database.begin() as tx:
            check = self.code_verifier(tx, CodePurpose.GENERAL, [to], code, caller, on_behalf_of=_on_behalf_of(to))
            address = check.matched.address if check.matched else None
            revoked = revoke_codes_before_claim(tx, tx.accounts.by_address(to), address) if address else ()
            account = tx.accounts.lock_by_address(to) if address else None
            if account and address and accepts_code(account, address):
                check.consume(tx)
                owner = claim_if_needed(tx, check, account, address, revoked)
                session = self.session_issuer.start(tx, owner, check.now, caller, f"code:{address.kind}")
            else:
                check.record_failure(tx)
        if session is None:
            raise check.refusal()
        return self.session_issuer.token_set(session)


def _read_code(identifiers: Identifiers, destination: str, verify_otp: str) -> tuple[Address, str]:
    """The address and the code; `verify_otp` is the code under its HTTP field's name, which `InvalidInput` reports."""
    validator = Validator()
    to = validator.text("destination", destination, identifiers.destination)
    code = validator.text("verify_otp", verify_otp, str.strip)
    return validator.valid(to, code)


def _on_behalf_of(to: Address) -> str | None:
    return to.canonical if to.kind is AddressKind.MOBILE else None
