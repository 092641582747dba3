"""One batch of an import, in one transaction: compares records with what earlier runs imported, and judges and stores them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import count

from ..domain.account import Account, Address, AddressKind, Username
from ..domain.errors import AlreadyTaken, Conflict
from ..domain.events import EventType
from ..domain.ownership import HOLDS_NOTHING, without
from .import_names import Directory
from .import_records import LAST_ID, ImportCode, ImportDigests, ImportRemark, ReadRecord, here_digest, here_digests, shown
from .operators import Action
from .ownership import opening_addresses
from .ports import AccountNames, Database, Identifiers, ImportedRow, ImportRecord, Transaction, UnreadableRecord


class ImportOutcome(StrEnum):
    """The outcome of a row; the values are stable."""

    IMPORTED = "imported"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REMOVED = "removed_here"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReport:
    """A report on a row, which `place` names for a person and `key` for a program.

    `remarks` are the changes, and `reason` is why it was refused. In a dry run `account_id` is None for new ids.
    """

    place: str
    key: str
    outcome: ImportOutcome
    account_id: int | None = None
    username: str | None = None
    remarks: tuple[ImportRemark, ...] = ()
    reason: str = ""

    @property
    def has_changes(self) -> bool:
        """Returns whether something of the row was changed, left out or kept back."""
        return any(remark.is_change for remark in self.remarks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An import: the name of its source, who started it, and when.

    In a dry run `committed` is the database, which is only read, and transactions are those of a rehearsal.
    """

    source: str
    action: Action
    now: float
    keeps_ids: bool
    digest_key: bytes = field(repr=False)
    identifiers: Identifiers
    deleted_ids: frozenset[int] = frozenset()
    """The ids in the batch whose accounts were deleted here: no id is used again."""
    committed: Database | None = None
    rehearsal_ids: Iterator[int] = field(default_factory=lambda: count(LAST_ID + 1))


@dataclass(slots=True)
class Draft:
    """A row that becomes an account, or changes the one of its `row`; `number` is the account's in the directory."""

    position: int
    read: ReadRecord
    number: int
    row: ImportedRow | None = None
    changed: list[str] = field(default_factory=list)
    """The fields that have changed in the source."""
    applied: list[str] = field(default_factory=list)
    """Those of them that are changed here."""
    remarks: list[ImportRemark] = field(default_factory=list)

    @property
    def record(self) -> ImportRecord:
        return self.read.record

    @property
    def earlier(self) -> ImportDigests:
        return ImportDigests.parse(self.row.digests if self.row else "")

    def remark(self, code: ImportCode, name: str, text: str) -> None:
        self.remarks.append(ImportRemark(code, f"{name} {text}", name))


_ENDS_CODES = frozenset({"email", "mobile", "password", "active"})
_TAKEN = {AddressKind.EMAIL: ImportCode.EMAIL_TAKEN, AddressKind.MOBILE: ImportCode.MOBILE_TAKEN}
_RELEASED = {AddressKind.EMAIL: ImportCode.EMAIL_RELEASED, AddressKind.MOBILE: ImportCode.MOBILE_RELEASED}


