"""A new password for who has lost the old one."""

from dataclasses import dataclass, replace

from ..domain.account import Address
from ..domain.code import Flow
from ..domain.events import VOUCHED, Caller, Event, What
from .audit import write_proven
from .codes import CodeCheck, can_enter, start_afresh
from .notifications import Notice, Notices
from .ports import Database, Hasher, Transaction
from .retry import once_more
from .validation import AccountRules, Reading, own_words_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetPassword:
    """Sets a new password for who brings back a code sent to `email`, and ends every session of the account.

    The password is judged by itself before the code is looked at, and against the account's own data only after a right
    code, which then stays good. Raises `InvalidInput`, `WrongCode`, `TooManyTries`, `Overloaded`, `Unavailable`.
    """

    database: Database
    hasher: Hasher
    check: CodeCheck
    rules: AccountRules
    notices: Notices

    @once_more
    def __call__(self, *, email: str, otp: str, password: str, caller: Caller = VOUCHED) -> None:
        read = Reading()
        address = read.text("email", email, self.rules.identifiers.email)
        code = read.text("otp", otp, str.strip)
        secret = read.password("password", password)
        self.rules.judge_password(read, secret, ())
        read.refuse()
        assert address and code and secret  # noqa: S101 — `refuse` has raised otherwise
        self._judge(address, code, secret, caller)
        password_hash = self.hasher.hash(secret)
        with self.database.begin() as tx:
            done = self._set(tx, address, code, password_hash, caller)
        if done is not None:
            raise done

    def _judge(self, address: Address, code: str, secret: str, caller: Caller) -> None:
        """Refuses a wrong code, and a password made of the account's own data, before any hashing."""
        read = Reading()
        with self.database.begin() as tx:
            attempt = self.check(tx, Flow.OTP, [address], code, caller)
            account = tx.accounts.claim_having(address) if attempt.right else None
            entitled = account is not None and can_enter(account, address)
            if account and entitled:
                self.rules.judge_password(read, secret, own_words_of(account))
            else:
                attempt.miss(tx)
        read.refuse()
        if not entitled:
            raise attempt.refusal()

    def _set(self, tx: Transaction, address: Address, code: str, password_hash: str, caller: Caller) -> Exception | None:
        """Looks at the code again, for somebody else may have used it meanwhile."""
        attempt = self.check(tx, Flow.OTP, [address], code, caller)
        account = tx.accounts.claim_having(address) if attempt.right else None
        if account is None or not can_enter(account, address):
            attempt.miss(tx)
            return attempt.refusal()
        attempt.use(tx)
        entered = replace(account.entered_by(address), password_hash=password_hash)
        start_afresh(tx, account, entered, attempt.now)
        tx.journal.add(Event(what=What.PASSWORD_RESET, at=attempt.now, account_id=account.id, caller=caller))
        write_proven(tx, account, entered, attempt.now, caller)
        self.notices(tx, Notice.PASSWORD_CHANGED, account, attempt.now)
        return None
