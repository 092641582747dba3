"""Registering or logging in by a code, whichever applies."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import count

from ..domain.account import Account, Address, AddressKind, Username
from ..domain.code import CodePurpose
from ..domain.errors import AccountMismatch, InvitationRequired, Refusal
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.invitation import invited_by
from ..domain.ownership import AddressState, state_of, username_without_mobile
from ..domain.texts import code_digits
from .audit import record
from .code_checks import CodeCheck, CodeVerifier
from .code_requests import CodeIssuer, RequestedCode, recipient_for
from .ownership import AccountOpener, AddressReleaser, Opening
from .ports import Admission, Applicant, Database, Holder, Identifiers, NewId, Transaction
from .retry import retry_on_conflict
from .tokens import Identity, SessionIssuer, StartedSession, TokenSet
from .validation import Validator, add_inadmissible


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRegistrationCode:
    """Issues a code to the email and another to the mobile; either is accepted.

    An existing account affects only the spelling of the recipients' addresses, never whether a code is sent. An address that no
    account may get is refused at once, also if one has it; whether new accounts are accepted is asked after the code.
    Raises `InvalidInput`, `RateLimited`, `Overloaded`, `Unavailable`.
    """

    identifiers: Identifiers
    admission: Admission
    code_issuer: CodeIssuer
    code_verifier: CodeVerifier

    def __call__(self, *, name: str, email: str, mobile: str, caller: Caller = TRUSTED_CALLER) -> RequestedCode:
        validator = Validator()
        _, *addresses = validator.valid(*_read(validator, self.identifiers, self.admission, name, email, mobile))
        holders = self.code_verifier.holders(addresses, caller)
        now = self.code_issuer.clock()
        recipients = [recipient_for(address, holder, now) for address, holder in holders.items()]
        return self.code_issuer.issue(CodePurpose.REGISTER_OR_LOGIN, recipients, recipients, caller)


@dataclass(frozen=True, slots=True)
class _Pair:
    """The address whose code came back, the other one, and the accounts that have them, locked.

    `taken` are the kinds of those that another account has, in spite of the code, or has as its username.
    """

    verified: Address
    other: Address
    account: Account | None
    state: AddressState | None
    other_account: Account | None
    other_state: AddressState | None
    taken: Collection[str]
    now: float

    @property
    def opens(self) -> bool:
        """Returns whether the verified address belongs to its account; an unverified one counts as free."""
        return self.account is not None and _opens(self.account, self.state, self.now)

    @property
    def is_mismatch(self) -> bool:
        """Returns whether the addresses belong to different accounts, or one of them to an account and the other to none."""
        is_held = self.other_state in (AddressState.VERIFIED, AddressState.RECOVERY)
        if self.account is None or not self.opens:
            return is_held or self.verified.kind in self.taken
        if self.state is AddressState.RECOVERY:  # a login that undoes a change is a call of its own
            return True
        if self.other_account is not None and self.other_account.id == self.account.id:
            return False
        has_another = self.account.address(self.other.kind) is not None
        return is_held or (self.state is AddressState.VERIFIED and has_another)


def _opens(account: Account, state: AddressState | None, now: float) -> bool:
    return state is not AddressState.UNVERIFIED and (account.may_log_in(now) or state is not AddressState.CLAIMABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterOrLogIn:
    """Logs in by a code to the account that has the email and the mobile, or creates one.

    An address that is unverified on another account counts as free: the code takes it. A new account has the mobile as its
    username, no password, and only the address verified whose code came back; the other one is left out where another account
    has it, or where such addresses must be verified. Raises `InvalidInput`, `InvalidCode`, `RateLimited`, `Unavailable`, and
    after a right code only `AccountMismatch`, and the refusals of the admission for a new account: `RegistrationClosed`, or
    `InvitationRequired` unless the address of the code has an open invitation.
    """

    database: Database
    identifiers: Identifiers
    admission: Admission
    code_verifier: CodeVerifier
    account_opener: AccountOpener
    address_releaser: AddressReleaser
    session_issuer: SessionIssuer
    new_id: NewId
    email_verification_required: bool
    mobile_verification_required: bool

    @retry_on_conflict
    def __call__(
        self,
        *,
        name: str,
        email: str,
        mobile: str,
        verify_otp: str,
        identity: Identity | None = None,
        caller: Caller = TRUSTED_CALLER,
    ) -> TokenSet:
        validator = Validator()
        fields = _read(validator, self.identifiers, self.admission, name, email, mobile)
        valid_name, valid_email, valid_mobile, code = validator.valid(
            *fields, validator.text("verify_otp", verify_otp, code_digits)
        )
        applicant = Applicant(name=valid_name, email=valid_email, mobile=valid_mobile, caller=caller)
        unwanted = self.admission.refusal(applicant)  # alike for every caller: the code may log in
        holders = self.code_verifier.holders([valid_email, valid_mobile], caller)
        with self.database.begin() as tx:
            check = self.code_verifier(tx, CodePurpose.REGISTER_OR_LOGIN, holders, code, caller)
            result = self._start_session(tx, check, valid_name, holders, identity, unwanted)
        if isinstance(result, Refusal):
            raise result
        return self.session_issuer.token_set(result)

    def _start_session(
        self,
        tx: Transaction,
        check: CodeCheck,
        name: str,
        holders: Mapping[Address, Holder],
        identity: Identity | None,
        unwanted: Refusal | None,
    ) -> StartedSession | Refusal:
        if check.matched is None:
            check.record_failure(tx)
            return check.refusal()
        kind = check.matched.address.kind
        verified, other = sorted(holders, key=lambda address: address.kind is not kind)
        opening = self.account_opener.find_and_revoke_codes(tx, verified, verified, holders[verified], check.now)
        pair = self._pair(tx, verified, other, opening, check.now)
        if pair.is_mismatch:
            check.consume(tx)
            return AccountMismatch()
        if not pair.opens:
            check.consume(tx)
            return self._register(tx, check, name, pair, unwanted)
        if opening is None:  # the account is inactive
            check.record_failure(tx)
            return check.refusal()
        check.consume(tx)
        check.clear_failed_logins(tx, opening.account.id)
        return self._log_in(tx, check, name, pair, opening, identity)

    def _pair(self, tx: Transaction, verified: Address, other: Address, opening: Opening | None, now: float) -> _Pair:
        account = opening.account if opening else tx.accounts.lock_by_address(verified, now)
        other_account = account if account and account.has(other) else tx.accounts.lock_by_address(other, now)
        state = state_of(account, verified, now) if account else None
        other_state = state_of(other_account, other, now) if other_account else None
        opened = account.id if account and _opens(account, state, now) else 0
        taken = tx.accounts.taken_fields(None, [verified, other], now, proved=[verified], excluding=opened)
        return _Pair(verified, other, account, state, other_account, other_state, taken, now)

    def _log_in(
        self, tx: Transaction, check: CodeCheck, name: str, pair: _Pair, opening: Opening, identity: Identity | None
    ) -> StartedSession:
        now, caller, other = check.now, check.caller, self._storable(pair)
        account, effects = self.account_opener.open(tx, opening, identity, now, caller, name=name, other=other)
        started = self.session_issuer.start(tx, account, now, caller, f"code:{pair.verified.kind}")
        return replace(started, effects=effects)

    def _register(
        self, tx: Transaction, check: CodeCheck, name: str, pair: _Pair, unwanted: Refusal | None
    ) -> StartedSession | Refusal:
        now, caller, verified = check.now, check.caller, pair.verified
        invitation = tx.invitations.use(verified, now) if isinstance(unwanted, InvitationRequired) else None
        if unwanted is not None and invitation is None:
            return unwanted
        self.address_releaser(tx, [verified], now)
        addresses = {verified.kind: verified, verified.kind.other: self._storable(pair)}
        mobile = addresses[AddressKind.MOBILE]
        account = tx.accounts.add(
            Account(
                username=self._username(tx, mobile),
                name=name,
                email=addresses[AddressKind.EMAIL],
                mobile=mobile,
                email_verified=verified.kind is AddressKind.EMAIL,
                mobile_verified=verified.kind is AddressKind.MOBILE,
                ever_verified=True,
                created_at=now,
            )
        )
        if mobile is None:
            account = replace(account, username=username_without_mobile(account.id))
            tx.accounts.save(account)
        detail = invited_by([invitation] if invitation else ())
        record(tx, EventType.REGISTERED, now, caller, account_id=account.id, detail=detail)
        record(tx, EventType.ADDRESS_VERIFIED, now, caller, account_id=account.id, detail=verified.kind)
        started = self.session_issuer.start(tx, account, now, caller, f"code:{verified.kind}")
        return replace(started, created=True)

    def _storable(self, pair: _Pair) -> Address | None:
        """The address whose code did not come back, if it may be stored unverified."""
        required = {AddressKind.EMAIL: self.email_verification_required, AddressKind.MOBILE: self.mobile_verification_required}
        return None if pair.other.kind in pair.taken or required[pair.other.kind] else pair.other

    def _username(self, tx: Transaction, mobile: Address | None) -> Username:
        """The mobile; without one a unique placeholder until the account has its id."""
        if mobile is None:
            placeholder = self.new_id()
            return Username(placeholder, placeholder)
        usernames = (self.identifiers.username_of_mobile(mobile, variant) for variant in count(1))
        return next(username for username in usernames if not tx.accounts.taken_fields(username, [], 0.0))


def _read(
    validator: Validator, identifiers: Identifiers, admission: Admission, name: str, email: str, mobile: str
) -> tuple[str | None, Address | None, Address | None]:
    valid_name = validator.text("name", name, identifiers.name)
    addresses = validator.text("email", email, identifiers.email), validator.text("mobile", mobile, identifiers.mobile)
    add_inadmissible(validator, admission, filter(None, addresses))
    return valid_name, *addresses
