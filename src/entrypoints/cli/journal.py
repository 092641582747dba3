"""What `vestibule journal` shows."""

import json
import os
import sys
from datetime import UTC, datetime

import click

from ...application import AuditQuery, Event, EventType
from ..facade import Vestibule


def show(vestibule: Vestibule, query: AuditQuery, limit: int | None) -> None:
    """Writes the events that fit, a JSON object a line, as they are read."""
    try:
        for count, (position, event) in enumerate(vestibule.read_audit_log(query)):
            if count == limit:
                break
            click.echo(line(position, event))
    except BrokenPipeError:  # `vestibule journal | head` is no fault
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def line(position: int, event: Event) -> str:
    """One event as JSON; what is not known is left out."""
    said = {
        "position": position,
        "at": datetime.fromtimestamp(event.occurred_at, UTC).isoformat(timespec="milliseconds"),
        "what": event.type.value,
        "account": event.account_id,
        "session": event.session_id,
        "address": event.caller.address,
        "agent": event.caller.user_agent,
        "request": event.caller.request_id,
        "note": event.detail or None,
    }
    return json.dumps({name: value for name, value in said.items() if value is not None}, ensure_ascii=False)


def query(
    *, account: int | None, what: str | None, address: str | None, since: str | None, until: str | None, after: int
) -> AuditQuery:
    """Raises `click.BadParameter` for what cannot be read."""
    return AuditQuery(
        account_id=account,
        type=_kind(what),
        address=address,
        since=_moment(since, "--since"),
        until=_moment(until, "--until"),
        after=after,
    )


def _kind(text: str | None) -> EventType | None:
    try:
        return EventType(text) if text is not None else None
    except ValueError:
        kinds = ", ".join(sorted(EventType))
        raise click.BadParameter(f"there is no such event; there are {kinds}", param_hint="--what") from None


def _moment(text: str | None, option: str) -> float | None:
    """Seconds since the epoch, of a date or a moment in ISO 8601; UTC where it does not say otherwise."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("it should look like 2026-11-23 or 2026-11-23T16:05", param_hint=option) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
