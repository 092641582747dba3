"""Reads the mobiles of all accounts again, as they were written, with another region, in one transaction."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, Text, bindparam, delete, func, insert, or_, select, update

from ...domain.account import Account, Address, AddressKind
from ...domain.errors import Unavailable
from ...domain.events import EventType
from .accounts import COLUMNS, account_of, recovery_json
from .migration import SchemaTooNew, SchemaTooOld, migrating, require_head, transaction
from .mobile_region import KEEP, MOBILE_REGION_ID, REGION, region_name
from .schema import accounts, audit_log, challenges, invitations, mobile_region, proofs
from .sqlite_connection import READ_PRAGMAS, connect

_BATCH = 1000
_MANY = 500
_LOCKED = (accounts, challenges, proofs, invitations, mobile_region)

Read = Callable[[str], Address | None]
"""Reads a mobile as written; None if it has no form."""

OnProgress = Callable[[str, int, int], None]
"""Called with the step (`read`, `freed` or `written`), the number of accounts so far and their total."""

_has_mobile = or_(accounts.c.mobile.is_not(None), accounts.c.recovery.is_not(None))
_BATCH_OF_ACCOUNTS = (
    select(*COLUMNS).where(_has_mobile, accounts.c.id > bindparam("after")).order_by(accounts.c.id).limit(_BATCH)
)
_COUNT = select(func.count()).select_from(accounts).where(_has_mobile)
_by_id = accounts.c.id == bindparam("account_id")
_SET_ASIDE = update(accounts).where(_by_id).values(canonical_mobile=accounts.c.canonical_mobile + "?")
"""Frees the key of a mobile for another account, and leaves one that no mobile has."""

_SET = (
    update(accounts)
    .where(_by_id)
    .values(
        canonical_mobile=bindparam("mobile_key"), recovery_mobile=bindparam("recovery_key"), recovery=bindparam("recovery_text")
    )
)
_USERNAMES = select(accounts.c.id, accounts.c.username, accounts.c.canonical_username).where(
    accounts.c.canonical_username.in_([bindparam(f"name{number}", type_=Text) for number in range(_MANY)])
)
_BATCH_OF_INVITATIONS = (
    select(invitations.c.canonical_address, invitations.c.address, invitations.c.id)
    .where(invitations.c.address_kind == AddressKind.MOBILE.value, invitations.c.canonical_address > bindparam("after"))
    .order_by(invitations.c.canonical_address)
    .limit(_BATCH)
)
_DELETE_INVITATION = delete(invitations).where(invitations.c.id == bindparam("invitation_id"))
_DELETE_PROOFS = delete(proofs).where(proofs.c.address_kind == AddressKind.MOBILE.value)
_DELETE_CHALLENGES = delete(challenges).where(
    or_(challenges.c.address_kind == AddressKind.MOBILE.value, challenges.c.on_behalf_of.is_not(None))
)


class CannotRekey(ValueError):
    """The database cannot be re-keyed, and is unchanged; the text is one line with the reason."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A reason why accounts cannot be re-keyed. Each account is named with its number, or username, as written.

    `canonical` is the form under the new region that they would share; None for a number that has no form there.
    """

    canonical: str | None
    holders: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """The numbers of accounts with a mobile and of those whose mobile has another key now, and the obstacles.

    `kept` and `region` are the regions before and after, "" for none. With obstacles nothing has been changed.
    """

    kept: str
    region: str
    accounts: int
    changed: int
    obstacles: tuple[Obstacle, ...]


def rekey(url: str, region: str, read: Read, now: float, on_progress: OnProgress, *, actor: str, dry_run: bool) -> Rekeyed:
    """Gives every mobile the canonical form that `read` finds, and keeps `region`; with `dry_run` it only reports.

    Ends the codes of mobiles and their proofs, and the invitations to mobiles whose form changes. The servers must be
    stopped: on PostgreSQL it refuses while one is connected. `actor` is for the audit log. Raises `CannotRekey`.
    """
    try:
        with _reading(url) if dry_run else migrating(url) as connection:
            try:
                require_head(connection)
            except (SchemaTooNew, SchemaTooOld) as refusal:
                raise CannotRekey(str(refusal)) from None
            if not dry_run:
                _lock(connection)
            survey = _Survey(connection, read, now)
            report = survey.report(region, on_progress)
            if not dry_run and not report.obstacles:
                _switch(connection, survey, report, now, actor, on_progress)
            return report
    except Unavailable as fault:
        reason = str(fault.__cause__ or "no response").partition("\n")[0]
        raise CannotRekey(f"The database is unavailable ({reason}).") from fault


def _reading(url: str) -> Any:
    return transaction(
        url,
        partial(connect, settings=READ_PRAGMAS),
        sqlite_begin="BEGIN",
        postgres_begin="SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    )


def _lock(connection: Connection) -> None:
    """Locks out writers. On SQLite the transaction has the write lock already."""
    if connection.dialect.name != "postgresql":
        return
    others = connection.exec_driver_sql(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'vestibule' AND pid <> pg_backend_pid()"
    ).scalar_one()
    if others:
        raise CannotRekey("A server is connected to the database: stop all servers and `vestibule deliver` first.")
    names = ", ".join(connection.dialect.identifier_preparer.format_table(table) for table in _LOCKED)
    connection.exec_driver_sql(f"LOCK TABLE {names} IN EXCLUSIVE MODE")


class _Survey:
    """Reads the accounts in batches, and finds the obstacles. It keeps a hash of each mobile, and the holders of obstacles."""

    def __init__(self, connection: Connection, read: Read, now: float) -> None:
        self._connection = connection
        self._read = read
        self._now = now
        self._hashes: set[int] = set()
        self._repeated: set[int] = set()
        self._shared: dict[str, list[tuple[int, str]]] = {}
        self._without_form: list[Obstacle] = []

    def report(self, region: str, on_progress: OnProgress) -> Rekeyed:
        connection = self._connection
        total, done, changed = connection.scalar(_COUNT) or 0, 0, 0
        on_progress("read", 0, total)
        for batch in self._batches():
            for account in batch:
                changed += self.rekeyed(account) != account
                self._note(account)
            self._note_usernames(batch)
            done += len(batch)
            on_progress("read", done, total)
        if self._repeated:
            self._find_shared()
        shared = (Obstacle(canonical, tuple(holders)) for canonical, holders in sorted(self._shared.items()))
        kept = connection.scalar(REGION) or ""
        return Rekeyed(kept, region, total, changed, (*self._without_form, *shared))

    def changes(self) -> Iterator[list[Account]]:
        """Yields the accounts that change, as they are after the change, in batches."""
        for batch in self._batches():
            if changed := [after for account in batch if (after := self.rekeyed(account)) != account]:
                yield changed

    def rekeyed(self, account: Account) -> Account:
        return replace(
            account,
            mobile=account.mobile and self._again(account.mobile),
            recovery_addresses=tuple(
                replace(kept, address=self._again(kept.address), other=kept.other and self._again(kept.other))
                for kept in account.recovery_addresses
            ),
        )

    def changes_form(self, address: Address) -> bool:
        return self._again(address) != address or self._read(address.text) is None

    def _batches(self) -> Iterator[list[Account]]:
        after = 0
        while rows := self._connection.execute(_BATCH_OF_ACCOUNTS, {"after": after}).fetchall():
            yield [account_of(tuple(row)) for row in rows]
            after = rows[-1][0]

    def _again(self, address: Address) -> Address:
        """The address under the new region; as it was if it is an email, or has no form, which `_note` reports."""
        if address.kind is AddressKind.EMAIL:
            return address
        found = self._read(address.text)
        return address if found is None else replace(address, canonical=found.canonical)

    def _note(self, account: Account) -> None:
        mobiles = {address.text: address for address in _mobiles(account)}
        for text in mobiles:
            if self._read(text) is None:
                self._without_form.append(Obstacle(None, ((account.id, text),)))
        hashes = set(map(hash, self._claims(account)))
        self._repeated |= hashes & self._hashes
        self._hashes |= hashes

    def _claims(self, account: Account) -> dict[str, str]:
        """The numbers that only this account may have, each with its text as written."""
        addresses = [address for address in _held(account, self._now) if self._read(address.text) is not None]
        return {self._again(address).canonical: address.text for address in addresses}

    def _find_shared(self) -> None:
        """Reads the accounts again, for the holders of each number whose hash was found twice."""
        first: dict[str, tuple[int, str]] = {}
        for batch in self._batches():
            for account in batch:
                for canonical, text in self._claims(account).items():
                    if hash(canonical) in self._repeated:
                        holder = (account.id, text)
                        if (other := first.setdefault(canonical, holder)) != holder:
                            self._add_shared(canonical, other, holder)

    def _note_usernames(self, batch: Iterable[Account]) -> None:
        """Usernames and addresses share one space of names: a number must not become the username of another account."""
        numbers = {
            self._again(address).canonical: (account.id, address.text)
            for account in batch
            for address in _held(account, self._now)
        }
        names = list(numbers)
        for start in range(0, len(names), _MANY):
            some = names[start : start + _MANY]
            padded = {f"name{number}": some[min(number, len(some) - 1)] for number in range(_MANY)}
            for account_id, username, canonical in self._connection.execute(_USERNAMES, padded):
                if account_id != numbers[canonical][0]:
                    self._add_shared(canonical, numbers[canonical], (account_id, username))

    def _add_shared(self, canonical: str, *holders: tuple[int, str]) -> None:
        known = self._shared.setdefault(canonical, [])
        known.extend(holder for holder in holders if holder not in known)


def _mobiles(account: Account) -> Iterator[Address]:
    """Every mobile of the account, also those that its recovery would bring back."""
    addresses = [account.mobile]
    for kept in account.recovery_addresses:
        addresses += [kept.address, kept.other]
    return (address for address in addresses if address is not None and address.kind is AddressKind.MOBILE)


def _held(account: Account, now: float) -> Iterator[Address]:
    """The mobiles that no other account may have."""
    if account.mobile is not None:
        yield account.mobile
    kept = account.recovery_address(AddressKind.MOBILE)
    if kept is not None and (kept.expires_at is None or now < kept.expires_at):
        yield kept.address


def _switch(connection: Connection, survey: _Survey, report: Rekeyed, now: float, actor: str, on_progress: OnProgress) -> None:
    """Writes what the survey has found, reading the accounts twice more: a million changes are not kept in memory."""
    _end_codes(connection, survey)
    free = ("freed", _SET_ASIDE, lambda account: {"account_id": account.id})  # a new key may be what another account has
    for step, statement, values in (free, ("written", _SET, _values)):
        done = 0
        for changed in survey.changes():
            connection.execute(statement, [values(account) for account in changed])
            done += len(changed)
            on_progress(step, done, report.changed)
    connection.execute(KEEP, {"id": MOBILE_REGION_ID, "region": report.region})
    detail = f"{report.changed} of {report.accounts} from {region_name(report.kept)} to {region_name(report.region)}"
    event = {"occurred_at": now, "type": EventType.MOBILES_REKEYED.value, "detail": detail, "actor": actor}
    connection.execute(insert(audit_log), event)


def _values(account: Account) -> dict[str, object]:
    kept = account.recovery_address(AddressKind.MOBILE)
    return {
        "account_id": account.id,
        "mobile_key": account.mobile and account.mobile.canonical,
        "recovery_key": kept and kept.address.canonical,
        "recovery_text": recovery_json(account.recovery_addresses) if account.recovery_addresses else None,
    }


def _end_codes(connection: Connection, survey: _Survey) -> None:
    """Ends the codes and proofs of mobiles, and the companion mails of their codes: delivery drops those that wait."""
    after = ""
    while rows := connection.execute(_BATCH_OF_INVITATIONS, {"after": after}).fetchall():
        for canonical, text, invitation_id in rows:
            if survey.changes_form(Address(AddressKind.MOBILE, text, canonical)):
                connection.execute(_DELETE_INVITATION, {"invitation_id": invitation_id})
        after = rows[-1][0]
    connection.execute(_DELETE_PROOFS)
    connection.execute(_DELETE_CHALLENGES)
