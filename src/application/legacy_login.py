"""First logins of people whose passwords another system has: their accounts are taken in, with a hash of our own."""

import logging
from dataclasses import dataclass, field, replace

from ..domain.account import Account
from ..domain.events import Caller, EventType
from ..domain.texts import storable
from .audit import record
from .import_batch import ImportBatch, Run
from .import_records import LAST_ID, RecordReader, digest_key
from .operators import Action
from .ports import (
    Codes,
    Database,
    Hasher,
    Identifiers,
    ImportRecord,
    LegacyDirectory,
    LegacyRefusal,
    LoginIdentifier,
    Transaction,
)

_ACTOR = "legacy directory"

_log = logging.getLogger("vestibule.legacy_directory")


@dataclass(frozen=True, slots=True)
class Arrival:
    """An account for which the legacy directory found the password right, and our hash of that password.

    `source` is the name of the directory. `may_keep_id` is False if no account may have the record's id.
    """

    source: str
    record: ImportRecord
    password_hash: str = field(repr=False)
    may_keep_id: bool

    @property
    def key(self) -> str:
        return storable(self.record.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyLogin:
    """Asks the legacy directory, and takes in the accounts whose passwords it found right.

    An account that is not here yet is imported, as `ImportAccounts` does it, but without flags and roles: an endpoint that is
    broken into must not name operators here.
    """

    legacy_directory: LegacyDirectory | None
    database: Database
    identifiers: Identifiers
    hasher: Hasher
    codes: Codes

    def ask(self, account: Account | None, identifier: str, password: str, now: float) -> Arrival | None:
        """Asks, outside of transactions, if there is no `account` with the identifier, or its password lies in the directory.

        Returns None if it need not be asked or does not let the person in. Raises `Overloaded`, `Unavailable`.
        """
        is_elsewhere = account is None or (account.legacy_key is not None and account.may_log_in(now))
        if self.legacy_directory is None or not is_elsewhere:
            return None
        answer = self.legacy_directory.check(identifier, password)
        if isinstance(answer, LegacyRefusal) or not answer.is_active:
            return None
        return Arrival(self.legacy_directory.name, answer, self.hasher.hash(password), self._may_keep(answer.id))

    def _may_keep(self, account_id: int | None) -> bool:
        """Returns whether the id is one of an account, and none here was deleted that had it."""
        if account_id is None or not 0 < account_id <= LAST_ID:
            return False
        return not self.database.audit_log.deleted_accounts([account_id])

    def take_in(
        self, tx: Transaction, arrival: Arrival, identifier: LoginIdentifier, known: Account | None, now: float, caller: Caller
    ) -> tuple[Account | None, bool]:
        """Returns the account of the arrival, stored with its password and locked, and True.

        Returns False where the directory decides nothing any more, with the account whose own password does: the arrival's, if
        it has one by now or may not log in, or the one that has the identifier by now. None if the arrival's was deleted here.
        """
        if known is not None and known.legacy_key == arrival.key:
            return self._set_password(tx, arrival, known.id, now, caller)
        if (row := tx.imports.find(arrival.source, [arrival.key]).get(arrival.key)) is not None:
            return self._set_password(tx, arrival, row.account_id, now, caller)
        if (other := tx.accounts.by_login(identifier)) is not None:
            return other, False
        return self._import(tx, arrival, now, caller), True

    def _set_password(
        self, tx: Transaction, arrival: Arrival, account_id: int, now: float, caller: Caller
    ) -> tuple[Account | None, bool]:
        locked = tx.accounts.lock(account_id)
        if locked is None or locked.legacy_key != arrival.key or not locked.may_log_in(now):
            return locked, False
        account = replace(locked, password_hash=arrival.password_hash)
        tx.accounts.save(account)
        record(tx, EventType.IMPORTED, now, caller, account_id=account.id, detail="password", actor=_ACTOR)
        return account, True

    def _import(self, tx: Transaction, arrival: Arrival, now: float, caller: Caller) -> Account | None:
        """Returns None for a record that can become no account. Raises `Conflict` if one of its names was taken meanwhile."""
        found = replace(
            arrival.record,
            key=arrival.key,
            password_hash=arrival.password_hash,
            is_staff=False,
            is_superuser=False,
            roles=(),
            image=None,
        )
        keeps_id = arrival.may_keep_id and found.id is not None and tx.accounts.get(found.id) is None
        key = digest_key(self.codes)
        reader = RecordReader(
            identifiers=self.identifiers, hasher=self.hasher, digest_key=key, accepted_hashes=(), keeps_ids=keeps_id
        )
        run = Run(
            source=arrival.source,
            action=Action(actor=_ACTOR, reason=None, caller=caller),
            now=now,
            keeps_ids=keeps_id,
            digest_key=key,
            identifiers=self.identifiers,
        )
        [report] = ImportBatch(run, tx)([reader(found, now)])
        if report.account_id is None:
            _log.warning("an account of the legacy directory cannot be taken in: %s", report.reason)
            return None
        return tx.accounts.lock(report.account_id)
