"""`vestibule summary`."""

import click

from .common import echo, members_of, new_table, operator, print_document, use_cases


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def summary(as_json: bool) -> None:
    """Show the number of accounts, the logins of a week, and the messages that wait.

    Days are in UTC, the latest first.

    \b
    vestibule summary
    """
    from rich.console import Console

    from ..administration_responses import summary as summary_response
    from .account_tables import minute

    with use_cases() as vestibule:
        made = members_of(summary_response(vestibule.summarize(operator=operator())))
    if as_json:
        print_document(made)
        return
    console = Console()
    echo(f"Accounts: {made['accounts']}")
    days = new_table("Day")
    messages = new_table("Channel")
    for table, columns in (
        (days, ("New accounts", "Logins", "Failed logins")),
        (messages, ("Due", "Failed", "Oldest due since")),
    ):
        for column in columns:
            table.add_column(column, justify="right", no_wrap=True)
    for day in made["days"]:
        days.add_row(day["date"], *(str(day[name]) for name in ("registrations", "logins", "failed_logins")))
    console.print(days)
    for one in made["outbox"]:
        messages.add_row(one["channel"], str(one["due"]), str(one["failed"]), minute(one["due_since"]))
    if made["outbox"]:
        console.print(messages)
    else:
        echo("No message waits.")
