"""Reads the mobiles of all accounts again, as they were written, with another region, in one transaction."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, update

from ...domain.account import Account, Address, AddressKind
from ...domain.errors import Unavailable
from ...domain.events import EventType
from .accounts import COLUMNS, account_of, recovery_json
from .migration import SchemaTooNew, SchemaTooOld, migrating, require_head, transaction
from .mobile_region import MOBILE_REGION_ID, region_name
from .schema import accounts, audit_log, challenges, invitations, mobile_region, proofs
from .sql import upsert
from .sqlite_connection import READ_PRAGMAS, connect

_BATCH = 1000
_LOCKED = (accounts, challenges, proofs, invitations, mobile_region)

Read = Callable[[str], Address | None]
"""Reads a mobile as written; None if it has no form."""

OnProgress = Callable[[int, int], None]
"""Called with the number of accounts so far and their total."""

_has_mobile = or_(accounts.c.mobile.is_not(None), accounts.c.recovery.is_not(None))
_BATCH_OF_ACCOUNTS = (
    select(*COLUMNS).where(_has_mobile, accounts.c.id > bindparam("after")).order_by(accounts.c.id).limit(_BATCH)
)
_COUNT = select(func.count()).select_from(accounts).where(_has_mobile)
_by_id = accounts.c.id == bindparam("account_id")
_CLEAR = update(accounts).where(_by_id).values(canonical_mobile=None)
_SET = (
    update(accounts)
    .where(_by_id)
    .values(
        canonical_mobile=bindparam("mobile_key"), recovery_mobile=bindparam("recovery_key"), recovery=bindparam("recovery_text")
    )
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


def rekey(url: str, region: str, read: Read, now: float, on_progress: OnProgress, *, dry_run: bool) -> Rekeyed:
    """Gives every mobile the canonical form that `read` finds, and keeps `region`; with `dry_run` it only reports.

    Ends the codes of mobiles and their proofs, and the invitations to mobiles whose form changes. The servers must be
    stopped: on PostgreSQL it refuses while one is connected. Raises `CannotRekey`.
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
                _switch(connection, survey, report, now)
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
    """Reads the accounts in batches, and finds the obstacles."""

    def __init__(self, connection: Connection, read: Read, now: float) -> None:
        self._connection = connection
        self._read = read
        self._now = now
        self._holders: dict[str, tuple[int, str]] = {}
        self._shared: dict[str, list[tuple[int, str]]] = {}
        self._without_form: list[Obstacle] = []

    def report(self, region: str, on_progress: OnProgress) -> Rekeyed:
        connection = self._connection
        total, done, changed = connection.scalar(_COUNT) or 0, 0, 0
        on_progress(0, total)
        for batch in self._batches():
            for account in batch:
                changed += self.rekeyed(account) != account
                self._note(account)
            self._note_usernames(batch)
            done += len(batch)
            on_progress(done, total)
        shared = (Obstacle(canonical, tuple(holders)) for canonical, holders in self._shared.items())
        kept = connection.scalar(select(mobile_region.c.region)) or ""
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
        for address in _held(account, self._now):
            if self._read(address.text) is None:
                continue
            canonical = self._again(address).canonical
            first = self._holders.setdefault(canonical, (account.id, address.text))
            if first[0] != account.id:
                self._add_shared(canonical, first, (account.id, address.text))

    def _note_usernames(self, batch: Iterable[Account]) -> None:
        """Usernames and addresses share one space of names: a number must not become the username of another account."""
        numbers = {
            self._again(address).canonical: (account.id, address.text)
            for account in batch
            for address in _held(account, self._now)
        }
        found = select(accounts.c.id, accounts.c.username, accounts.c.canonical_username)
        for start in range(0, len(numbers), _BATCH):
            some = list(numbers)[start : start + _BATCH]
            for account_id, username, canonical in self._connection.execute(
                found.where(accounts.c.canonical_username.in_(some))
            ):
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


def _switch(connection: Connection, survey: _Survey, report: Rekeyed, now: float) -> None:
    """Writes what the survey has found."""
    _end_codes(connection, survey)
    changes = list(survey.changes())
    for changed in changes:  # all of them first: a new key may be what another account has until then
        connection.execute(_CLEAR, [{"account_id": account.id} for account in changed])
    for changed in changes:
        connection.execute(_SET, [_values(account) for account in changed])
    connection.execute(upsert(mobile_region), {"id": MOBILE_REGION_ID, "region": report.region})
    detail = f"{report.changed} of {report.accounts} from {region_name(report.kept)} to {region_name(report.region)}"
    connection.execute(insert(audit_log), {"occurred_at": now, "type": EventType.MOBILES_REKEYED.value, "detail": detail})


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
    rows = select(invitations.c.id, invitations.c.address, invitations.c.canonical_address)
    for invitation_id, text, canonical in connection.execute(
        rows.where(invitations.c.address_kind == AddressKind.MOBILE.value)
    ).fetchall():
        if survey.changes_form(Address(AddressKind.MOBILE, text, canonical)):
            connection.execute(delete(invitations).where(invitations.c.id == invitation_id))
    connection.execute(delete(proofs).where(proofs.c.address_kind == AddressKind.MOBILE.value))
    connection.execute(
        delete(challenges).where(
            or_(challenges.c.address_kind == AddressKind.MOBILE.value, challenges.c.on_behalf_of.is_not(None))
        )
    )
