"""Password reset."""

from dataclasses import dataclass

from ..domain.account import Address
from ..domain.code import CodePurpose
from ..domain.errors import AddressNotVerified, Refusal
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from ..domain.texts import code_digits
from .audit import record
from .code_checks import CodeCheck, CodeVerifier, ProofIssuer
from .notifications import Notice, Notices
from .ownership import AccountOpener
from .ports import Database, Hasher, Holder, Transaction
from .retry import retry_on_conflict
from .tokens import CodeEffects, Identity
from .validation import AccountRules, Validator, personal_data_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetPassword:
    """Sets a new password with a code that was sent to `email`, and revokes every session of the account.

    The password is checked by itself before the code, and against the account's own data only after a right code, which then
    stays valid. `AccountOpener` says what else the code does. Raises `InvalidInput`, `InvalidCode`, `AddressNotVerified`,
    `RateLimited`, `Overloaded`, `Unavailable`.
    """

    database: Database
    hasher: Hasher
    code_verifier: CodeVerifier
    account_opener: AccountOpener
    proof_issuer: ProofIssuer
    rules: AccountRules
    notices: Notices

    @retry_on_conflict
    def __call__(
        self, *, email: str, otp: str, password: str, identity: Identity | None = None, caller: Caller = TRUSTED_CALLER
    ) -> CodeEffects:
        validator = Validator()
        read = validator.text("email", email, self.rules.identifiers.email), validator.text("otp", otp, code_digits)
        self.rules.check_password(validator, validator.password("password", password), ())
        address, code = validator.valid(*read)
        holders = self.code_verifier.holders([address], caller)
        self._check(address, holders, code, password, caller)
        password_hash = self.hasher.hash(password)
        with self.database.begin() as tx:
            check = self.code_verifier(tx, CodePurpose.GENERAL, holders, code, caller)
            result = self._set(tx, check, address, holders[address], password_hash, identity)
        if isinstance(result, Refusal):
            raise result
        return result

    def _check(self, address: Address, holders: dict[Address, Holder], code: str, password: str, caller: Caller) -> None:
        """Refuses a wrong code, and a password made of the account's own data, before any hashing."""
        validator, refusal = Validator(), None
        with self.database.begin() as tx:
            check = self.code_verifier(tx, CodePurpose.GENERAL, holders, code, caller)
            opening = self.account_opener.find(tx, address, address, check.now) if check.matched_alone else None
            if opening is None:
                check.record_failure(tx)
                refusal = check.refusal()
            elif not opening.opens:
                check.consume(tx)
                refusal = AddressNotVerified(self.proof_issuer(tx, address, check.now, caller))
            else:
                personal = (*personal_data_of(opening.account), address.text)
                validator.add_error("password", *self.rules.policy.personal_data_violations(password, personal))
        validator.raise_if_invalid()
        if refusal is not None:
            raise refusal

    def _set(
        self, tx: Transaction, check: CodeCheck, address: Address, holder: Holder, password_hash: str, identity: Identity | None
    ) -> CodeEffects | Refusal:
        """Checks the code again, for another transaction may have used it meanwhile."""
        now, caller = check.now, check.caller
        opener = self.account_opener
        opening = opener.find_and_revoke_codes(tx, address, address, holder, now, always=True) if check.matched_alone else None
        if opening is None or not opening.opens:
            check.record_failure(tx)
            return check.refusal()
        check.consume(tx)
        check.clear_failed_logins(tx, opening.account.id)
        account, effects = opener.open(tx, opening, identity, now, caller, password_hash=password_hash)
        record(tx, EventType.PASSWORD_RESET, now, caller, account_id=account.id)
        self.notices(tx, Notice.PASSWORD_CHANGED, account, now, caller)
        return effects
