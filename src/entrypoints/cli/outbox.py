"""`vestibule outbox`: lists, retries and drops messages that wait or have failed."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from .common import CommandGroup, broken_pipe_ignored, echo, new_table, print_json, printable, use_cases

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...application import Channel, OutboxEntry

Row = dict[str, str | int | None]


@click.group(cls=CommandGroup)
def outbox() -> None:
    """List, retry and drop messages that wait or have failed.

    Delivered messages are not in the outbox. No code is ever shown: none is stored.
    """


@outbox.command("list")
@click.option("--failed", is_flag=True, help="Only messages that failed permanently.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.option("--show-addresses", is_flag=True, help="Show the recipients in full.")
def list_messages(failed: bool, as_json: bool, show_addresses: bool) -> None:
    """List the messages, the oldest first.

    \b
    vestibule outbox list --failed
    """
    with broken_pipe_ignored(), use_cases() as vestibule:
        rows = (_row(entry, vestibule.clock(), in_full=show_addresses) for entry in vestibule.list_messages(failed=failed))
        if as_json:
            for row in rows:
                print_json(row)
        else:
            _print_table(rows)


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
        echo(f"Due now: {_messages(vestibule.retry_messages(ids or None))}.")


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
        echo(f"Dropped: {_messages(vestibule.drop_messages(ids or None))}.")


def _require_one(ids: tuple[str, ...], everything: bool, option: str) -> None:
    if bool(ids) is everything:
        raise click.UsageError(f"Name messages by their ids, or use {option}.")


def _messages(number: int) -> str:
    return "1 message" if number == 1 else f"{number} messages"


def _row(entry: "OutboxEntry", now: float, *, in_full: bool) -> Row:
    """Returns the public facts about a message."""
    message = entry.message
    if not entry.is_readable:
        unknown = dict.fromkeys(("channel", "to", "template", "attempts", "due_at", "expires_at"))
        return {"id": message.id, **unknown, "state": entry.state(now), "reason": entry.failure_reason}
    return {
        "id": message.id,
        "channel": message.channel.value,
        "to": message.recipient if in_full or message.recipient is None else masked(message.channel, message.recipient),
        "template": message.template,
        "state": entry.state(now),
        "attempts": message.failed_attempts,
        "due_at": _time(entry.due_at),
        "expires_at": _time(message.expires_at),
        "reason": entry.failure_reason,
    }


def masked(channel: "Channel", recipient: str) -> str:
    """Leaves enough to recognise a known address: `a***@e***.org`, `***78`. The URL of a webhook is not personal data."""
    if channel.value == "webhook":
        return recipient
    if channel.value == "mobile":
        return f"***{recipient[-2:]}"
    mailbox, _, domain = recipient.rpartition("@")
    return f"{mailbox[:1]}***@{domain[:1]}***.{domain.rpartition('.')[2]}"


def _time(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _print_table(rows: "Iterable[Row]") -> None:
    from rich.console import Console
    from rich.text import Text

    table = new_table("Message", "To", "Template", "Attempts", "State")
    table.columns[0].no_wrap = True
    for row in rows:
        to = row["to"] or ("(decoy)" if row["channel"] else None)  # a damaged row has no channel
        cells = (row["id"], to, row["template"], row["attempts"], _described(row))
        table.add_row(*(Text("" if cell is None else printable(str(cell))) for cell in cells))
    if table.row_count:
        Console().print(table)
    else:
        echo("There are no messages.")


def _described(row: Row) -> str:
    match row["state"]:
        case "failed":
            return f"failed: {row['reason']}"
        case "waiting":
            return f"next attempt at {row['due_at']}"
        case state:
            return str(state)
