"""Requests for one-time codes: challenges and messages are stored within the limits of their addresses.

Lock order, the same everywhere: windows of requested and sent codes, challenges (emails before mobiles), windows of wrong
codes or logins, accounts, sessions, windows of notifications. Invitations come after accounts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, compress

from ..domain.account import Account, Address, AddressKind
from ..domain.code import Challenge, CodePurpose, decoy_address
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.rate_limits import Limits, RateLimit, RateLimits
from . import rate_limits
from .audit import record
from .ports import Channel, Clock, Codes, Database, Holder, Identifiers, Message, NewId, Transaction
from .rate_limits import Counter, key_by_knower, per_network
from .retry import retry_on_conflict
from .send_quota import SendQuota
from .validation import Validator

POLICY = "codes"


@dataclass(frozen=True, slots=True)
class RequestedCode:
    """`reference` is a short tag that the messages repeat, so that a recipient of several messages finds the latest."""

    reference: str


@dataclass(frozen=True, slots=True)
class Recipient:
    """The address of a code, and the id of its account, if that knows the caller's network.

    A decoy is stored and processed like a code, but no message is sent. `on_behalf_of` is set for a companion mail: the
    canonical form of the mobile that the code was requested for.
    """

    address: Address
    knower: int | None
    is_decoy: bool = False
    on_behalf_of: str | None = None

    @property
    def from_known_network(self) -> bool:
        return self.knower is not None

    def as_decoy(self) -> "Recipient":
        """A decoy in place of this recipient; it replaces no code that was sent earlier."""
        address = decoy_address(self.address.kind, f"{self.on_behalf_of or ''}:{self.address.canonical}")
        return replace(self, address=address, is_decoy=True, on_behalf_of=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeIssuer:
    """Stores challenges and puts their messages into the outbox, within the limits of the addresses.

    Each address has two kinds of windows. `code-requests:` counts requests for it, whose refusal callers may see; `codes-sent:`
    and `companion-mails:` count messages to it, whose refusal would reveal whose email belongs to a mobile. Requests from
    networks that the account of the address knows have windows of their own. `cooldown` and `code_lifetime` are in seconds.
    """

    database: Database
    codes: Codes
    clock: Clock
    new_id: NewId
    limits: Limits
    cooldown: float = 60.0
    code_lifetime: float = 300.0
    limits_by_ip_address: bool = True
    send_quota: SendQuota | None = None

    @retry_on_conflict
    def issue(
        self, purpose: CodePurpose, requested: Sequence[Recipient], recipients: Sequence[Recipient], caller: Caller
    ) -> RequestedCode:
        """Issues a code to each recipient, or none at all: raises `RateLimited` for a requested address, or `Overloaded`.

        Requests that name a mobile alone may use up the companion mails to the mobile owner's email. Then a decoy is stored in
        place of the email's code, and no caller learns of it. The last code of the email stays valid, because a decoy has an
        address of its own. Reads and writes do not depend on the owners of the addresses.
        """
        digests = {one.address.key: self.codes.keyed_digest(one.address.key) for one in (*requested, *recipients)}
        visible = self._visible_counters(requested, digests, caller)
        hidden = [self._hidden_counters(recipient, digests[recipient.address.key]) for recipient in recipients]
        with self.database.begin() as tx:
            locked = rate_limits.lock(tx.rate_limits, [*visible, *chain.from_iterable(hidden)], self.clock)
            if refusal := locked.refusal():
                raise refusal
            is_full = [any(locked.is_full(one.key) for one in hiding) for hiding in hidden]
            left_out = {one.key for one in chain.from_iterable(compress(hidden, is_full))}
            for recipient in compress(recipients, is_full):
                if (
                    recipient.on_behalf_of is not None
                ):  # no companion mail is sent, so none of the requests of its email is used
                    left_out.add(_key_of_request(recipient, digests[recipient.address.key]))
            locked.hit(leaving_out=left_out).save(tx.rate_limits)
            reference = self.new_id()[:4].upper()
            actual = [one.as_decoy() if full else one for one, full in zip(recipients, is_full, strict=True)]
            self._enqueue(tx, purpose, actual, reference, locked.now, caller)
            record(tx, EventType.CODE_SENT, locked.now, caller, detail=purpose)
            if self.send_quota is not None:
                is_known = all(one.from_known_network for one in requested)
                kinds = [one.address.kind for one in recipients]
                self.send_quota.count_codes(tx, kinds, caller.ip_address, is_known=is_known)
        return RequestedCode(reference)

    def _visible_counters(self, requested: Sequence[Recipient], digests: Mapping[str, str], caller: Caller) -> list[Counter]:
        limits, network = self.limits, caller.ip_address if self.limits_by_ip_address else None
        counters = []
        for one in requested:
            digest = digests[one.address.key]
            per_destination = (RateLimit(1, self.cooldown), *self._per_destination(one))
            counters.append(Counter(_key_of_request(one, digest), per_destination, POLICY))
            of_network = f"code-requests:{digest}:from"
            counters += per_network(of_network, network, limits.codes_per_destination_and_network, POLICY)
        is_known = all(one.from_known_network for one in requested)
        mobiles = sum(one.address.kind is AddressKind.MOBILE for one in requested)
        for_unknown = () if is_known else limits.codes_per_unknown_network
        for_mobiles = () if is_known or not mobiles else limits.codes_to_mobiles_per_unknown_network
        counters += per_network("code-requests", network, for_unknown, POLICY, hits=len(requested))
        counters += per_network("code-requests-to-mobiles", network, for_mobiles, POLICY, hits=mobiles)
        return counters

    def _hidden_counters(self, recipient: Recipient, digest: str) -> list[Counter]:
        sent = key_by_knower(f"codes-sent:{digest}", recipient.knower)
        counters = [Counter(sent, self._per_destination(recipient), POLICY, refuses=False)]
        if recipient.on_behalf_of is not None:
            key = key_by_knower(f"companion-mails:{digest}", recipient.knower)
            limits = (RateLimit(1, self.cooldown), *self.limits.companion_mails_per_destination)
            counters.append(Counter(key, limits, POLICY, refuses=False))
        return counters

    def _per_destination(self, recipient: Recipient) -> RateLimits:
        if recipient.from_known_network:
            return self.limits.codes_per_destination_from_known_networks
        return self.limits.codes_per_destination_from_unknown_networks

    def _enqueue(
        self, tx: Transaction, purpose: CodePurpose, recipients: Sequence[Recipient], reference: str, now: float, caller: Caller
    ) -> None:
        codes = [self._new(purpose, recipient, reference, now, caller) for recipient in recipients]
        tx.challenges.put([challenge for challenge, _ in codes])
        for _, message in codes:
            tx.outbox.add(message)

    def _new(
        self, purpose: CodePurpose, recipient: Recipient, reference: str, now: float, caller: Caller
    ) -> tuple[Challenge, Message]:
        address = recipient.address
        challenge = Challenge(
            id=self.codes.new_challenge_id(self.new_id()),
            purpose=purpose,
            address=address,
            from_known_network=recipient.from_known_network,
            network=caller.ip_address,
            on_behalf_of=recipient.on_behalf_of,
            reference=reference,
            is_decoy=recipient.is_decoy,
            sent_at=now,
            expires_at=now + self.code_lifetime,
        )
        message = Message(
            id=self.new_id(),
            channel=Channel(address.kind),
            recipient=None if recipient.is_decoy else address.recipient,
            template="code",
            challenge=(challenge.id, purpose, address.canonical),
            values={"reference": reference, "purpose": purpose.value, "minutes": f"{self.code_lifetime // 60:.0f}"},
            not_before=now,
            expires_at=challenge.expires_at,
        )
        return challenge, message


def _key_of_request(one: Recipient, digest: str) -> str:
    return key_by_knower(f"code-requests:{digest}", one.knower)


def in_owners_spelling(address: Address, owner: Account | None) -> Address:
    """The address as its owner's account spells it: a mail server may distinguish `ANN@` from `ann@`."""
    return owner.address(address.kind) or address if owner and owner.has(address) else address


