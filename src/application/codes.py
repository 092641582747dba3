"""One-time codes: asked for, and brought back.

Lock order, the same everywhere: counters of sends, challenges, counters of wrong codes, accounts, sessions.
"""

import hmac
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from ..domain.account import Account, Address, Kind
from ..domain.code import Challenge, Flow, Proof
from ..domain.errors import TooManyTries, WrongCode
from ..domain.events import VOUCHED, Caller, Event, What
from ..domain.rate_limits import WRONG_CODES, WRONG_CODES_BY_ADDRESS, Limit, Tally, code_sends
from ..domain.session import Session
from .audit import write_proven
from .ports import Accounts, Channel, Clock, Codes, Database, Identifiers, Message, NewId, Transaction
from .retry import once_more
from .send_quota import Spending
from .tokens import Identity, SignIn, TokenSet
from .validation import Reading

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Sent:
    """`reference` is a short tag that the messages repeat, so that a person with three of them knows which one counts."""

    reference: str


@dataclass(frozen=True, slots=True)
class Proven:
    """`proof` is what a registration within the hour may carry, to start with the address proven."""

    proof: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a code goes: `real` is false where nobody is to get it, and all else happens as if."""

    address: Address
    real: bool = True
    beside: str | None = None

    def passed_over(self) -> "Target":
        """A decoy in its place, which replaces no code that is under way."""
        nobody = _nobodys(self.address.kind, self.beside or self.address.key)
        return replace(self, address=nobody, real=False, beside=None)


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
    spending: Spending | None = None

    def send(self, flow: Flow, named: Sequence[Address], targets: Sequence[Target], caller: Caller) -> Sent:
        """Raises `TooManyTries` where callers have asked for the share of an address that is named, and `Overloaded` where that
        of everybody together is used up; then nothing is sent.

        An address that has got its share by asking for another one is passed over silently; the code that it had last stays
        good, for it gets no newer one. What is read and written does not depend on who has the addresses.
        """
        asked = {self._key("asked", address) for address in named}
        if self.spending is not None:
            self._spend(self.spending, asked, targets)
        return self._store(flow, asked, targets, caller)

    @once_more
    def _store(self, flow: Flow, asked: Collection[str], targets: Sequence[Target], caller: Caller) -> Sent:
        limits = code_sends(self.cooldown)
        sent = {target: self._key("sent", target.address) for target in targets}
        with self.database.begin() as tx:
            tallies = {tally.key: tally for tally in tx.tallies.claim(sorted({*asked, *sent.values()}))}
            now = self.clock()  # not before: a claim waits for others, and what they counted lies behind
            wait = max(tallies[key].wait(limits, now) for key in asked)
            if not wait:
                full = {key for key in sent.values() if tallies[key].wait(limits, now)}
                counted = [tally if key in full else tally.add(limits, now) for key, tally in tallies.items()]
                tx.tallies.save(counted, now + DAY)
                reference = self.new_id()[:4].upper()
                for target, key in sent.items():
                    self._send(tx, flow, target.passed_over() if key in full else target, reference, now)
                tx.journal.add(Event(what=What.CODE_SENT, at=now, caller=caller, note=flow))
        if wait:
            raise TooManyTries(wait)
        return Sent(reference)

    def _spend(self, spending: Spending, asked: Collection[str], targets: Sequence[Target]) -> None:
        """Not for what will be refused anyway: else one who asks again and again would use it up for all."""
        now = self.clock()
        tallies = self.database.tallies.look(sorted(asked))
        if wait := max(tally.wait(code_sends(self.cooldown), now) for tally in tallies):
            raise TooManyTries(wait)
        spending({target.address.kind for target in targets}, now)

    def _send(self, tx: Transaction, flow: Flow, target: Target, reference: str, now: float) -> None:
        address = target.address
        challenge = Challenge(
            id=self.codes.mark(self.new_id()),
            flow=flow,
            address=address,
            beside=target.beside,
            reference=reference,
            sent=target.real,
            sent_at=now,
            expires_at=now + self.lifetime,
        )
        tx.challenges.put(challenge)
        tx.outbox.add(
            Message(
                id=self.new_id(),
                kind=Channel(address.kind),
                sent_to=_sent_to(address) if target.real else None,
                template="code",
                challenge=(challenge.id, flow, address.key),
                values={"reference": reference, "purpose": flow.value, "minutes": f"{self.lifetime / 60:.0f}"},
                not_before=now,
                expires_at=challenge.expires_at,
            )
        )

    def _key(self, what: str, address: Address) -> str:
        return f"{what}:{self.codes.blind(f'{address.kind}:{address.key}')}"


def _nobodys(kind: Kind, instead_of: str) -> Address:
    """Stands where a code would go if there were anywhere to send it."""
    return Address(kind, "", f"nobody:{instead_of}")


def looked_up(accounts: Accounts, address: Address) -> tuple[Account | None, Address]:
    """Who has it, and how it is written there: a server may tell `ANN@` from `ann@`, and only one of them is the owner's."""
    owner = accounts.having(address)
    return owner, (owner and owner.address(address.kind)) or address


