"""Tables of accounts, from the members of their documents. Times are in UTC, to the minute."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .common import new_table, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

Members = dict[str, Any]

_STATE_STYLES = {"active": "green", "suspended": "yellow", "deactivated": "red", "deletion_scheduled": "red"}
_LIMITS = {
    "failed-logins": "failed logins",
    "failed-logins-in-a-row": "failed logins in a row",
    "codes": "codes asked for",
    "wrong-codes": "wrong codes",
    "taken-values": "changes to values that others have",
}
_WIDTHS = {"Id": 7, "State": 11, "Created": 10}
_SHARED = {"Username": 3, "Name": 3, "Email and mobile": 5}
"""Columns that share the rest of the width, with their parts of it."""


class AccountList:
    """A table that is printed page by page; its columns have the widths of the console, so that all pages align."""

    def __init__(self, console: "Console") -> None:
        rest = max(33, console.width - sum(_WIDTHS.values()) - 2 * (len(_WIDTHS) + len(_SHARED) - 1))
        shared = {name: rest * part // sum(_SHARED.values()) for name, part in _SHARED.items()}
        self._widths = {"Id": _WIDTHS["Id"], **shared, **_WIDTHS}
        self._console = console
        self._is_begun = False

    def print(self, accounts: Sequence[Members]) -> None:
        from rich.table import Column

        if not accounts:
            return
        columns = (
            Column(name, width=max(width, len(str(accounts[-1]["id"]))) if name == "Id" else width, overflow="fold")
            for name, width in self._widths.items()
        )
        table = new_table(*columns)
        table.show_header, table.show_edge, table.padding = not self._is_begun, False, (0, 1, 0, 0)
        for account in accounts:
            addresses = "\n".join(_addresses(account)) or "–"
            cells = (account["username"], account["name"], addresses)
            table.add_row(str(account["id"]), *map(_text, cells), _state(account), account["created_at"][:10])
        self._console.print(table)
        self._is_begun = True


def account_table(account: Members) -> "Table":
    """Returns the facts about an account, and in the first place why its owner cannot log in."""
    from rich.table import Table

    table = Table.grid("", "", padding=(0, 2))
    table.columns[0].no_wrap, table.columns[1].overflow = True, "fold"
    for label, value in _facts(account):
        table.add_row(label, value)
    return table


def logins_table(account: Members) -> "Table":
    """Returns the latest logins, with what became of their sessions."""
    from rich.table import Column

    table = new_table(Column("Login", no_wrap=True), "Network", "Device", "Session")
    active = {session["id"] for session in account["sessions"]}
    for login in account["logins"]:
        if login["id"] in active:
            session = f"active until {minute(login['expires_at'])}"
        else:
            ended = login["revoked_at"]
            session = f"ended {minute(ended)}" if ended else f"expired {minute(login['expires_at'])}"
        device = login["device"] or login["user_agent"] or "–"
        table.add_row(minute(login["created_at"]), *map(_text, (login["ip_address"] or "–", device, session)))
    return table


def minute(time: str | None) -> str:
    """Returns a time as `2026-12-01 16:05`."""
    return time[:16].replace("T", " ") if time else "–"


def obstacles(account: Members) -> Iterator[str]:
    """Yields the reasons why the owner cannot log in now, or not in each way."""
    if account["state"] == "suspended":
        until = account["suspended_until"]
        yield f"suspended {f'until {minute(until)}' if until else 'until it is reinstated'}: {account['suspension_reason']}"
    elif account["state"] == "deactivated":
        yield "deactivated"
    elif account["state"] == "deletion_scheduled":
        yield f"deleted at {minute(account['deletion_due_at'])}, unless its owner logs in before"
    if not account["has_password"]:
        yield "no password: only codes log in"
    for limit in account["limits"]:
        network = f" from {limit['network']}" if limit["network"] else ""
        yield f"limit: {_LIMITS[limit['policy']]}{network}, {limit['limit']}, for {_duration(limit['retry_after'])}"


def _facts(account: Members) -> "Iterator[tuple[str, Text]]":
    from rich.text import Text

    yield "Account", Text(str(account["id"]), "bold")
    yield "Username", _text(account["username"])
    yield "Name", _text(account["name"])
    for kind in ("email", "mobile"):
        if account[kind]:
            verified = "verified" if account[f"{kind}_verified"] else "not verified"
            yield kind.title(), _text(f"{account[kind]}, {verified}")
    for kept in account["recovery_addresses"]:
        until = f"until {minute(kept['expires_at'])}" if kept["expires_at"] else "until the new one is verified"
        yield "Recovery", _text(f"{kept['address']}, {until}")
    roles = [name for name in ("superuser", "staff") if account[f"is_{name}"]][:1] + account["roles"]
    yield "Roles", _text(", ".join(roles) or "–")
    yield "State", _state(account)
    for number, obstacle in enumerate(obstacles(account)):
        yield "" if number else "Login", _text(obstacle)
    yield "Sessions", _text(f"{len(account['sessions'])} active")
    if account["profile_image"]:
        yield "Image", _text(account["profile_image"])
    yield "Created", _text(minute(account["created_at"]))


def _addresses(account: Members) -> Iterator[str]:
    for kind in ("email", "mobile"):
        if account[kind]:
            yield account[kind] + ("" if account[f"{kind}_verified"] else " ?")


def _state(account: Members) -> "Text":
    from rich.text import Text

    state = account["state"]
    return Text("to delete" if state == "deletion_scheduled" else state, _STATE_STYLES[state])


def _text(value: str) -> "Text":
    from rich.text import Text

    return Text("\n".join(map(printable, value.split("\n"))))


def _duration(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{-(-seconds // size)} {unit}"
    return f"{seconds} s"
