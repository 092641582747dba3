"""The commands of `vestibule accounts` that change an account, or hand out everything that is kept about it."""

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from .common import echo, members_of, new_file, operator, print_document, printable, progress_bars, stop, use_cases
from .times import AHEAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from ...application import Account
    from ..facade import Vestibule

_reason = click.option("--reason", help="The reason, for the audit log.")
_json = click.option("--json", "as_json", is_flag=True, help="Print the result as a JSON object.")
_account = click.argument("account")


@click.command()
@_account
@click.option("--username", help="The new username.")
@click.option("--name", help="The new name.")
@click.option("--email", help="The new email.")
@click.option("--mobile", help="The new mobile.")
@click.option("--no-mobile", is_flag=True, help="Remove the mobile.")
@click.option("--vouch", is_flag=True, help="You know that the given email and mobile are the owner's: they become verified.")
@_reason
@_json
def edit(
    account: str,
    *,
    username: str | None,
    name: str | None,
    email: str | None,
    mobile: str | None,
    no_mobile: bool,
    vouch: bool,
    reason: str | None,
    as_json: bool,
) -> None:
    """Change the username, name, email or mobile of an account.

    A new address is unverified, and the verified one that it replaces recovers the account for some days. With --vouch it is
    verified, leaves an account on which it is unverified, and the replaced one opens nothing any more: so the address of a
    stolen account is put back. The addresses are notified.

    \b
    vestibule accounts edit 17 --name "Ada Lovelace"
    vestibule accounts edit ada --email ada@example.org --vouch --reason "stolen, seen at the desk"
    """
    from ...application import MISSING

    if no_mobile and mobile is not None:
        raise click.UsageError("Use --mobile or --no-mobile.")
    if not no_mobile and all(value is None for value in (username, name, email, mobile)):
        raise click.UsageError("Name a change: --username, --name, --email, --mobile or --no-mobile.")
    with _account_of(account) as (vestibule, found):
        changed = vestibule.edit_account(
            **_by(found, reason),
            username=username,
            name=name,
            email=email,
            mobile=None if no_mobile else mobile or MISSING,
            vouches=vouch,
        )
        _print(vestibule, changed, "is unchanged" if changed == found else "is changed", as_json=as_json)


@click.command()
@_account
@click.option("--reason", required=True, help="The reason, for the audit log and for `accounts show`.")
@click.option("--until", type=AHEAD, help="The end: 7d, 12h, 2026-12-24, 2026-12-24T16:05.  [default: until reinstated]")
@click.option("--tell-reason", is_flag=True, help="Tell the owner the reason.")
@click.option("--no-notice", is_flag=True, help="Do not notify the owner.")
@_json
def suspend(account: str, *, reason: str, until: float | None, tell_reason: bool, no_notice: bool, as_json: bool) -> None:
    """Suspend an account: its sessions and codes end, and no login is possible until it is over.

    \b
    vestibule accounts suspend ada --until 7d --reason "spam"
    """
    if tell_reason and no_notice:
        raise click.UsageError("Use --tell-reason or --no-notice.")
    with _account_of(account) as (vestibule, found):
        changed = vestibule.suspend_account(**_by(found, reason), until=until, notifies=not no_notice, tells_reason=tell_reason)
        _print(vestibule, changed, "is suspended", as_json=as_json)


@click.command()
@_account
@_reason
@_json
def reinstate(account: str, *, reason: str | None, as_json: bool) -> None:
    """End the suspension or the deactivation of an account, and notify its owner.

    \b
    vestibule accounts reinstate ada
    """
    with _account_of(account) as (vestibule, found):
        _print(vestibule, vestibule.reinstate(**_by(found, reason)), "is active", as_json=as_json)


@click.command()
@_account
@_reason
@_json
def unlock(account: str, *, reason: str | None, as_json: bool) -> None:
    """Lift the limits that keep the owner of an account out: failed logins, wrong codes, codes asked for.

    Limits of whole networks stay; `accounts show` lists those of the account.

    \b
    vestibule accounts unlock ada
    """
    with _account_of(account) as (vestibule, found):
        _print_detail(
            found, f"Limits that were in force and are lifted: {vestibule.unlock_account(**_by(found, reason))}.", as_json
        )


@click.command("sign-out")
@_account
@_reason
@_json
def sign_out(account: str, *, reason: str | None, as_json: bool) -> None:
    """End every session of an account.

    Services that check tokens offline learn of it within the life of an access token.

    \b
    vestibule accounts sign-out ada --reason "lost phone"
    """
    with _account_of(account) as (vestibule, found):
        _print_detail(found, f"Sessions that are ended: {vestibule.sign_out(**_by(found, reason))}.", as_json)


