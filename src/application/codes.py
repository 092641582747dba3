"""One-time codes: asked for, and brought back.

Lock order, the same everywhere: counters of sends, challenges, counters of wrong codes, accounts, sessions.
"""

import hmac
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from ..domain.account import Account, Address, AddressKind
from ..domain.code import Challenge, CodePurpose, Proof
from ..domain.errors import InvalidCode, RateLimited
from ..domain.events import TRUSTED_CALLER, Caller, Event, EventType
from ..domain.rate_limits import WRONG_CODES, WRONG_CODES_BY_ADDRESS, RateLimit, SlidingWindow, code_sends
from ..domain.session import Session
from .audit import record_verified_addresses
from .ports import Accounts, Channel, Clock, Codes, Database, Identifiers, Message, NewId, Transaction
from .retry import retry_on_conflict
from .send_quota import SendQuota
from .tokens import Identity, SessionIssuer, TokenSet
from .validation import Validator

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class CodeSent:
    """`reference` is a short tag that the messages repeat, so that a person with three of them knows which one counts."""

    reference: str


@dataclass(frozen=True, slots=True)
class CodeVerified:
    """`proof` is what a registration within the hour may carry, to start with the address proven."""

    proof: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where a code goes: `is_decoy` is true if no message is to be sent, although all else happens as if."""

    address: Address
    is_decoy: bool = False
    requested_for: str | None = None

    def as_decoy(self) -> "Recipient":
        """A decoy in its place, which replaces no code that is under way."""
        nobody = _nobodys(self.address.kind, self.requested_for or self.address.canonical)
        return replace(self, address=nobody, is_decoy=True, requested_for=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSender:
    """Puts codes on their way, within the budgets of the addresses they go to.

    Two counts are kept for each address, by the same limits: how often callers asked for a code to it, which they may be
    told of, and how often one went there, which tells whose email stands behind a mobile. `cooldown` and `lifetime` are
    in seconds. `spending` bounds what goes out in all.
    """

    database: Database
    codes: Codes
    clock: Clock
    new_id: NewId
    cooldown: float = 60.0
    lifetime: float = 300.0
    send_quota: SendQuota | None = None

    def send(self, flow: CodePurpose, named: Sequence[Address], targets: Sequence[Recipient], caller: Caller) -> CodeSent:
        """Raises `RateLimited` where callers have asked for the share of an address that is named, and `Overloaded` where that
        of everybody together is used up; then nothing is sent.

        An address that has got its share by asking for another one is passed over silently; the code that it had last stays
        good, for it gets no newer one. What is read and written does not depend on who has the addresses.
        """
        asked = {self._key("asked", address) for address in named}
        if self.send_quota is not None:
            self._spend(self.send_quota, asked, targets)
        return self._store(flow, asked, targets, caller)

    @retry_on_conflict
    def _store(self, flow: CodePurpose, asked: Collection[str], targets: Sequence[Recipient], caller: Caller) -> CodeSent:
        limits = code_sends(self.cooldown)
        sent = {target: self._key("sent", target.address) for target in targets}
        with self.database.begin() as tx:
            tallies = {tally.key: tally for tally in tx.rate_limits.lock(sorted({*asked, *sent.values()}))}
            now = self.clock()  # not before: a claim waits for others, and what they counted lies behind
            wait = max(tallies[key].retry_after(limits, now) for key in asked)
            if not wait:
                full = {key for key in sent.values() if tallies[key].retry_after(limits, now)}
                counted = [tally if key in full else tally.hit(limits, now) for key, tally in tallies.items()]
                tx.rate_limits.save(counted, now + DAY)
                reference = self.new_id()[:4].upper()
                recipients = [target.as_decoy() if key in full else target for target, key in sent.items()]
                self._send(tx, flow, recipients, reference, now)
                tx.audit_log.add(Event(type=EventType.CODE_SENT, occurred_at=now, caller=caller, detail=flow))
        if wait:
            raise RateLimited(wait)
        return CodeSent(reference)

    def _spend(self, spending: SendQuota, asked: Collection[str], targets: Sequence[Recipient]) -> None:
        """Not for what will be refused anyway: else one who asks again and again would use it up for all."""
        now = self.clock()
        tallies = self.database.rate_limits.get(sorted(asked))
        if wait := max(tally.retry_after(code_sends(self.cooldown), now) for tally in tallies):
            raise RateLimited(wait)
        spending({target.address.kind for target in targets}, now)

    def _send(self, tx: Transaction, purpose: CodePurpose, recipients: Sequence[Recipient], reference: str, now: float) -> None:
        sent = [self._new(purpose, recipient, reference, now) for recipient in recipients]
        for challenge, _ in sorted(sent, key=lambda one: one[0].address.kind):  # emails first: the order of locks
            tx.challenges.put(challenge)
        for _, message in sent:
            tx.outbox.add(message)

    def _new(self, purpose: CodePurpose, recipient: Recipient, reference: str, now: float) -> tuple[Challenge, Message]:
        address = recipient.address
        challenge = Challenge(
            id=self.codes.new_challenge_id(self.new_id()),
            purpose=purpose,
            address=address,
            requested_for=recipient.requested_for,
            reference=reference,
            is_decoy=recipient.is_decoy,
            sent_at=now,
            expires_at=now + self.lifetime,
        )
        message = Message(
            id=self.new_id(),
            channel=Channel(address.kind),
            recipient=None if recipient.is_decoy else _sent_to(address),
            template="code",
            challenge=(challenge.id, purpose, address.canonical),
            values={"reference": reference, "purpose": purpose.value, "minutes": f"{self.lifetime / 60:.0f}"},
            not_before=now,
            expires_at=challenge.expires_at,
        )
        return challenge, message

    def _key(self, what: str, address: Address) -> str:
        return f"{what}:{self.codes.keyed_digest(f'{address.kind}:{address.canonical}')}"


def _nobodys(kind: AddressKind, instead_of: str) -> Address:
    """Stands where a code would go if there were anywhere to send it."""
    return Address(kind, "", f"nobody:{instead_of}")


def find_owner(accounts: Accounts, address: Address) -> tuple[Account | None, Address]:
    """Who has it, and how it is written there: a server may tell `ANN@` from `ann@`, and only one of them is the owner's."""
    owner = accounts.by_address(address)
    return owner, (owner and owner.address(address.kind)) or address


