"""`vestibule outbox`: what waits to be sent, what was given up; trying it again, dropping it."""

import json
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from ...application import Channel, OutboxEntry
    from ..facade import Vestibule


@click.group()
def outbox() -> None:
    """Look at what waits or was given up, and try it again.

    Messages that were sent are not here any more. No code is ever shown: none is stored.
    """


@outbox.command("list")
@click.option("--dead", is_flag=True, help="Those alone that were given up.")
@click.option("--json", "as_json", is_flag=True, help="For machines: an object a line.")
@click.option("--show-addresses", is_flag=True, help="Show to whom they go in full.")
def list_messages(dead: bool, as_json: bool, show_addresses: bool) -> None:
    """List the messages, the oldest first."""
    try:
        with _vestibule() as vestibule:
            rows = (described(one, vestibule.clock(), in_full=show_addresses) for one in vestibule.list_messages(dead=dead))
            _show_lines(rows) if as_json else _show_table(rows)
    except BrokenPipeError:  # `vestibule outbox list | head` is no fault
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@outbox.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Instead of ids: all that have failed, waiting or given up.")
def retry(ids: tuple[str, ...], everything: bool) -> None:
    """Try messages again, at once and as if never tried, as after an outage.

    Those that a courier has at the moment are left to it, and those whose code is over are not sent.
    """
    _one_of(ids, everything, "--all")
    with _vestibule() as vestibule:
        click.echo(f"Due now: {_messages(vestibule.retry_messages(ids or None))}.")


@outbox.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all-dead", "everything", is_flag=True, help="Instead of ids: all that were given up.")
def drop(ids: tuple[str, ...], everything: bool) -> None:
    """Delete messages without sending them. One that a courier has at the moment may still go out."""
    _one_of(ids, everything, "--all-dead")
    with _vestibule() as vestibule:
        click.echo(f"Dropped: {_messages(vestibule.drop_messages(ids or None))}.")


def _one_of(ids: tuple[str, ...], everything: bool, option: str) -> None:
    if bool(ids) is everything:
        raise click.UsageError(f"Name messages by their ids, or say {option}.")


def _messages(number: int) -> str:
    return "1 message" if number == 1 else f"{number} messages"


def _vestibule() -> "AbstractContextManager[Vestibule]":
    from . import _use_cases

    return _use_cases()


def described(one: "OutboxEntry", now: float, *, in_full: bool = False) -> dict[str, str | int | None]:
    """What may be shown of a message."""
    message = one.message
    return {
        "id": message.id,
        "kind": message.channel.value,
        "to": message.recipient if in_full or message.recipient is None else masked(message.channel, message.recipient),
        "template": message.template,
        "state": _state(one, now),
        "attempts": message.attempts,
        "due_at": _moment(one.due_at),
        "expires_at": _moment(message.expires_at),
        "reason": one.failure_reason,
    }


def masked(kind: "Channel", address: str) -> str:
    """Enough to recognise an address that one knows: `a***@e***.org`, `***78`. A webhook is nobody's address."""
    if kind.value == "webhook":
        return address
    if kind.value == "mobile":
        return f"***{address[-2:]}"
    mailbox, _, domain = address.rpartition("@")
    return f"{mailbox[:1]}***@{domain[:1]}***.{domain.rpartition('.')[2]}"


def _state(one: "OutboxEntry", now: float) -> str:
    if one.due_at is None:
        return "dead"
    if one.is_leased(now):
        return "sending"
    return "due" if one.due_at <= now else "waiting"


def _moment(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _show_lines(rows: "Iterable[dict[str, str | int | None]]") -> None:
    for row in rows:
        said = {name: value for name, value in row.items() if value is not None}
        click.echo(json.dumps(said, ensure_ascii=False))


def _show_table(rows: "Iterable[dict[str, str | int | None]]") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("Message", "To", "EventType", "Tries", "State", box=box.SIMPLE, pad_edge=False)
    table.columns[0].no_wrap = True
    for row in rows:
        cells = (row["id"], row["to"] or "nobody", row["template"], row["attempts"], _told(row))
        table.add_row(*(Text(str(cell)) for cell in cells))
    if table.row_count:
        Console().print(table)
    else:
        click.echo("There is nothing.")


def _told(row: dict[str, str | int | None]) -> str:
    match row["state"]:
        case "dead":
            return f"given up: {row['reason']}"
        case "waiting":
            return f"again at {row['due_at']}"
        case state:
            return str(state)
