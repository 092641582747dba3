"""Invitations to register: sending, listing and revoking them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from ..domain.account import Address, AddressKind
from ..domain.errors import ErrorCode, FieldError, InvitationRequired, NoSuchInvitation, taken
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.invitation import Invitation
from ..domain.ownership import HOLDS_NOTHING, state_of
from ..domain.rate_limits import DAY, Limits
from . import rate_limits
from .audit import record
from .notifications import POLICY
from .ports import Admission, Applicant, Channel, Clock, Codes, Database, Identifiers, Message, NewId
from .rate_limits import Counter
from .retry import retry_on_conflict
from .tokens import Identity
from .validation import Validator, digest_of_proof

BATCH = 500
DEFAULT_DAYS = 7
MAX_DAYS = 365
TEMPLATE = "invitation"
_BAD_DAYS = FieldError(ErrorCode.WRONG_TYPE, f"This must be a whole number of days from 1 to {MAX_DAYS}.")


def token_of(codes: Codes, invitation_id: str) -> str:
    """The token of an invitation; without the key it cannot be derived."""
    return codes.keyed_digest(f"invitation:{invitation_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """Sends an invitation to an email or a mobile: a token that `Register` takes as its proof, once, within `days`.

    A registration by a code that came to the address is invited as well. An invitation takes the place of an earlier one to the
    same address, whose token is worth nothing then. `identity` is the account that invites; without one it is the operator,
    whom `actor` names in the audit log. Each counts as one of the notices to its address. Raises `InvalidInput` for a text that
    is no address, for an address that no account may get or that one has verified, and the refusals of the admission for
    everybody, such as `RegistrationClosed`; `RateLimited`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    admission: Admission
    codes: Codes
    clock: Clock
    new_id: NewId
    limits: Limits

    @retry_on_conflict
    def __call__(
        self,
        *,
        address: str,
        days: int = DEFAULT_DAYS,
        identity: Identity | None = None,
        actor: str | None = None,
        caller: Caller = TRUSTED_CALLER,
    ) -> Invitation:
        invited = self._read(address, days, caller)
        invitation_id, digest = self.new_id(), self.codes.keyed_digest(invited.key)
        counter = Counter(f"notices:{digest}", self.limits.notices_per_address, POLICY)
        inviter = None if identity is None else identity.account.id
        with self.database.begin() as tx:
            counters = rate_limits.lock(tx.rate_limits, [counter], self.clock)
            if refusal := counters.refusal():
                raise refusal
            counters.hit().save(tx.rate_limits)
            invitation = Invitation(
                id=invitation_id,
                digest=digest_of_proof(self.codes, token_of(self.codes, invitation_id)),
                address=invited,
                invited_at=counters.now,
                expires_at=counters.now + days * DAY,
                invited_by=inviter,
            )
            tx.invitations.add(invitation)
            tx.outbox.add(_message(self.new_id(), invitation))
            record(tx, EventType.INVITED, counters.now, caller, account_id=inviter, detail=invited.kind, actor=actor)
        return invitation

    def _read(self, address: str, days: int, caller: Caller) -> Address:
        validator = Validator()
        invited = validator.text("address", address, self.identifiers.destination)
        if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= MAX_DAYS:
            validator.add_error("days", _BAD_DAYS)
        if invited is not None and (error := self._error(invited)):
            validator.add_error("address", error)
        (valid,) = validator.valid(invited)
        email, mobile = (valid if valid.kind is kind else None for kind in (AddressKind.EMAIL, AddressKind.MOBILE))
        refusal = self.admission.refusal(Applicant(name=None, email=email, mobile=mobile, caller=caller))
        if refusal is not None and not isinstance(refusal, InvitationRequired):
            raise refusal
        return valid

    def _error(self, address: Address) -> FieldError | None:
        if error := self.admission.address_error(address):
            return error
        now = self.clock()
        owner = self.database.accounts.by_address(address, now)
        return taken(address.kind) if owner and state_of(owner, address, now) not in HOLDS_NOTHING else None


def _message(message_id: str, invitation: Invitation) -> Message:
    return Message(
        id=message_id,
        channel=Channel(invitation.address.kind),
        recipient=invitation.address.recipient,
        template=TEMPLATE,
        values={
            "invitation": invitation.id,
            "until": f"{datetime.fromtimestamp(invitation.expires_at, UTC):%Y-%m-%d %H:%M} UTC",
        },
        not_before=invitation.invited_at,
        expires_at=invitation.expires_at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListInvitations:
    """The open invitations, in the order of their addresses. Raises `Unavailable`."""

    database: Database
    clock: Clock

    def __call__(self) -> Iterator[Invitation]:
        after: Address | None = None
        while batch := self.database.invitations.find(after, self.clock(), limit=BATCH):
            yield from batch
            after = batch[-1].address


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeInvitation:
    """Ends the open invitation of an address; one that waits in the outbox is not sent.

    The audit log names `identity` and `actor`, as for `Invite`. Raises `InvalidInput` for a text that is no address,
    `NoSuchInvitation`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    clock: Clock

    @retry_on_conflict
    def __call__(
        self, *, address: str, identity: Identity | None = None, actor: str | None = None, caller: Caller = TRUSTED_CALLER
    ) -> Invitation:
        validator = Validator()
        (invited,) = validator.valid(validator.text("address", address, self.identifiers.destination))
        with self.database.begin() as tx:
            now = self.clock()
            invitation = tx.invitations.use(invited, now)
            if invitation is None:
                raise NoSuchInvitation
            account_id = None if identity is None else identity.account.id
            revoked = EventType.INVITATION_REVOKED
            record(tx, revoked, now, caller, account_id=account_id, detail=invited.kind, actor=actor)
        return invitation