def _sent_to(address: Address) -> str:
    """Mail goes to an address as it is written; an SMS to the number as gateways want it."""
    return address.text if address.kind is AddressKind.EMAIL else address.canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCode:
    """Sends a code to `destination`, an email or a mobile; it serves to verify, to log in or to reset, whichever comes first.

    For a mobile a second code goes by mail: to the email of the account that has the mobile, else to `email` if given. With
    `is_login` nothing is sent where no account has the destination. The answer is the same in every case.
    Raises `InvalidInput`, `RateLimited`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    code_sender: CodeSender

    def __call__(
        self, *, destination: str, email: str | None = None, is_login: bool = False, caller: Caller = TRUSTED_CALLER
    ) -> CodeSent:
        read = Validator()
        to = read.text("destination", destination, self.identifiers.destination)
        copy = read.text("email", email, self.identifiers.email, required=False)
        login_only = read.flag("is_login", is_login)
        read.raise_if_invalid()
        assert to  # noqa: S101 — `refuse` has raised otherwise
        owner, to = find_owner(self.database.accounts, to)
        is_decoy = owner is None and login_only
        if to.kind is AddressKind.EMAIL:
            return self.code_sender.send(CodePurpose.OTP, [to], [Recipient(to, is_decoy)], caller)
        named = [to]
        if copy:
            _, copy = find_owner(self.database.accounts, copy)
            named.append(copy)
        mail = owner.email if owner else copy
        beside = Recipient(mail or _nobodys(AddressKind.EMAIL, to.canonical), is_decoy or mail is None, to.canonical)
        return self.code_sender.send(CodePurpose.OTP, named, [Recipient(to, is_decoy), beside], caller)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeVerification:
    """What came of a code brought back; `right` is the challenge that it answers, still to be used."""

    matched: Challenge | None
    compared: tuple[Challenge, ...]
    decoys: tuple[Challenge, ...]
    windows: tuple[tuple[SlidingWindow, tuple[RateLimit, ...]], ...]
    retry_after: int
    now: float
    caller: Caller

    def consume(self, tx: Transaction) -> Challenge:
        """Spends the right code."""
        assert self.matched  # noqa: S101 — the caller has looked
        tx.challenges.save(self.matched.used(self.now))
        return self.matched

    def record_failure(self, tx: Transaction) -> None:
        """Counts a wrong guess: at each code it was compared with, at each address, and at the caller's."""
        if self.retry_after:
            return
        for challenge in self.compared:
            tx.challenges.save(challenge.with_failed_attempt())
        for decoy in self.decoys:
            tx.challenges.put(decoy.with_failed_attempt())
        counted = [(tally.hit(limits, self.now), limits) for tally, limits in self.windows]
        tx.rate_limits.save([tally for tally, _ in counted], self.now + DAY)
        tx.audit_log.add(Event(type=EventType.CODE_REFUSED, occurred_at=self.now, caller=self.caller))
        if any(tally.retry_after(limits, self.now) for tally, limits in counted):
            tx.audit_log.add(Event(type=EventType.RATE_LIMITED, occurred_at=self.now, caller=self.caller, detail="codes"))

    def refusal(self) -> RateLimited | InvalidCode:
        return RateLimited(self.retry_after) if self.retry_after else InvalidCode()


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeCheck:
    """Compares a code that was brought back with those that are open; counts are kept in the same transaction.

    Where none is open a decoy is guessed at, so that the time of the answer does not tell to whom a code went.
    """

    codes: Codes
    clock: Clock
    limits_by_address: bool = True

    def __call__(
        self,
        tx: Transaction,
        flow: CodePurpose,
        named: Sequence[Address],
        code: str,
        caller: Caller,
        *,
        beside: str | None = None,
    ) -> CodeVerification:
        claimed = tx.challenges.lock(flow, named, beside=beside)
        now = self.clock()
        challenges = [one for one in claimed if one.is_open(now)]
        missing = len(named) + (beside is not None) - len(challenges)
        decoys = [self._decoy(flow, named[0], at, now) for at in range(missing)]
        guards = [(self._guard(one.address), one) for one in (*challenges, *decoys)]
        by_caller = [f"wrong-codes@{caller.address}"] if self.limits_by_address and caller.address is not None else []
        tallies = {tally.key: tally for tally in tx.rate_limits.lock(sorted([*(key for key, _ in guards), *by_caller]))}
        wait = max((tallies[key].retry_after(WRONG_CODES_BY_ADDRESS, now) for key in by_caller), default=0)
        compared = [(key, one) for key, one in guards if not wait and not tallies[key].retry_after(WRONG_CODES, now)]
        counted = [(tallies[key], WRONG_CODES) for key, _ in compared]
        return CodeVerification(
            matched=self._right((one for _, one in compared), code),
            compared=tuple(one for _, one in compared if one not in decoys),
            decoys=tuple(one for _, one in compared if one in decoys),
            windows=(*counted, *((tallies[key], WRONG_CODES_BY_ADDRESS) for key in by_caller)),
            retry_after=wait,
            now=now,
            caller=caller,
        )

    def _guard(self, address: Address) -> str:
        return f"wrong-codes:{self.codes.keyed_digest(f'{address.kind}:{address.canonical}')}"

    def _decoy(self, flow: CodePurpose, instead_of: Address, at: int, now: float) -> Challenge:
        """One that is over: it is never claimed, and goes with the next purge."""
        nobodys = _nobodys(instead_of.kind, f"{at}:{instead_of.canonical}")
        name = self.codes.keyed_digest(f"decoy:{flow}:{nobodys.canonical}:{now}")
        return Challenge(id=name, purpose=flow, address=nobodys, reference="", is_decoy=True, sent_at=now, expires_at=now)

    def _right(self, challenges: Iterable[Challenge], code: str) -> Challenge | None:
        given = code.encode()
        found = None
        for one in challenges:
            expected = self.codes.code(one.id, one.purpose, one.address.canonical).encode()
            if hmac.compare_digest(expected, given) and not one.is_decoy:
                found = one
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSignIn:
    """Lets the owner of an address into an account, for the use cases that log in by code."""

    session_issuer: SessionIssuer

    def __call__(
        self,
        tx: Transaction,
        account: Account,
        address: Address,
        now: float,
        caller: Caller,
        *,
        name: str | None = None,
        revoked: Collection[Address] = (),
    ) -> Session:
        """Starts a session of the locked account; if it never had a verified owner, its earlier state is cleared first.

        `revoked` are the addresses whose codes this transaction has revoked already.
        """
        entered = account.after_code_login(address)
        if entered is not account:
            entered = replace(entered, name=name or entered.name)
            save_and_revoke_all(tx, account, entered, now, revoked)
            tx.audit_log.add(Event(type=EventType.ACCOUNT_CLAIMED, occurred_at=now, account_id=account.id, caller=caller))
            record_verified_addresses(tx, account, entered, now, caller)
        return self.session_issuer.start(tx, entered, now, caller, f"code:{address.kind}")


