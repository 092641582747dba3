"""`vestibule invite`, and the group `invitations`."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from .common import (
    CommandGroup,
    DashArgumentCommand,
    broken_pipe_ignored,
    echo,
    new_table,
    operator,
    print_json,
    printable,
    use_cases,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...application import Invitation


@click.command()
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 365), help="Days for which it is valid.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def invite(addresses: tuple[str, ...], days: int, as_json: bool) -> None:
    """Send invitations to emails and mobiles; a registration with one is verified.

    An invitation is valid once, for its address alone. Inviting again sends a new one, and the earlier one is worth nothing
    then. Exit code 1 if some of the addresses were not invited.

    \b
    vestibule invite ada@example.com "+44 20 7946 0958"
    """
    with use_cases() as vestibule:
        actor = operator().actor
        _each(addresses, lambda address: vestibule.invite(address=address, days=days, actor=actor), "Invited", as_json=as_json)


@click.group(cls=CommandGroup)
def invitations() -> None:
    """List and revoke invitations."""


@invitations.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def list_invitations(as_json: bool) -> None:
    """List the open invitations, in the order of their addresses. No token is shown: none is stored.

    \b
    vestibule invitations list
    """
    with broken_pipe_ignored(), use_cases() as vestibule:
        found = vestibule.list_invitations()
        if as_json:
            for invitation in found:
                print_json(_row(invitation))
        else:
            _print_table(found)


@invitations.command(cls=DashArgumentCommand)
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
def revoke(addresses: tuple[str, ...]) -> None:
    """End the open invitations of these emails and mobiles. Exit code 1 if some of them have none.

    \b
    vestibule invitations revoke ada@example.com
    """
    with use_cases() as vestibule:
        actor = operator().actor
        _each(addresses, lambda address: vestibule.revoke_invitation(address=address, actor=actor), "Revoked", as_json=False)


def _each(addresses: "Iterable[str]", call: "Callable[[str], Invitation]", done: str, *, as_json: bool) -> None:
    """Makes the call for each address; one that is refused stops no other. Exits with 1 if there was one."""
    from ...application import InvalidInput, NoSuchInvitation, RateLimited

    failed = False
    for address in addresses:
        try:
            invitation = call(address)
        except InvalidInput as refusal:
            failed = True
            echo(f"{address}: {' '.join(message for messages in refusal.errors.values() for message in messages)}", err=True)
        except (NoSuchInvitation, RateLimited) as refusal:
            failed = True
            echo(f"{address}: {refusal.detail}", err=True)
        else:
            if as_json:
                print_json(_row(invitation))
            else:
                echo(f"{done}: {invitation.address.text}, valid until {_time(invitation.expires_at)}.")
    if failed:
        sys.exit(1)


def _row(invitation: "Invitation") -> dict[str, object]:
    return {
        "address": invitation.address.text,
        "kind": invitation.address.kind.value,
        "invited_at": _time(invitation.invited_at),
        "expires_at": _time(invitation.expires_at),
        "invited_by": invitation.invited_by,
    }


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _print_table(found: "Iterable[Invitation]") -> None:
    from rich.console import Console
    from rich.text import Text

    table = new_table("Address", "Invited at", "Valid until", "By account")
    for row in map(_row, found):
        cells = (row["address"], row["invited_at"], row["expires_at"], row["invited_by"])
        table.add_row(*(Text("" if cell is None else printable(str(cell))) for cell in cells))
    if table.row_count:
        Console().print(table)
    else:
        echo("There are no open invitations.")
