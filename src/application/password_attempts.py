"""Attempts at a password, by a login or as `current_password`: their failures are counted, and too many are refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from ..domain.account import Account
from ..domain.events import Caller, EventType
from ..domain.rate_limits import DAY, Limits, RateLimit
from . import rate_limits
from .audit import record
from .notifications import Notice, Notices
from .ports import Clock, Codes, Database, Holder, KeyOfHolder, LoginIdentifier, Transaction
from .rate_limits import Counter, Counters

POLICY = "failed-logins"
_ROW_SECONDS = 30 * DAY  # failures that are longer ago are not in a row any more


@dataclass(frozen=True, slots=True)
class PasswordAttempt:
    """An attempt at the password of the account with an identifier, or of no account."""

    holder: Holder
    caller: Caller
    counters: Sequence[Counter]
    key_of_caller: str
    key_in_a_row: str

    def is_paused(self, counters: Counters) -> bool:
        """Returns whether every password is answered as wrong: too many were in a row, and the network is unknown."""
        return not self.holder.knows_network and counters.is_full(self.key_in_a_row)

    def clear(self, tx: Transaction, locked: Counters) -> None:
        """Clears what a right password clears: failures of this caller, and those in a row; not those of other callers."""
        locked.clear(tx.rate_limits, (self.key_of_caller, self.key_in_a_row))


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordAttempts:
    """Counts failures in the windows of the identifier, of its account and of the caller's network.

    Failures from networks that the account knows are counted apart from those of others. Unknown identifiers are counted alike,
    so that neither a refusal nor its time tells who has an account.
    """

    database: Database
    codes: Codes  # for `keyed_digest` alone: the keys of the windows do not reveal identifiers
    clock: Clock
    limits: Limits
    notices: Notices
    limits_by_ip_address: bool = True

    def begin(self, identifier: LoginIdentifier, caller: Caller) -> tuple[PasswordAttempt, bool]:
        """Returns the attempt and whether it is paused. Raises `RateLimited`."""
        name = identifier.address.key if identifier.address else f"username:{identifier.canonical_username}"
        digest = self.codes.keyed_digest(name)
        network = caller.ip_address if self.limits_by_ip_address else None
        of_caller = rate_limits.per_network(
            f"login:{digest}", network, self.limits.failed_logins_per_identity_and_network, POLICY
        )[:1]
        of_identity = Counter(f"login:{digest}", self.limits.failed_logins_per_identity, POLICY)
        of_network = rate_limits.per_network("logins", network, self.limits.failed_logins_per_network, POLICY)
        keys = [counter.key for counter in (*of_caller, of_identity, *of_network)]
        holder, windows = self.database.accounts.holder_by_login(
            identifier, caller.ip_address, self.clock(), keys, _key_in_a_row(digest), _decoy(digest)
        )
        if holder.knows_network:
            of_identity = of_identity._replace(limits=())
        limits = (RateLimit(self.limits.failed_logins_in_a_row, _ROW_SECONDS),)
        of_account = in_a_row(holder.account, digest)._replace(limits=limits, hits=1)
        counters = [*of_caller, of_identity, *of_network, of_account]
        read = Counters(list(zip(counters, windows, strict=True)), self.clock())
        if refusal := read.refusal():
            raise refusal
        attempt = PasswordAttempt(holder, caller, counters, of_caller[0].key if of_caller else "", of_account.key)
        return attempt, attempt.is_paused(read)

    def lock(self, tx: Transaction, attempt: PasswordAttempt) -> Counters:
        return rate_limits.lock(tx.rate_limits, attempt.counters, self.clock)

    def count_failure(self, tx: Transaction, attempt: PasswordAttempt, locked: Counters) -> None:
        counted = locked.hit()
        counted.save(tx.rate_limits)
        account, now, caller = attempt.holder.account, locked.now, attempt.caller
        account_id = account.id if account else None
        record(tx, EventType.LOGIN_FAILED, now, caller, account_id=account_id, detail=_reason(account, now))
        if counted.refusal():
            record(tx, EventType.RATE_LIMITED, now, caller, account_id=account_id, detail="login")
        is_new = counted.is_full(attempt.key_in_a_row) and not locked.is_full(attempt.key_in_a_row)
        if account is not None and is_new:
            self.notices(tx, Notice.PASSWORD_LOGINS_PAUSED, account, now, caller)


def _decoy(digest: str) -> int:
    """The number that chooses a decoy hash for an identifier, of 62 bits."""
    return int.from_bytes(sha256(digest.encode()).digest()[:8]) >> 2


def in_a_row(account: Account | None, digest: str) -> Counter:
    """The counter of wrong passwords in a row, over all names of an account; here only to be cleared.

    `digest` is that of an identifier that no account has.
    """
    return Counter(_key_in_a_row(digest).of(account.id if account else None), (), POLICY, hits=0, refuses=False)


def key_in_a_row(account_id: int) -> str:
    return _key_in_a_row("").of(account_id)


def _key_in_a_row(digest: str) -> KeyOfHolder:
    return KeyOfHolder("logins-in-a-row:account:", digest)


def _reason(known: Account | None, now: float) -> str:
    """The reason of a failure, for the audit log alone."""
    if known is None:
        return "unknown"
    if not known.may_log_in(now):
        return "suspended" if known.suspension else "inactive"
    return "wrong" if known.password_hash else "passwordless"
