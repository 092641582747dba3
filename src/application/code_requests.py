"""Requests for one-time codes: challenges and messages are stored within the limits of their addresses.

Lock order, the same everywhere: windows of requested and sent codes, challenges (emails before mobiles), windows of wrong
codes or logins, accounts, sessions, windows of notifications.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ..domain.account import Account, Address, AddressKind
from ..domain.code import Challenge, CodePurpose, decoy_address
from ..domain.errors import Overloaded, RateLimited
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.rate_limits import DAY, HOUR, RateLimit, code_sends
from .audit import record
from .ports import Channel, Clock, Codes, Database, Identifiers, Message, NewId, RateLimiter, Transaction
from .retry import retry_on_conflict
from .validation import Validator

_log = logging.getLogger("vestibule.send_quota")


@dataclass(frozen=True, slots=True)
class RequestedCode:
    """`reference` is a short tag that the messages repeat, so that a recipient of several messages finds the latest."""

    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SendQuota:
    """A limit on codes per hour for the whole service; address kinds without an entry in `per_hour` are not limited.

    A decoy counts as well: otherwise a refusal would reveal who has an account.
    """

    rate_limiter: RateLimiter
    per_hour: Mapping[AddressKind, int]

    def count(self, kinds: Collection[AddressKind], now: float) -> None:
        """Counts one code of each kind. Raises `Overloaded` if there is no room, and logs that once an hour."""
        for kind in (AddressKind.MOBILE, AddressKind.EMAIL):  # mobile first: a refused SMS uses up no room for mails
            if kind not in kinds or kind not in self.per_hour:
                continue
            limit = self.per_hour[kind]
            if retry_after := self.rate_limiter.hit(f"codes:{kind}", (RateLimit(limit, HOUR),), now):
                if not self.rate_limiter.hit(f"alarm:{kind}", (RateLimit(1, HOUR),), now):
                    _log.warning("the hourly quota of %d codes by %s is used up; further requests are refused", limit, kind)
                raise Overloaded(retry_after)


@dataclass(frozen=True, slots=True)
class Recipient:
    """The address of a code. A decoy is stored and processed like a code, but no message is sent.

    `on_behalf_of` is set for a companion mail: the canonical form of the mobile that the code was requested for.
    """

    address: Address
    is_decoy: bool = False
    on_behalf_of: str | None = None

    def as_decoy(self) -> "Recipient":
        """A decoy in place of this recipient; it replaces no code that was sent earlier."""
        address = decoy_address(self.address.kind, self.on_behalf_of or self.address.canonical)
        return replace(self, address=address, is_decoy=True, on_behalf_of=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeIssuer:
    """Stores challenges and puts their messages into the outbox, within the limits of the addresses.

    Each address has two windows with the same limits. `code-requests:` counts requests for it, whose refusal callers may see;
    `codes-sent:` messages to it, whose refusal would reveal whose email belongs to a mobile. `cooldown` and `lifetime` are in
    seconds.
    """

    database: Database
    codes: Codes
    clock: Clock
    new_id: NewId
    cooldown: float = 60.0
    lifetime: float = 300.0
    send_quota: SendQuota | None = None

    def issue(
        self, purpose: CodePurpose, requested: Sequence[Address], recipients: Sequence[Recipient], caller: Caller
    ) -> RequestedCode:
        """Issues a code to each recipient, or none at all: raises `RateLimited` for a requested address, or `Overloaded`.

        Requests that name a mobile alone may fill the `codes-sent:` window of the mobile owner's email. Then a decoy is
        stored in place of the email's code, and no caller learns of it. The last code of the email stays valid, because a decoy
        has an address of its own. Reads and writes do not depend on the owners of the addresses.
        """
        request_keys = {self._key("code-requests", address) for address in requested}
        if self.send_quota is not None:
            self._count_in_quota(self.send_quota, request_keys, recipients)
        return self._store(purpose, request_keys, recipients, caller)

    @retry_on_conflict
    def _store(
        self, purpose: CodePurpose, request_keys: Collection[str], recipients: Sequence[Recipient], caller: Caller
    ) -> RequestedCode:
        limits = code_sends(self.cooldown)
        sent_keys = {recipient: self._key("codes-sent", recipient.address) for recipient in recipients}
        with self.database.begin() as tx:
            locked = tx.rate_limits.lock(sorted({*request_keys, *sent_keys.values()}))
            windows = {window.key: window for window in locked}
            now = self.clock()  # after locking: the wait must not put this hit before those already stored
            retry_after = max(windows[key].retry_after(limits, now) for key in request_keys)
            if not retry_after:
                full = {key for key in sent_keys.values() if windows[key].retry_after(limits, now)}
                counted = [window if key in full else window.with_hit(limits, now) for key, window in windows.items()]
                tx.rate_limits.save(counted, now + DAY)
                reference = self.new_id()[:4].upper()
                actual = [recipient.as_decoy() if key in full else recipient for recipient, key in sent_keys.items()]
                self._enqueue(tx, purpose, actual, reference, now)
                record(tx, EventType.CODE_SENT, now, caller, detail=purpose)
        if retry_after:
            raise RateLimited(retry_after)
        return RequestedCode(reference)

    def _count_in_quota(self, send_quota: SendQuota, request_keys: Collection[str], recipients: Sequence[Recipient]) -> None:
        """Refuses rate-limited requests first: otherwise one caller's repeated requests would use up the quota of all."""
        now = self.clock()
        windows = self.database.rate_limits.get(sorted(request_keys))
        if retry_after := max(window.retry_after(code_sends(self.cooldown), now) for window in windows):
            raise RateLimited(retry_after)
        send_quota.count({recipient.address.kind for recipient in recipients}, now)

    def _enqueue(
        self, tx: Transaction, purpose: CodePurpose, recipients: Sequence[Recipient], reference: str, now: float
    ) -> None:
        codes = [self._new(purpose, recipient, reference, now) for recipient in recipients]
        for challenge, _ in sorted(codes, key=lambda code: code[0].address.kind):  # emails first: the order of locks
            tx.challenges.put(challenge)
        for _, message in codes:
            tx.outbox.add(message)

    def _new(self, purpose: CodePurpose, recipient: Recipient, reference: str, now: float) -> tuple[Challenge, Message]:
        address = recipient.address
        challenge = Challenge(
            id=self.codes.new_challenge_id(self.new_id()),
            purpose=purpose,
            address=address,
            on_behalf_of=recipient.on_behalf_of,
            reference=reference,
            is_decoy=recipient.is_decoy,
            sent_at=now,
            expires_at=now + self.lifetime,
        )
        message = Message(
            id=self.new_id(),
            channel=Channel(address.kind),
            recipient=None if recipient.is_decoy else address.recipient,
            template="code",
            challenge=(challenge.id, purpose, address.canonical),
            values={"reference": reference, "purpose": purpose.value, "minutes": f"{self.lifetime / 60:.0f}"},
            not_before=now,
            expires_at=challenge.expires_at,
        )
        return challenge, message

    def _key(self, prefix: str, address: Address) -> str:
        return f"{prefix}:{self.codes.keyed_digest(address.key)}"


