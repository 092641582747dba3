"""Password reset."""

from dataclasses import dataclass, replace

from ..domain.account import Account, Address
from ..domain.code import CodePurpose
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from .audit import record, record_verified_addresses
from .code_checks import CodeVerifier, accepts_code, save_and_revoke_access
from .notifications import Notice, Notices
from .ports import Database, Hasher, Transaction
from .retry import retry_on_conflict
from .validation import AccountRules, Validator, personal_data_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetPassword:
    """Sets a new password with a code that was sent to `email`, and revokes every session of the account.

    The password is checked by itself before the code, and against the account's own data only after a right code, which then
    stays valid. Raises `InvalidInput`, `InvalidCode`, `RateLimited`, `Overloaded`, `Unavailable`.
    """

    database: Database
    hasher: Hasher
    code_verifier: CodeVerifier
    rules: AccountRules
    notices: Notices

    @retry_on_conflict
    def __call__(self, *, email: str, otp: str, password: str, caller: Caller = TRUSTED_CALLER) -> None:
        validator = Validator()
        read = validator.text("email", email, self.rules.identifiers.email), validator.text("otp", otp, str.strip)
        self.rules.check_password(validator, validator.password("password", password), ())
        address, code = validator.valid(*read)
        known = self._check(address, code, password, caller)
        password_hash = self.hasher.hash(password)
        with self.database.begin() as tx:
            refusal = self._set(tx, known.addresses, address, code, password_hash, caller)
        if refusal is not None:
            raise refusal

    def _check(self, address: Address, code: str, password: str, caller: Caller) -> Account:
        """Refuses a wrong code, and a password made of the account's own data, before any hashing."""
        validator = Validator()
        with self.database.begin() as tx:
            check = self.code_verifier(tx, CodePurpose.GENERAL, [address], code, caller)
            account = tx.accounts.lock_by_address(address) if check.matched else None
            if account and accepts_code(account, address):
                self.rules.check_password(validator, password, personal_data_of(account))
            else:
                account = None
                check.record_failure(tx)
        validator.raise_if_invalid()
        if account is None:
            raise check.refusal()
        return account

    def _set(
        self, tx: Transaction, known: tuple[Address, ...], address: Address, code: str, password_hash: str, caller: Caller
    ) -> Exception | None:
        """Checks the code again, for another transaction may have used it meanwhile; `known` are the account's addresses."""
        check = self.code_verifier(tx, CodePurpose.GENERAL, [address], code, caller)
        if check.matched:
            tx.challenges.revoke(known)  # before the account is locked: the order of locks
        account = tx.accounts.lock_by_address(address) if check.matched else None
        if account is None or not accepts_code(account, address):
            check.record_failure(tx)
            return check.refusal()
        check.consume(tx)
        after = replace(account.after_code_login(address), password_hash=password_hash)
        save_and_revoke_access(tx, account, after, check.now, known)
        record(tx, EventType.PASSWORD_RESET, check.now, caller, account_id=account.id)
        record_verified_addresses(tx, account, after, check.now, caller)
        self.notices(tx, Notice.PASSWORD_CHANGED, account, check.now)
        return None
