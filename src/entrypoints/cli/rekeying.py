"""`vestibule accounts rekey`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from .common import echo, errors_in_one_line, load_settings, operator, print_json, progress_bars

if TYPE_CHECKING:
    from ..container.maintenance import RekeyObstacle, RekeyReport


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def rekey(*, dry_run: bool, as_json: bool) -> None:
    """Read the mobiles of all accounts again, as they were written, after VESTIBULE_DEFAULT_REGION has changed.

    Stop the servers first, and make a backup. Open codes to mobiles end, and so do invitations to mobiles that are another
    number now. If two accounts would have the same number, or one has none in that region, all of them are named, nothing is
    changed, and the exit code is 1: mend those accounts with the old region first.

    \b
    VESTIBULE_DEFAULT_REGION=IN vestibule accounts rekey --dry-run
    """
    from ..container.maintenance import rekey_accounts

    settings = load_settings()
    with errors_in_one_line(), _progress() as progress:
        report = rekey_accounts(settings, progress, actor=operator().actor, dry_run=dry_run)
    if as_json:
        print_json(_members(report, dry_run=dry_run))
    else:
        for line in _lines(report, dry_run=dry_run):
            echo(line)
    if report.obstacles:
        sys.exit(1)


def _lines(report: "RekeyReport", *, dry_run: bool) -> Iterator[str]:
    yield from map(_line, report.obstacles)
    change = f"{report.changed} of {report.accounts} accounts with a mobile"
    regions = f"from {report.kept or 'no region'} to {report.region or 'no region'}"
    if report.obstacles:
        yield f"Nothing was changed: mend these {len(report.obstacles)} first, with the old region ({regions})."
    elif dry_run:
        yield f"Would re-key {change}, {regions}."
    else:
        yield f"Re-keyed {change}, {regions}. Start the servers with this region."


def _line(obstacle: "RekeyObstacle") -> str:
    holders = " and ".join(f"account {account_id} ({text})" for account_id, text in obstacle.holders)
    if obstacle.canonical is None:
        return f"{holders}: there is no such number in this region"
    return f"{holders}: each would be {obstacle.canonical}"


def _members(report: "RekeyReport", *, dry_run: bool) -> dict[str, object]:
    return {
        "from": report.kept,
        "to": report.region,
        "accounts": report.accounts,
        "changed": report.changed,
        "done": not dry_run and not report.obstacles,
        "collisions": [
            {
                "mobile": obstacle.canonical,
                "accounts": [{"id": account_id, "written": text} for account_id, text in obstacle.holders],
            }
            for obstacle in report.obstacles
        ],
    }


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Shows a bar for each step on a terminal; elsewhere a line for every hundred thousand accounts."""
    with progress_bars() as bars:
        tasks = {}
        reported: dict[str, int] = {}

        def update(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(f"accounts {step}", total=total)
            bars.update(tasks[step], completed=done, total=total)
            if bars.disable and done // 100_000 > reported.get(step, 0):
                reported[step] = done // 100_000
                echo(f"{done} of {total} accounts {step}", err=True)

        yield update
