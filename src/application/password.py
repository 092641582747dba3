"""A new password for who has lost the old one."""

from dataclasses import dataclass, replace

from ..domain.account import Account, Address
from ..domain.code import CodePurpose
from ..domain.events import TRUSTED_CALLER, Caller, Event, EventType
from .audit import record_verified_addresses
from .codes import CodeCheck, accepts_code, save_and_revoke_all
from .notifications import Notice, Notices
from .ports import Database, Hasher, Transaction
from .retry import retry_on_conflict
from .validation import AccountRules, Validator, personal_data_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetPassword:
    """Sets a new password for who brings back a code sent to `email`, and ends every session of the account.

    The password is judged by itself before the code is looked at, and against the account's own data only after a right
    code, which then stays good. Raises `InvalidInput`, `InvalidCode`, `RateLimited`, `Overloaded`, `Unavailable`.
    """

    database: Database
    hasher: Hasher
    code_check: CodeCheck
    rules: AccountRules
    notices: Notices

    @retry_on_conflict
    def __call__(self, *, email: str, otp: str, password: str, caller: Caller = TRUSTED_CALLER) -> None:
        read = Validator()
        address = read.text("email", email, self.rules.identifiers.email)
        code = read.text("otp", otp, str.strip)
        secret = read.password("password", password)
        self.rules.check_password(read, secret, ())
        read.raise_if_invalid()
        assert address and code and secret  # noqa: S101 — `refuse` has raised otherwise
        known = self._check(address, code, secret, caller)
        password_hash = self.hasher.hash(secret)
        with self.database.begin() as tx:
            done = self._set(tx, known.addresses, address, code, password_hash, caller)
        if done is not None:
            raise done

    def _check(self, address: Address, code: str, secret: str, caller: Caller) -> Account:
        """Refuses a wrong code, and a password made of the account's own data, before any hashing."""
        read = Validator()
        with self.database.begin() as tx:
            attempt = self.code_check(tx, CodePurpose.OTP, [address], code, caller)
            account = tx.accounts.lock_by_address(address) if attempt.matched else None
            if account and accepts_code(account, address):
                self.rules.check_password(read, secret, personal_data_of(account))
            else:
                account = None
                attempt.record_failure(tx)
        read.raise_if_invalid()
        if account is None:
            raise attempt.refusal()
        return account

    def _set(
        self,
        tx: Transaction,
        known: tuple[Address, ...],
        address: Address,
        code: str,
        password_hash: str,
        caller: Caller,
    ) -> Exception | None:
        """Checks the code again, for another transaction may have used it meanwhile; `known` addresses were the account's."""
        attempt = self.code_check(tx, CodePurpose.OTP, [address], code, caller)
        if attempt.matched:
            tx.challenges.revoke(known)  # before the account is locked: the order of locks
        account = tx.accounts.lock_by_address(address) if attempt.matched else None
        if account is None or not accepts_code(account, address):
            attempt.record_failure(tx)
            return attempt.refusal()
        attempt.consume(tx)
        entered = replace(account.after_code_login(address), password_hash=password_hash)
        save_and_revoke_all(tx, account, entered, attempt.now, known)
        tx.audit_log.add(Event(type=EventType.PASSWORD_RESET, occurred_at=attempt.now, account_id=account.id, caller=caller))
        record_verified_addresses(tx, account, entered, attempt.now, caller)
        self.notices(tx, Notice.PASSWORD_CHANGED, account, attempt.now)
        return None