def _sent_to(address: Address) -> str:
    """Mail goes to an address as it is written; an SMS to the number as gateways want it."""
    return address.text if address.kind is Kind.EMAIL else address.key


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCode:
    """Sends a code to `destination`, an email or a mobile; it serves to verify, to log in or to reset, whichever comes first.

    For a mobile a second code goes by mail: to the email of the account that has the mobile, else to `email` if given. With
    `is_login` nothing is sent where no account has the destination. The answer is the same in every case.
    Raises `InvalidInput`, `TooManyTries`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    sender: CodeSender

    def __call__(self, *, destination: str, email: str | None = None, is_login: bool = False, caller: Caller = VOUCHED) -> Sent:
        read = Reading()
        to = read.text("destination", destination, self.identifiers.destination)
        copy = read.text("email", email, self.identifiers.email, required=False)
        login_only = read.flag("is_login", is_login)
        read.refuse()
        assert to  # noqa: S101 — `refuse` has raised otherwise
        owner, to = looked_up(self.database.accounts, to)
        real = owner is not None or not login_only
        if to.kind is Kind.EMAIL:
            return self.sender.send(Flow.OTP, [to], [Target(to, real)], caller)
        named = [to]
        if copy:
            _, copy = looked_up(self.database.accounts, copy)
            named.append(copy)
        mail = owner.email if owner else copy
        beside = Target(mail or _nobodys(Kind.EMAIL, to.key), real and mail is not None, to.key)
        return self.sender.send(Flow.OTP, named, [Target(to, real), beside], caller)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of a code brought back; `right` is the challenge that it answers, still to be used."""

    right: Challenge | None
    compared: tuple[Challenge, ...]
    decoys: tuple[Challenge, ...]
    tallies: tuple[tuple[Tally, tuple[Limit, ...]], ...]
    wait: int
    now: float
    caller: Caller

    def use(self, tx: Transaction) -> Challenge:
        """Spends the right code."""
        assert self.right  # noqa: S101 — the caller has looked
        tx.challenges.save(self.right.used(self.now))
        return self.right

    def miss(self, tx: Transaction) -> None:
        """Counts a wrong guess: at each code it was compared with, at each address, and at the caller's."""
        if self.wait:
            return
        for challenge in self.compared:
            tx.challenges.save(challenge.missed())
        for decoy in self.decoys:
            tx.challenges.put(decoy.missed())
        counted = [(tally.add(limits, self.now), limits) for tally, limits in self.tallies]
        tx.tallies.save([tally for tally, _ in counted], self.now + DAY)
        tx.journal.add(Event(what=What.CODE_REFUSED, at=self.now, caller=self.caller))
        if any(tally.wait(limits, self.now) for tally, limits in counted):
            tx.journal.add(Event(what=What.LIMITED, at=self.now, caller=self.caller, note="codes"))

    def refusal(self) -> TooManyTries | WrongCode:
        return TooManyTries(self.wait) if self.wait else WrongCode()


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeCheck:
    """Compares a code that was brought back with those that are open; counts are kept in the same transaction.

    Where none is open a decoy is guessed at, so that the time of the answer does not tell to whom a code went.
    """

    codes: Codes
    clock: Clock
    limits_by_address: bool = True

    def __call__(
        self, tx: Transaction, flow: Flow, named: Sequence[Address], code: str, caller: Caller, *, beside: str | None = None
    ) -> Attempt:
        claimed = tx.challenges.claim(flow, named, beside=beside)
        now = self.clock()
        challenges = [one for one in claimed if one.is_open(now)]
        missing = len(named) + (beside is not None) - len(challenges)
        decoys = [self._decoy(flow, named[0], at, now) for at in range(missing)]
        guards = [(self._guard(one.address), one) for one in (*challenges, *decoys)]
        by_caller = [f"wrong-codes@{caller.address}"] if self.limits_by_address and caller.address is not None else []
        tallies = {tally.key: tally for tally in tx.tallies.claim(sorted([*(key for key, _ in guards), *by_caller]))}
        wait = max((tallies[key].wait(WRONG_CODES_BY_ADDRESS, now) for key in by_caller), default=0)
        compared = [(key, one) for key, one in guards if not wait and not tallies[key].wait(WRONG_CODES, now)]
        counted = [(tallies[key], WRONG_CODES) for key, _ in compared]
        return Attempt(
            right=self._right((one for _, one in compared), code),
            compared=tuple(one for _, one in compared if one not in decoys),
            decoys=tuple(one for _, one in compared if one in decoys),
            tallies=(*counted, *((tallies[key], WRONG_CODES_BY_ADDRESS) for key in by_caller)),
            wait=wait,
            now=now,
            caller=caller,
        )

    def _guard(self, address: Address) -> str:
        return f"wrong-codes:{self.codes.blind(f'{address.kind}:{address.key}')}"

    def _decoy(self, flow: Flow, instead_of: Address, at: int, now: float) -> Challenge:
        """One that is over: it is never claimed, and goes with the next purge."""
        nobodys = _nobodys(instead_of.kind, f"{at}:{instead_of.key}")
        name = self.codes.blind(f"decoy:{flow}:{nobodys.key}:{now}")
        return Challenge(id=name, flow=flow, address=nobodys, reference="", sent=False, sent_at=now, expires_at=now)

    def _right(self, challenges: Iterable[Challenge], code: str) -> Challenge | None:
        given = code.encode()
        found = None
        for one in challenges:
            expected = self.codes.code(one.id, one.flow, one.address.key).encode()
            if hmac.compare_digest(expected, given) and one.sent:
                found = one
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterByCode:
    """Lets the owner of an address into an account, for the use cases that log in by code."""

    sign_in: SignIn

    def __call__(
        self, tx: Transaction, account: Account, address: Address, now: float, caller: Caller, *, name: str | None = None
    ) -> Session:
        """A session of the claimed account; what stood there before an unsettled account was proven is cleared first."""
        entered = account.entered_by(address)
        if entered is not account:
            entered = replace(entered, name=name or entered.name)
            start_afresh(tx, account, entered, now)
            tx.journal.add(Event(what=What.TAKEN_OVER, at=now, account_id=account.id, caller=caller))
            write_proven(tx, account, entered, now, caller)
        return self.sign_in.begin(tx, entered, now, caller, f"code:{address.kind}")