class ImportBatch:
    """Stores a batch of records within a transaction, and reports on each."""

    def __init__(self, run: Run, tx: Transaction) -> None:
        self._run = run
        self._tx = tx
        self._stored = StoredRows(tx, run.committed, run.rehearsal_ids)
        self._directory = Directory(self._stored.having, run.identifiers, run.now)
        self._reports: dict[int, RowReport] = {}
        self._drafts: dict[int, Draft] = {}
        """By their numbers: those of new accounts are negative."""
        self._taken_ids: set[int] = set()

    def __call__(self, reads: Sequence[ReadRecord | UnreadableRecord]) -> list[RowReport]:
        """Raises `Conflict` if another transaction has taken a name meanwhile; then nothing may be kept."""
        self._sort(reads)
        self._lock_changed()
        self._directory.load(draft.read for draft in self._drafts.values())
        self._look_up_ids()
        for draft in sorted(self._drafts.values(), key=lambda one: one.position):
            if draft.row is None:
                self._draft_account(draft)
            else:
                self._update(draft)
        self._store_new()
        return [self._reports[position] for position in range(len(reads))]

    def _sort(self, reads: Sequence[ReadRecord | UnreadableRecord]) -> None:
        """Reports on the rows that need no account, and drafts the others."""
        keys = {read.record.key for read in reads if isinstance(read, ReadRecord)}
        rows, places = self._stored.rows(self._run.source, keys), dict[str, str]()
        for position, read in enumerate(reads):
            if isinstance(read, UnreadableRecord):
                report = RowReport(place=read.place, key=read.key, outcome=ImportOutcome.REFUSED, reason=read.reason)
                self._reports[position] = report
                continue
            key, place = read.record.key, read.record.place
            draft = Draft(position, read, -1 - position, rows.get(key))
            earlier = places.setdefault(key, place)
            if earlier != place or read.refusal:
                self._report(draft, ImportOutcome.REFUSED, reason=read.refusal or f"It has the same key as {earlier}.")
            elif draft.row is None:
                self._drafts[draft.number] = draft
            else:
                self._sort_known(draft, draft.row)

    def _sort_known(self, draft: Draft, row: ImportedRow) -> None:
        draft.number = row.account_id
        before = draft.earlier.source
        draft.changed = [name for name, digest in draft.read.digests.items() if digest != before.get(name)]
        if not row.digests:
            self._report(draft, ImportOutcome.REMOVED)
        elif not draft.changed:
            self._report(draft, ImportOutcome.UNCHANGED)
        else:
            self._drafts[draft.number] = draft

    def _lock_changed(self) -> None:
        """Locks the accounts of rows that have changed; ends the codes of those that get other addresses before."""
        changed = {number: draft for number, draft in self._drafts.items() if draft.row is not None}
        ending = [number for number, draft in changed.items() if _ENDS_CODES.intersection(draft.changed)]
        known = self._stored.many(ending)
        self._tx.challenges.revoke([address for account in known for address in opening_addresses(account)])
        for account in self._stored.lock(changed):
            self._directory[account.id] = account
            del changed[account.id]
        for number, draft in changed.items():
            self._report(draft, ImportOutcome.REMOVED)
            del self._drafts[number]

    def _look_up_ids(self) -> None:
        if self._run.keeps_ids:
            ids = [draft.record.id for draft in self._drafts.values() if draft.row is None and draft.record.id is not None]
            self._taken_ids = {account.id for account in self._stored.many(ids)}

    # --- new accounts -------------------------------------------------------------------------------------------------

    def _draft_account(self, draft: Draft) -> None:
        record, read, account_id = draft.record, draft.read, 0
        draft.remarks += read.remarks
        if self._run.keeps_ids and record.id is not None:
            account_id = record.id
            if account_id in self._taken_ids:
                self._refuse(draft, f"The id {account_id} is another account's here; --new-ids gives new ones.")
                return
            if account_id in self._run.deleted_ids:
                self._refuse(draft, f"The id {account_id} was an account's that was deleted here; --new-ids gives new ones.")
                return
        username = self._free_username(draft)
        if username is None:
            self._refuse(draft, f"The username {shown(read.username)} is taken, and so are its variants.")
            return
        self._taken_ids.add(account_id)
        account = Account(
            id=account_id,
            username=username,
            name=read.name,
            email=None,
            password_hash=read.password_hash,
            is_active=record.is_active,
            is_staff=record.is_staff,
            is_superuser=record.is_superuser,
            roles=read.roles,
            created_at=read.created_at,
        )
        self._directory[draft.number] = account
        for kind in AddressKind:
            self._directory[draft.number] = self._with_address(draft, self._directory[draft.number], kind)

    def _refuse(self, draft: Draft, reason: str) -> None:
        del self._drafts[draft.number]
        self._report(draft, ImportOutcome.REFUSED, reason=reason)

    def _store_new(self) -> None:
        drafts = [draft for draft in self._drafts.values() if draft.row is None]
        accounts = self._stored.add([self._directory[draft.number] for draft in drafts])
        rows = []
        for draft, account in zip(drafts, accounts, strict=True):
            rows.append(self._row(draft, account, here_digests(self._run.digest_key, account)))
            self._record(draft, account, "")
            self._report(draft, ImportOutcome.IMPORTED, account)
        self._tx.imports.put(rows)

    # --- accounts of earlier runs -------------------------------------------------------------------------------------

    def _update(self, draft: Draft) -> None:
        """Takes over the changes in the source, but for those of fields that were changed here too."""
        run, before = self._run, self._directory[draft.number]
        draft.remarks += [remark for remark in draft.read.remarks if remark.field in ("", *draft.changed)]
        for name in draft.changed:
            if here_digest(run.digest_key, before, name) == draft.earlier.here.get(name):
                self._apply(draft, name)
            else:
                draft.remark(ImportCode.KEPT, name, "has changed in the source and here: the value here was kept")
        after = self._directory[draft.number]
        if after != before:
            self._stored.save(after)
            if after.password_hash != before.password_hash or (before.is_active and not after.is_active):
                self._tx.sessions.revoke_all(after.id, run.now)
            self._record(draft, after, f" updated:{','.join(draft.applied)}")
        here = {**draft.earlier.here, **{name: here_digest(run.digest_key, after, name) for name in draft.applied}}
        self._tx.imports.put([self._row(draft, after, here)])
        wants_image = "image" in draft.changed and draft.record.image is not None
        is_updated = after != before or wants_image
        self._report(draft, ImportOutcome.UPDATED if is_updated else ImportOutcome.UNCHANGED, after)

    def _apply(self, draft: Draft, name: str) -> None:
        before = self._directory[draft.number]
        if name in ("active", "roles") and before.is_superuser and not (draft.record.is_active and draft.record.is_superuser):
            draft.remark(ImportCode.KEPT, name, "has changed in the source: an import takes no rights from a superuser")
            return
        after = self._changed(draft, before, name)
        if after != before:
            self._directory[draft.number] = after
            draft.applied.append(name)

    def _changed(self, draft: Draft, account: Account, name: str) -> Account:  # noqa: PLR0911 — one for each field
        record, read = draft.record, draft.read
        match name:
            case "username":
                return replace(account, username=self._free_username(draft) or account.username)
            case "name":
                return replace(account, name=read.name)
            case "email" | "mobile":
                return self._with_address(draft, account, AddressKind(name))
            case "password":
                return replace(account, password_hash=read.password_hash)
            case "created":
                return replace(account, created_at=read.created_at)
            case "active":
                return replace(account, is_active=record.is_active)
            case "roles":
                return replace(account, roles=read.roles, is_staff=record.is_staff, is_superuser=record.is_superuser)
            case _:  # the image, which the second pass takes over
                return account

    # --- names --------------------------------------------------------------------------------------------------------

    def _free_username(self, draft: Draft) -> Username | None:
        text = draft.read.username
        username, holder = self._directory.free_username(text, draft.record.key, draft.number)
        if username is not None and holder is not None:
            said = f"{shown(text)}: {self._described(holder)} has it, so it is {shown(username.text)} here"
            draft.remark(ImportCode.USERNAME_CHANGED, "username", said)
        return username

    def _with_address(self, draft: Draft, account: Account, kind: AddressKind) -> Account:
        """The account with the address of that kind that the record has, if it is free or can be had."""
        address = draft.read.email if kind is AddressKind.EMAIL else draft.read.mobile
        if address is not None and not self._obtain(draft, address):
            address = None
        return _with_address(account, kind, address, is_verified=address is not None and draft.read.is_verified(kind))

    def _obtain(self, draft: Draft, address: Address) -> bool:
        """Takes a verified address from accounts on which it is unverified. Returns False if another account keeps it."""
        while (holder := self._directory.holder(address, draft.number)) is not None:
            number, state = holder
            if not draft.read.is_verified(address.kind) or state not in HOLDS_NOTHING or self._is_bound(number, address):
                said = f"{shown(address.text)}: left out, because {self._described(number)} has it"
                draft.remark(_TAKEN[address.kind], address.kind, said)
                return False
            self._release(draft, number, address)
        return True

    def _is_bound(self, number: int, address: Address) -> bool:
        """Returns whether the address cannot leave the account, because it is its username as well."""
        before = self._directory[number]
        if number < 0 or address.kind is AddressKind.EMAIL:
            return before.username.canonical in (address.canonical, address.text)
        return self._directory.is_taken(without(before, address.kind).username.text, number)

    def _release(self, draft: Draft, number: int, address: Address) -> None:
        kind = address.kind
        if number < 0:
            self._directory[number] = _with_address(self._directory[number], kind, None, is_verified=False)
            said = f"{shown(address.text)}: left out, because {draft.record.place} has it verified"
            self._drafts[number].remark(_TAKEN[kind], kind, said)
            return
        (locked,) = self._stored.lock([number])
        self._directory[number] = after = without(locked, kind)
        self._stored.save(after)
        self._run.action.record(self._tx, EventType.ADDRESS_RELEASED, self._run.now, after, kind)
        said = f"{shown(address.text)}: account {number} had it unverified, and has lost it"
        draft.remark(_RELEASED[kind], kind, said)

    def _described(self, number: int) -> str:
        return f"account {number}" if 0 < number <= LAST_ID else self._place(number)

    def _place(self, number: int) -> str:
        return self._drafts[number].record.place if number in self._drafts else "an earlier row"

    # --- reports ------------------------------------------------------------------------------------------------------

    def _row(self, draft: Draft, account: Account, here: Mapping[str, str]) -> ImportedRow:
        is_current = draft.row is not None and "image" not in draft.changed
        return ImportedRow(
            source=self._run.source,
            key=draft.record.key,
            account_id=account.id,
            digests=str(ImportDigests(draft.read.digests, here)),
            imported_at=self._run.now,
            image=draft.row.image if draft.row and is_current else draft.record.image,
        )

    def _record(self, draft: Draft, account: Account, detail: str) -> None:
        """Records the codes of the remarks too: a process that is killed after the commit reports on nothing."""
        codes = "".join(f" {code}" for code in sorted({remark.code for remark in draft.remarks}))
        self._run.action.record(self._tx, EventType.IMPORTED, self._run.now, account, f"{self._run.source}{detail}{codes}")

    def _report(self, draft: Draft, outcome: ImportOutcome, account: Account | None = None, *, reason: str = "") -> None:
        account_id = account.id if account else draft.number
        self._reports[draft.position] = RowReport(
            place=draft.record.place,
            key=draft.record.key,
            outcome=outcome,
            account_id=account_id if 0 < account_id <= LAST_ID else None,
            username=account.username.text if account else None,
            remarks=tuple(draft.remarks),
            reason=reason,
        )


