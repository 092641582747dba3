"""Imports of accounts from other systems, and of their images."""

from collections.abc import Collection, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from itertools import islice

from ..domain.account import Account
from ..domain.errors import Unavailable
from ..domain.events import TRUSTED_CALLER, Caller, EventType
from .image import MAX_BYTES
from .import_batch import ImportBatch, ImportOutcome, RowReport, Run
from .import_records import (
    LAST_ID,
    ImportCode,
    ImportDigests,
    ImportRemark,
    ReadRecord,
    RecordReader,
    digest_key,
    here_digest,
    shown,
)
from .operators import Action, Operator, Operators
from .ports import (
    AccountSource,
    Clock,
    Codes,
    Database,
    Hasher,
    Identifiers,
    Images,
    ImportedRow,
    ImportRecord,
    RehearsalDatabase,
    Storage,
    UnreadableImage,
    UnreadableRecord,
)
from .retry import retry_on_conflict
from .validation import Validator

BATCH = 1000
"""The number of rows that are imported in one transaction."""

_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportAccounts:
    """Imports the accounts of another system, and yields a report for each row once it is committed.

    Rows are committed in batches of 1,000. A later import of the same source passes over the rows that have not changed there,
    so it goes on after an import that was cut off, and takes over the changes since: fields that were changed here as well
    stay as they are. No messages are sent, and the admission is not asked. Names that another account has are changed or left
    out, as the report says. Images are left to `ImportImages`.

    With `new_ids` the accounts get ids of this service. `accept_hashes` names kinds of weak hashes, such as `md5`, that are
    stored all the same. With `dry_run` nothing is stored. Raises `SourceError`, `InvalidInput`, `NotPermitted`,
    `LoginNotFresh`, `InvalidCredentials`, `RateLimited`, `Unavailable`; earlier batches stay.
    """

    database: Database
    identifiers: Identifiers
    hasher: Hasher
    codes: Codes
    operators: Operators
    clock: Clock
    rehearsal_database: RehearsalDatabase

    def __call__(
        self,
        *,
        operator: Operator,
        source: AccountSource,
        new_ids: bool = False,
        accept_hashes: Collection[str] = (),
        dry_run: bool = False,
        reason: str | None = None,
        current_password: str | None = None,
        caller: Caller = TRUSTED_CALLER,
    ) -> Iterator[RowReport]:
        action = self.operators.admit_change(operator, self, Validator(), reason, current_password, caller)
        key = digest_key(self.codes)
        reader = RecordReader(
            identifiers=self.identifiers,
            hasher=self.hasher,
            digest_key=key,
            accepted_hashes=frozenset(accept_hashes),
            keeps_ids=not new_ids,
        )
        run = Run(
            source=source.name,
            action=action,
            now=self.clock(),
            keeps_ids=not new_ids,
            digest_key=key,
            identifiers=self.identifiers,
            committed=self.database if dry_run else None,
        )
        return self._import(source, reader, run)

    def _import(self, source: AccountSource, reader: RecordReader, run: Run) -> Iterator[RowReport]:
        is_rehearsal = run.committed is not None
        with self.rehearsal_database() if is_rehearsal else nullcontext(self.database) as database:
            for records in _batches(source.records()):
                now = self.clock()
                reads = [reader(one, now) if isinstance(one, ImportRecord) else one for one in records]
                yield from _store(database, replace(run, now=now, deleted_ids=self._deleted_ids(run, records)), reads)

    def _deleted_ids(self, run: Run, records: list[ImportRecord | UnreadableRecord]) -> frozenset[int]:
        ids = {one.id for one in records if isinstance(one, ImportRecord) and one.id is not None and 0 < one.id <= LAST_ID}
        return self.database.audit_log.deleted_accounts(ids) if run.keeps_ids else frozenset()


def _batches(records: Iterator[ImportRecord | UnreadableRecord]) -> Iterator[list[ImportRecord | UnreadableRecord]]:
    while batch := list(islice(records, BATCH)):
        yield batch


@retry_on_conflict
def _store(database: Database, run: Run, reads: list[ReadRecord | UnreadableRecord]) -> list[RowReport]:
    with database.begin() as tx:
        return ImportBatch(run, tx)(reads)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportImages:
    """Imports the images of accounts that `ImportAccounts` has imported, and yields a report for each.

    An image is checked and encoded like an upload. A later call goes on after one that was cut off. An image that was uploaded
    here meanwhile stays. Raises like `ImportAccounts`, and `Overloaded`.
    """

    database: Database
    images: Images
    storage: Storage
    codes: Codes
    operators: Operators
    clock: Clock

    def __call__(
        self,
        *,
        operator: Operator,
        source: AccountSource,
        reason: str | None = None,
        current_password: str | None = None,
        caller: Caller = TRUSTED_CALLER,
    ) -> Iterator[RowReport]:
        action = self.operators.admit_change(operator, self, Validator(), reason, current_password, caller)
        return self._import(source, action)

    def _import(self, source: AccountSource, action: Action) -> Iterator[RowReport]:
        after = ""
        while rows := self.database.imports.with_images(source.name, after, limit=_PAGE):
            for row in rows:
                yield self._import_image(source, row, action)
            after = rows[-1].key

    def _import_image(self, source: AccountSource, row: ImportedRow, action: Action) -> RowReport:
        image, remark = self._read(source, row.image or "")
        name = None if image is None else self.storage.put(image)
        account, discarded = self._set(row, name, action)
        if discarded is not None:
            with suppress(Unavailable):  # then `SweepImages` deletes it
                self.storage.delete(discarded)
        if name is not None and discarded == name:
            remark = ImportRemark(ImportCode.KEPT, "image: the account got another one here, which was kept", "image")
        return RowReport(
            place=f"account {row.account_id}",
            key=row.key,
            outcome=ImportOutcome.UPDATED if remark is None else ImportOutcome.UNCHANGED,
            account_id=row.account_id,
            username=account.username.text if account else None,
            remarks=() if remark is None else (remark,),
        )

    def _read(self, source: AccountSource, file: str) -> tuple[bytes | None, ImportRemark | None]:
        data = source.image(file)
        if data is None:
            return None, ImportRemark(
                ImportCode.IMAGE_MISSING, f"image {shown(file)}: left out, there is no such file", "image"
            )
        if len(data) > MAX_BYTES:
            reason = f"It has more than {MAX_BYTES} bytes."
        else:
            try:
                return self.images.normalise(data), None
            except UnreadableImage as error:
                reason = str(error)
        return None, ImportRemark(ImportCode.IMAGE_UNREADABLE, f"image {shown(file)}: left out. {reason}", "image")

    @retry_on_conflict
    def _set(self, row: ImportedRow, name: str | None, action: Action) -> tuple[Account | None, str | None]:
        """Sets the image, unless the account has got one here; returns the account, and the image to delete."""
        with self.database.begin() as tx:
            account = tx.accounts.lock(row.account_id)
            if account is None:
                return None, name
            row = tx.imports.find(row.source, [row.key])[row.key]
            digests, key = ImportDigests.parse(row.digests), digest_key(self.codes)
            is_current = digests.here.get("image") == here_digest(key, account, "image")
            discarded = name
            if name is not None and is_current:
                discarded, account = account.image, replace(account, image=name)
                tx.accounts.save(account)
                action.record(tx, EventType.IMAGE_CHANGED, self.clock(), account, row.source)
                digests = replace(digests, here={**digests.here, "image": here_digest(key, account, "image")})
            tx.imports.put([replace(row, digests=str(digests), image=None)])
        return account, discarded