@click.command()
@_account
@click.option("--staff/--no-staff", "is_staff", default=None, help="Give or take the flag of staff.")
@click.option("--superuser/--no-superuser", "is_superuser", default=None, help="Give or take the flag of superusers.")
@click.option("--roles", metavar="NAMES", help="All roles, separated by commas; none if it is empty.")
@_reason
@_json
def roles(
    account: str, *, is_staff: bool | None, is_superuser: bool | None, roles: str | None, reason: str | None, as_json: bool
) -> None:
    """Set the flags of an account, and its roles, which access tokens can carry.

    The last superuser stays one. Tokens have the roles from the next refresh on.

    \b
    vestibule accounts roles ada --staff --roles editor,support
    vestibule accounts roles ada --no-superuser --roles ""
    """
    if is_staff is None and is_superuser is None and roles is None:
        raise click.UsageError("Name a change: --staff, --superuser or --roles.")
    names = None if roles is None else [name for name in roles.split(",") if name.strip()]
    with _account_of(account) as (vestibule, found):
        changed = vestibule.set_roles(**_by(found, reason), is_staff=is_staff, is_superuser=is_superuser, roles=names)
        flag = "superuser" if changed.is_superuser else "staff" if changed.is_staff else "neither staff nor superuser"
        given = f", with the roles {', '.join(changed.roles)}" if changed.roles else ""
        _print(vestibule, changed, f"is {flag}{given}", as_json=as_json)


@click.command("send-reset")
@_account
@_reason
@_json
def send_reset(account: str, *, reason: str | None, as_json: bool) -> None:
    """Send a code to the email of an account, with which its owner sets a new password.

    \b
    vestibule accounts send-reset ada
    """
    with _account_of(account) as (vestibule, found):
        vestibule.send_reset(**_by(found, reason))
        _print_detail(found, "A code is sent to its email.", as_json)


@click.command()
@click.argument("address")
@_reason
@_json
def release(address: str, *, reason: str | None, as_json: bool) -> None:
    """Free an unverified email or mobile: it leaves the account that has it.

    The owner of that account is notified at its verified address. A verified address cannot be freed; `edit --vouch` replaces
    one.

    \b
    vestibule accounts release ada@example.com
    """
    with use_cases() as vestibule:
        account = vestibule.release_address(address=address, operator=operator(), reason=reason)
        _print(vestibule, account, "has that address no longer", as_json=as_json)


@click.command()
@_account
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--reason", help="The reason. It stays in the audit log, and should name no person.")
def remove(account: str, *, yes: bool, reason: str | None) -> None:
    """Delete an account at once, with everything that is kept about it. This cannot be undone.

    The audit log keeps types, times and the account's id alone. `accounts export` makes a copy of everything before.

    \b
    vestibule accounts remove ada --reason "asked by letter"
    """
    with _account_of(account) as (vestibule, found):
        if not yes:
            _confirm(found)
        with progress_bars() as progress:
            progress.add_task("Removing", total=None)
            vestibule.remove_account(**_by(found, reason))
    echo(f"Account {found.id}, {found.username.text}, is removed.")


def _confirm(account: "Account") -> None:
    """Asks on a terminal. Ends the command without one."""
    if not sys.stdin.isatty():
        stop("there is no terminal to ask for a confirmation: use --yes")
    addresses = ", ".join(address.text for address in account.addresses) or "no address"
    click.confirm(
        printable(f"Remove account {account.id}, {account.username.text} ({account.name}, {addresses}), for ever?"),
        abort=True,
        err=True,
    )


@click.command()
@_account
@click.option("--output", metavar="FILE", help="The file to make; - is standard output.  [default: account-<id>.zip]")
@_reason
def export(account: str, *, output: str | None, reason: str | None) -> None:
    """Write everything that is kept about an account into a zip of JSON files and the image.

    Its owner is notified. The file is private to you, and replaces none.

    \b
    vestibule accounts export ada --output ada.zip
    """
    if output == "-" and sys.stdout.isatty():
        raise click.UsageError("The export is a zip: redirect the standard output, or name a file.")
    with _account_of(account) as (vestibule, found):
        target = output or f"account-{found.id}.zip"
        with new_file(target) as file:
            _write(vestibule.export_any_account(**_by(found, reason)), file)
    if target != "-":
        echo(f"Account {found.id}, {found.username.text}, is exported to {target}.")


def _write(pieces: "Iterable[bytes]", file: "BinaryIO") -> None:
    with progress_bars() as progress:
        task = progress.add_task("Exporting", total=None)
        for piece in pieces:
            file.write(piece)
            progress.advance(task, len(piece))


@contextmanager
def _account_of(identifier: str) -> "Iterator[tuple[Vestibule, Account]]":
    with use_cases() as vestibule:
        yield vestibule, vestibule.identify_account(operator=operator(), identifier=identifier)


def _by(account: "Account", reason: str | None) -> dict[str, Any]:
    """Returns the common arguments of changes."""
    return {"operator": operator(), "account_id": account.id, "reason": reason}


def _print(vestibule: "Vestibule", account: "Account", result: str, *, as_json: bool) -> None:
    from ..administration_responses import managed_account
    from .account_tables import minute

    members = members_of(managed_account(account, vestibule.settings, vestibule.clock()))
    if as_json:
        print_document(members)
        return
    until = f" until {minute(members['suspended_until'])} UTC" if members["suspended_until"] else ""
    echo(f"Account {account.id}, {account.username.text}, {result}{until}.")


def _print_detail(account: "Account", detail: str, as_json: bool) -> None:
    if as_json:
        print_document({"detail": detail})
    else:
        echo(f"Account {account.id}, {account.username.text}: {detail}")


CHANGES = (edit, suspend, reinstate, unlock, sign_out, roles, send_reset, release, remove, export)