def start_afresh(tx: Transaction, before: Account, after: Account, now: float) -> None:
    """Stores the account, and ends every session and open code that it had before."""
    tx.accounts.save(after)
    tx.sessions.end_all(before.id, now)
    tx.challenges.end(before.addresses)


def can_enter(account: Account | None, address: Address) -> bool:
    """Whether a code from the address lets anybody into the account."""
    return account is not None and account.is_active and account.opens_to(address)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyCode:
    """Proves the address that the code was sent to, on the account that has it, and for an hour to whoever holds the proof.

    With `identity`, the caller's own login, an account of the caller stays as it is. Without, what was set before (password,
    sessions) is cleared the first time that a code logs in. Beside a proven address, one that the caller does not hold by a
    login is proven to the bearer alone, not on the account. Raises `InvalidInput`, `WrongCode`, `TooManyTries`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    check: CodeCheck
    codes: Codes
    new_id: NewId

    @once_more
    def __call__(
        self, *, destination: str, verify_otp: str, identity: Identity | None = None, caller: Caller = VOUCHED
    ) -> Proven:
        to, code = _read_code(self.identifiers, destination, verify_otp)
        with self.database.begin() as tx:
            attempt = self.check(tx, Flow.OTP, [to], code, caller, beside=_beside(to))
            if attempt.right is not None:
                address = attempt.use(tx).address
                proof = self.new_id()
                tx.proofs.add(Proof(digest=self.codes.blind(f"proof:{proof}"), address=address, proven_at=attempt.now))
                self._mark(tx, address, identity, attempt.now, caller)
            else:
                attempt.miss(tx)
        if attempt.right is None:
            raise attempt.refusal()
        return Proven(proof)

    def _mark(self, tx: Transaction, address: Address, identity: Identity | None, now: float, caller: Caller) -> None:
        owner = tx.accounts.claim_having(address)
        if owner is None:
            return
        holder = identity.session_id if identity and tx.accounts.signed_in(owner.id, identity.session_id, now) else None
        marked = owner.proven_by_anyone(address) if holder is None else owner.proven_by_holder(address)
        if marked != owner:
            tx.accounts.save(marked)
            event = Event(
                what=What.ADDRESS_PROVEN, at=now, account_id=owner.id, session_id=holder, caller=caller, note=address.kind
            )
            tx.journal.add(event)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogInByCode:
    """A session of the account that has `destination`, for who brings back a code sent for it.

    Raises `InvalidInput`, `WrongCode`, `TooManyTries`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    check: CodeCheck
    enter: EnterByCode

    @once_more
    def __call__(self, *, destination: str, verify_otp: str, caller: Caller = VOUCHED) -> TokenSet:
        to, code = _read_code(self.identifiers, destination, verify_otp)
        session = None
        with self.database.begin() as tx:
            attempt = self.check(tx, Flow.OTP, [to], code, caller, beside=_beside(to))
            account = tx.accounts.claim_having(to) if attempt.right else None
            if account and attempt.right and can_enter(account, attempt.right.address):
                address = attempt.use(tx).address
                session = self.enter(tx, account, address, attempt.now, caller)
            else:
                attempt.miss(tx)
        if session is None:
            raise attempt.refusal()
        return self.enter.sign_in.token_set(session)


def _read_code(identifiers: Identifiers, destination: str, verify_otp: str) -> tuple[Address, str]:
    read = Reading()
    to = read.text("destination", destination, identifiers.destination)
    code = read.text("verify_otp", verify_otp, str.strip)
    read.refuse()
    assert to and code  # noqa: S101 — `refuse` has raised otherwise
    return to, code


def _beside(to: Address) -> str | None:
    return to.key if to.kind is Kind.MOBILE else None