def save_and_revoke_all(tx: Transaction, before: Account, after: Account, now: float, revoked: Collection[Address]) -> None:
    """Stores the account and revokes the sessions and open codes that it had; those of `revoked` addresses already are."""
    tx.accounts.save(after)
    tx.sessions.end_all(before.id, now)
    revoke_remaining_codes(tx, before.addresses, revoked)


def revoke_codes_first(tx: Transaction, known: Account | None, address: Address) -> tuple[Address, ...]:
    """Revokes the codes of an account that a code login from `address` will clear, and returns their addresses.

    Challenges are locked before accounts, so this happens before the account is locked; `known` is how it was read.
    """
    if known is None or not accepts_code(known, address) or known.after_code_login(address) is known:
        return ()
    tx.challenges.revoke(known.addresses)
    return known.addresses


def revoke_remaining_codes(tx: Transaction, addresses: Iterable[Address], revoked: Collection[Address]) -> None:
    """Revokes codes under the account's lock, to those addresses alone that it has got since it was read: that is rare."""
    done = {(one.kind, one.canonical) for one in revoked}
    if remaining := [one for one in addresses if (one.kind, one.canonical) not in done]:
        tx.challenges.revoke(remaining)


def accepts_code(account: Account | None, address: Address) -> bool:
    """Whether a code from the address lets anybody into the account."""
    return account is not None and account.is_active and account.accepts_code_from(address)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyCode:
    """Proves the address that the code was sent to, on the account that has it, and for an hour to whoever holds the proof.

    With `identity`, the caller's own login, an account of the caller stays as it is. Without, what was set before (password,
    sessions) is cleared the first time that a code logs in. Beside a proven address, one that the caller does not hold by a
    login is proven to the bearer alone, not on the account. Raises `InvalidInput`, `InvalidCode`, `RateLimited`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    code_check: CodeCheck
    codes: Codes
    new_id: NewId

    @retry_on_conflict
    def __call__(
        self, *, destination: str, verify_otp: str, identity: Identity | None = None, caller: Caller = TRUSTED_CALLER
    ) -> CodeVerified:
        to, code = _read_code(self.identifiers, destination, verify_otp)
        with self.database.begin() as tx:
            attempt = self.code_check(tx, CodePurpose.OTP, [to], code, caller, beside=_beside(to))
            if attempt.matched is not None:
                address = attempt.consume(tx).address
                proof = self.new_id()
                tx.proofs.add(Proof(digest=self.codes.keyed_digest(f"proof:{proof}"), address=address, verified_at=attempt.now))
                self._mark(tx, address, identity, attempt.now, caller)
            else:
                attempt.record_failure(tx)
        if attempt.matched is None:
            raise attempt.refusal()
        return CodeVerified(proof)

    def _mark(self, tx: Transaction, address: Address, identity: Identity | None, now: float, caller: Caller) -> None:
        owner = tx.accounts.lock_by_address(address)
        if owner is None:
            return
        holder = identity.session_id if identity and tx.accounts.by_active_session(owner.id, identity.session_id, now) else None
        marked = owner.verified_without_session(address) if holder is None else owner.verified_by_session(address)
        if marked != owner:
            tx.accounts.save(marked)
            event = Event(
                type=EventType.ADDRESS_VERIFIED,
                occurred_at=now,
                account_id=owner.id,
                session_id=holder,
                caller=caller,
                detail=address.kind,
            )
            tx.audit_log.add(event)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogInByCode:
    """A session of the account that has `destination`, for who brings back a code sent for it.

    Raises `InvalidInput`, `InvalidCode`, `RateLimited`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    code_check: CodeCheck
    code_sign_in: CodeSignIn

    @retry_on_conflict
    def __call__(self, *, destination: str, verify_otp: str, caller: Caller = TRUSTED_CALLER) -> TokenSet:
        to, code = _read_code(self.identifiers, destination, verify_otp)
        session = None
        with self.database.begin() as tx:
            attempt = self.code_check(tx, CodePurpose.OTP, [to], code, caller, beside=_beside(to))
            address = attempt.matched.address if attempt.matched else None
            known = revoke_codes_first(tx, tx.accounts.by_address(to), address) if address else ()
            account = tx.accounts.lock_by_address(to) if address else None
            if account and address and accepts_code(account, address):
                attempt.consume(tx)
                session = self.code_sign_in(tx, account, address, attempt.now, caller, revoked=known)
            else:
                attempt.record_failure(tx)
        if session is None:
            raise attempt.refusal()
        return self.code_sign_in.session_issuer.token_set(session)


def _read_code(identifiers: Identifiers, destination: str, verify_otp: str) -> tuple[Address, str]:
    read = Validator()
    to = read.text("destination", destination, identifiers.destination)
    code = read.text("verify_otp", verify_otp, str.strip)
    read.raise_if_invalid()
    assert to and code  # noqa: S101 — `refuse` has raised otherwise
    return to, code


def _beside(to: Address) -> str | None:
    return to.canonical if to.kind is AddressKind.MOBILE else None
