"""`vestibule audit-log`: security events as JSON."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from .common import broken_pipe_ignored, members_of, operator, print_document, use_cases
from .times import AGO

if TYPE_CHECKING:
    from ...application import EventType
    from ..facade import Vestibule


@click.command("audit-log")
@click.option("--account", help="Only events of this account: its id, also of a deleted one, username, email or mobile.")
@click.option("--type", "event_type", help="Only events of this type, such as login_failed.")
@click.option("--ip-address", help="Only events of callers at this IP address.")
@click.option("--since", type=AGO, help="Only events from this time on: 2026-11-23, 2026-11-23T16:05, in UTC, or 2h ago.")
@click.option("--until", type=AGO, help="Only events before this time.")
@click.option("--after", type=click.IntRange(0), default=0, help="Only events after the one with this id, to go on.")
@click.option("--limit", type=click.IntRange(1), help="The number of events to show.")
def audit_log(
    *,
    account: str | None,
    event_type: str | None,
    ip_address: str | None,
    since: float | None,
    until: float | None,
    after: int,
    limit: int | None,
) -> None:
    """Show the audit log: one JSON object per line, the oldest event first.

    An event says who did what, when and from where; refused attempts are included. Events are kept for 400 days.

    \b
    vestibule audit-log --account ada --since 7d
    vestibule audit-log --type login_failed --since 2026-11-23
    """
    from ...application import AuditQuery, Caller
    from ..administration_responses import event_response

    wanted = AuditQuery(type=_type(event_type), ip_address=Caller(ip_address).ip_address, since=since, until=until, after=after)
    with use_cases() as vestibule, broken_pipe_ignored():
        query = replace(wanted, account_id=None if account is None else _account_id(vestibule, account))
        for count, (position, event) in enumerate(vestibule.read_audit_log(query)):
            if count == limit:
                break
            print_document(members_of(event_response(position, event)))


def _account_id(vestibule: "Vestibule", identifier: str) -> int:
    """Returns the id, which may be that of a deleted account."""
    if re.fullmatch(r"[1-9][0-9]{0,17}", identifier, re.ASCII):
        return int(identifier)
    return vestibule.identify_account(operator=operator(), identifier=identifier).id


def _type(text: str | None) -> "EventType | None":
    from ...application import EventType

    try:
        return EventType(text) if text is not None else None
    except ValueError:
        types = ", ".join(sorted(EventType))
        raise click.BadParameter(f"there is no such type; the types are {types}", param_hint="--type") from None
