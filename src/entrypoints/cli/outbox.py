"""`vestibule outbox`: lists, retries and drops messages that wait or have failed."""

from typing import TYPE_CHECKING, Any

import click

from .common import (
    CommandGroup,
    broken_pipe_ignored,
    echo,
    members_of,
    new_table,
    operator,
    print_document,
    printable,
    use_cases,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

Members = dict[str, Any]


@click.group(cls=CommandGroup)
def outbox() -> None:
    """List, retry and drop messages that wait or have failed.

    Delivered messages are not in the outbox. No code is ever shown: none is stored.
    """


@outbox.command("list")
@click.option("--failed", is_flag=True, help="Only messages that failed permanently.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.option("--show-addresses", is_flag=True, help="Show the recipients in full, also with --json.")
def list_messages(failed: bool, as_json: bool, show_addresses: bool) -> None:
    """List the messages, the oldest first.

    \b
    vestibule outbox list --failed
    """
    from ..administration_responses import message_response

    with broken_pipe_ignored(), use_cases() as vestibule:
        listed = vestibule.list_messages(failed=failed)
        messages = (members_of(message_response(entry, vestibule.clock())) for entry in listed)
        shown = messages if show_addresses else map(_masked, messages)
        if as_json:
            for message in shown:
                print_document(message)
        else:
            _print_table(shown)


@outbox.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Instead of ids: all messages with a failed attempt.")
def retry(ids: tuple[str, ...], everything: bool) -> None:
    """Make messages due now, as if none had been tried, for example after an outage.

    Messages that a delivery worker is sending are left to it, and messages with an expired code are not sent.

    \b
    vestibule outbox retry --all
    """
    _require_one(ids, everything, "--all")
    with use_cases() as vestibule:
        echo(f"Due now: {_messages(vestibule.retry_messages(ids or None, operator=operator()))}.")


@outbox.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all-failed", "everything", is_flag=True, help="Instead of ids: all messages that failed permanently.")
def drop(ids: tuple[str, ...], everything: bool) -> None:
    """Delete messages without sending them. A message that a delivery worker is sending may still be delivered.

    \b
    vestibule outbox drop --all-failed
    """
    _require_one(ids, everything, "--all-failed")
    with use_cases() as vestibule:
        echo(f"Dropped: {_messages(vestibule.drop_messages(ids or None, operator=operator()))}.")


def _require_one(ids: tuple[str, ...], everything: bool, option: str) -> None:
    if bool(ids) is everything:
        raise click.UsageError(f"Name messages by their ids, or use {option}.")


def _messages(number: int) -> str:
    return "1 message" if number == 1 else f"{number} messages"


def _masked(message: Members) -> Members:
    recipient = message["recipient"]
    return message if recipient is None else message | {"recipient": masked(message["channel"], recipient)}


def masked(channel: str, recipient: str) -> str:
    """Leaves enough to recognise a known address: `a***@e***.org`, `***78`. The URL of a webhook is not personal data."""
    if channel == "webhook":
        return recipient
    if channel == "mobile":
        return f"***{recipient[-2:]}"
    mailbox, _, domain = recipient.rpartition("@")
    return f"{mailbox[:1]}***@{domain[:1]}***.{domain.rpartition('.')[2]}"


def _print_table(messages: "Iterable[Members]") -> None:
    from rich.console import Console
    from rich.text import Text

    table = new_table("Message", "To", "Template", "Attempts", "State")
    table.columns[0].no_wrap = True
    for message in messages:
        to = message["recipient"] or ("(decoy)" if message["channel"] else None)  # a damaged row has no channel
        cells = (message["id"], to, message["template"], message["failed_attempts"], _described(message))
        table.add_row(*(Text("" if cell is None else printable(str(cell))) for cell in cells))
    if table.row_count:
        Console().print(table)
    else:
        echo("There are no messages.")


def _described(message: Members) -> str:
    match message["state"]:
        case "failed":
            return f"failed: {message['failure_reason']}"
        case "waiting":
            return f"next attempt at {message['due_at']}"
        case state:
            return str(state)
