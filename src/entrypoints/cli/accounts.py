"""`vestibule accounts`: finds and shows accounts. What changes one is in `account_changes`."""

from typing import TYPE_CHECKING

import click

from .account_changes import CHANGES
from .common import CommandGroup, broken_pipe_ignored, echo, members_of, operator, print_document, progress_bars, use_cases
from .times import AGO

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...application import Account
    from ..facade import Vestibule

STATES = ("active", "suspended", "deactivated", "deletion_scheduled")
_PAGE = 100


@click.group(cls=CommandGroup)
def accounts() -> None:
    """Find, show and mend accounts.

    ACCOUNT is an id, a username, an email, a mobile or a recovery address. Changes are in the audit log, with the user of the
    operating system and the reason.
    """


@accounts.command("list")
@click.argument("query", required=False)
@click.option("--state", type=click.Choice(STATES), help="Only accounts in this state.")
@click.option("--staff/--not-staff", default=None, help="Only staff, or only others.")
@click.option("--verified/--unverified", default=None, help="Only accounts that ever had a verified address, or only others.")
@click.option("--created-from", type=AGO, help="Only accounts made from then on: 2026-11-23, 2026-11-23T16:05, 7d ago.")
@click.option("--created-until", type=AGO, help="Only accounts made before.")
@click.option("--logged-in-from", type=AGO, help="Only accounts with a login from then on; known for 60 days.")
@click.option("--logged-in-until", type=AGO, help="Only accounts without a login from then on.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The most accounts to list.")
@click.option("--all", "everything", is_flag=True, help="List all that match.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def list_accounts(query: str | None, *, limit: int, everything: bool, as_json: bool, **filters: object) -> None:
    """List accounts, the youngest first, or those that QUERY finds.

    QUERY is the beginning of a username, an email, a mobile, or of words of the name. An address with "?" is not verified.

    \b
    vestibule accounts list lovel
    vestibule accounts list --state suspended
    vestibule accounts list --unverified --created-until 30d --all --json
    """
    from rich.console import Console

    from ..administration_responses import managed_account
    from .account_tables import AccountList

    with broken_pipe_ignored(), use_cases() as vestibule, progress_bars() as progress:
        table = AccountList(Console())
        wanted = None if everything else limit

        def show(page: "Sequence[Account]") -> None:
            shown = [members_of(managed_account(account, vestibule.settings, vestibule.clock())) for account in page]
            if not as_json:
                table.print(shown)
            else:
                for account in shown:
                    print_document(account)

        task = progress.add_task("Accounts", total=wanted, visible=everything)
        found, has_more = _list(vestibule, query, filters, wanted, show, lambda count: progress.update(task, completed=count))
    if not found and not as_json:
        echo("No account matches.")
    if has_more:
        echo(f"There are more than {limit}: use --all, or another --limit.", err=True)


def _list(
    vestibule: "Vestibule",
    query: str | None,
    filters: dict[str, object],
    wanted: int | None,
    show: "Callable[[Sequence[Account]], None]",
    advance: "Callable[[int], None]",
) -> tuple[int, bool]:
    """Shows the accounts page by page; returns how many, and whether there are more."""
    found, cursor = 0, None
    while True:
        size = _PAGE if wanted is None else min(_PAGE, wanted - found)
        page = vestibule.find_accounts(operator=operator(), query=query, cursor=cursor, limit=size, **filters)  # type: ignore[arg-type]  # the options are named like the arguments
        show(page.accounts)
        found, cursor = found + len(page.accounts), page.cursor
        advance(found)
        if cursor is None or found == wanted:
            return found, cursor is not None


@accounts.command()
@click.argument("account")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(account: str, as_json: bool) -> None:
    """Show an account, why its owner cannot log in, and the latest logins. Times are in UTC.

    \b
    vestibule accounts show ada@example.com
    vestibule accounts show 17 --json
    """
    from rich.console import Console

    from ..administration_responses import account_details
    from .account_tables import account_table, logins_table

    with broken_pipe_ignored(), use_cases() as vestibule:
        found = vestibule.identify_account(operator=operator(), identifier=account)
        details = vestibule.read_account(operator=operator(), account_id=found.id)
        shown = members_of(account_details(details, vestibule.settings, vestibule.clock()))
        if as_json:
            print_document(shown)
            return
        console = Console()
        console.print(account_table(shown))
        if shown["logins"]:
            console.print(logins_table(shown))
        if shown["limits"]:
            echo(f"`vestibule accounts unlock {found.id}` lifts the limits.")


for _command in CHANGES:
    accounts.add_command(_command)