_NO_IDS: Iterator[int] = iter(())


def _with_address(account: Account, kind: AddressKind, address: Address | None, *, is_verified: bool) -> Account:
    ever_verified = account.ever_verified or is_verified
    if kind is AddressKind.EMAIL:
        return replace(account, email=address, email_verified=is_verified, ever_verified=ever_verified)
    return replace(account, mobile=address, mobile_verified=is_verified, ever_verified=ever_verified)


class StoredRows:
    """The stored rows: in a dry run the committed ones, where the rehearsal has not changed them."""

    def __init__(self, tx: Transaction, committed: Database | None, rehearsal_ids: Iterator[int] = _NO_IDS) -> None:
        self._tx = tx
        self._committed = committed
        self._rehearsal_ids = rehearsal_ids

    def rows(self, source: str, keys: Collection[str]) -> Mapping[str, ImportedRow]:
        rows = self._tx.imports.find(source, keys)
        return rows if self._committed is None else {**self._committed.imports.find(source, keys), **rows}

    def having(self, names: AccountNames) -> Sequence[Account]:
        found = self._tx.accounts.having(names)
        if self._committed is None:
            return found
        return [*found, *self._current(self._committed.accounts.having(names))]

    def many(self, ids: Sequence[int]) -> Sequence[Account]:
        return self._tx.accounts.many(ids) if self._committed is None else self._current(self._committed.accounts.many(ids))

    def lock(self, ids: Collection[int]) -> Sequence[Account]:
        if self._committed is not None:
            rehearsed = {account.id for account in self._tx.accounts.many(list(ids))}
            missing = [account_id for account_id in ids if account_id not in rehearsed]
            self._tx.accounts.add_many(self._committed.accounts.many(missing))
        return self._tx.accounts.lock_many(ids)

    def add(self, accounts: Sequence[Account]) -> Sequence[Account]:
        if self._committed is not None:
            accounts = [account if account.id else replace(account, id=next(self._rehearsal_ids)) for account in accounts]
        return self._tx.accounts.add_many(accounts)

    def save(self, account: Account) -> None:
        try:
            self._tx.accounts.save(account)
        except AlreadyTaken:  # by another transaction, since the names were looked up
            raise Conflict from None

    def _current(self, accounts: Sequence[Account]) -> list[Account]:
        rehearsed = {account.id: account for account in self._tx.accounts.many([account.id for account in accounts])}
        return [rehearsed.get(account.id, account) for account in accounts]