def recipient_for(address: Address, holder: Holder, now: float) -> Recipient:
    return Recipient(in_owners_spelling(address, holder.account), holder.knower_of(address, now))


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCode:
    """Issues a code to `destination`, an email or a mobile. It is valid once: to verify, to log in or to reset a password.

    For a mobile, codes go along in companion mails: one to the verified email of the account with that mobile, which logs in
    there too, and one to `email`, which proves that email alone. With `is_login` nothing is sent to `email`, and nothing at
    all if no account has the destination. The result is the same in every case.
    Raises `InvalidInput`, `RateLimited`, `Overloaded`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    code_issuer: CodeIssuer
    clock: Clock

    def __call__(
        self, *, destination: str, email: str | None = None, is_login: bool = False, caller: Caller = TRUSTED_CALLER
    ) -> RequestedCode:
        validator = Validator()
        read = validator.text("destination", destination, self.identifiers.destination)
        requested_email = validator.text("email", email, self.identifiers.email, required=False)
        login_only = validator.flag("is_login", is_login)
        (address,) = validator.valid(read)
        holder, now = self._holder(address, caller), self.clock()
        to = replace(recipient_for(address, holder, now), is_decoy=holder.account is None and login_only)
        requested, recipients = [to], [to]
        if address.kind is AddressKind.MOBILE:
            recipients.append(_owners_companion(to, holder))
            if requested_email and not login_only:
                companion = recipient_for(requested_email, self._holder(requested_email, caller), now)
                requested.append(companion)
                recipients.append(_requested_companion(to, companion, recipients))
        return self.code_issuer.issue(CodePurpose.GENERAL, requested, recipients, caller)

    def _holder(self, address: Address, caller: Caller) -> Holder:
        return self.database.accounts.holder(address, caller.ip_address, self.clock())


def _owners_companion(to: Recipient, holder: Holder) -> Recipient:
    """The mail to the verified email of the account with the mobile, or a decoy in its place."""
    owner, mobile = holder.account, to.address.canonical
    if owner is None or owner.email is None or not owner.email_verified or not owner.has(to.address):
        return Recipient(decoy_address(AddressKind.EMAIL, f"owner:{mobile}"), to.knower, is_decoy=True, on_behalf_of=mobile)
    return Recipient(owner.email, to.knower, is_decoy=to.is_decoy, on_behalf_of=mobile)


def _requested_companion(to: Recipient, companion: Recipient, recipients: Sequence[Recipient]) -> Recipient:
    """The mail to the requested email; a decoy if that is the owner's, who gets one already.

    It replaces a code from a known network only if the network is known for both addresses.
    """
    mobile = to.address.canonical
    if any(one.address.key == companion.address.key for one in recipients):
        address = decoy_address(AddressKind.EMAIL, f"requested:{mobile}")
        return Recipient(address, to.knower, is_decoy=True, on_behalf_of=mobile)
    return Recipient(companion.address, companion.knower if to.from_known_network else None, on_behalf_of=mobile)
