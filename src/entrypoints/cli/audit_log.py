"""`vestibule audit-log`: security events as JSON."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from .common import broken_pipe_ignored, print_json, use_cases

if TYPE_CHECKING:
    from ...application import Event, EventType


@click.command("audit-log")
@click.option("--account", type=int, help="Only events of this account.")
@click.option("--type", "event_type", help="Only events of this type, such as login_failed.")
@click.option("--ip-address", help="Only events of callers at this IP address.")
@click.option("--since", help="Only events from this time on: 2026-11-23 or 2026-11-23T16:05, UTC.")
@click.option("--until", help="Only events before this time.")
@click.option("--after", type=click.IntRange(0), default=0, help="Only events after this position, to continue a listing.")
@click.option("--limit", type=click.IntRange(1), help="The number of events to show.")
def audit_log(
    *,
    account: int | None,
    event_type: str | None,
    ip_address: str | None,
    since: str | None,
    until: str | None,
    after: int,
    limit: int | None,
) -> None:
    """Show the audit log: one JSON object per line, the oldest event first.

    An event says who did what, when and from where; refused attempts are included. Events are kept for 400 days.

    \b
    vestibule audit-log --type login_failed --since 2026-11-23
    """
    from ...application import AuditQuery, Caller

    query = AuditQuery(
        account_id=account,
        type=_type(event_type),
        ip_address=Caller(ip_address).ip_address,
        since=_time(since, "--since"),
        until=_time(until, "--until"),
        after=after,
    )
    with use_cases() as vestibule, broken_pipe_ignored():
        for count, (position, event) in enumerate(vestibule.read_audit_log(query)):
            if count == limit:
                break
            print_json(_members(position, event))


def _members(position: int, event: "Event") -> dict[str, object]:
    return {
        "position": position,
        "at": datetime.fromtimestamp(event.occurred_at, UTC).isoformat(timespec="milliseconds"),
        "type": event.type.value,
        "account": event.account_id,
        "session": event.session_id,
        "address": event.caller.ip_address,
        "user_agent": event.caller.user_agent,
        "request_id": event.caller.request_id,
        "detail": event.detail or None,
    }


def _type(text: str | None) -> "EventType | None":
    from ...application import EventType

    try:
        return EventType(text) if text is not None else None
    except ValueError:
        types = ", ".join(sorted(EventType))
        raise click.BadParameter(f"there is no such type; the types are {types}", param_hint="--type") from None


def _time(text: str | None, option: str) -> float | None:
    """Returns seconds since the epoch. `text` is a date or a time in ISO 8601, by default in UTC."""
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("the format is 2026-11-23 or 2026-11-23T16:05", param_hint=option) from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