def in_owners_spelling(address: Address, owner: Account | None) -> Address:
    """The address as its owner's account spells it: a mail server may distinguish `ANN@` from `ann@`."""
    return (owner and owner.address(address.kind)) or address


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCode:
    """Issues a code to `destination`, an email or a mobile. It is valid once: to verify, to log in or to reset a password.

    For a mobile a second code goes along in a companion mail: to the email of the account with that mobile, else to `email`
    if given. With `is_login` nothing is sent if no account has the destination. The result is the same in every case.
    Raises `InvalidInput`, `RateLimited`, `Overloaded`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    code_issuer: CodeIssuer

    def __call__(
        self, *, destination: str, email: str | None = None, is_login: bool = False, caller: Caller = TRUSTED_CALLER
    ) -> RequestedCode:
        validator = Validator()
        read = validator.text("destination", destination, self.identifiers.destination)
        companion = validator.text("email", email, self.identifiers.email, required=False)
        login_only = validator.flag("is_login", is_login)
        (to,) = validator.valid(read)
        owner = self.database.accounts.by_address(to)
        to = in_owners_spelling(to, owner)
        is_decoy = owner is None and login_only
        if to.kind is AddressKind.EMAIL:
            return self.code_issuer.issue(CodePurpose.GENERAL, [to], [Recipient(to, is_decoy)], caller)
        requested = [to]
        if companion:
            companion = in_owners_spelling(companion, self.database.accounts.by_address(companion))
            requested.append(companion)
        if owner:
            companion = owner.email
        address = companion or decoy_address(AddressKind.EMAIL, to.canonical)
        recipients = [Recipient(to, is_decoy), Recipient(address, is_decoy or companion is None, to.canonical)]
        return self.code_issuer.issue(CodePurpose.GENERAL, requested, recipients, caller)
