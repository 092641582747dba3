"""`vestibule doctor`: checks that the service can run as it is set up."""

import json
import logging
import os
import sys
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from .common import broken_pipe_ignored, echo, new_table, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from ..doctor.findings import Finding

_MARKS = {"OK": ("ok", "green"), "WARNING": ("warning", "yellow"), "ERROR": ("error", "bold red")}
_WIDTH = 80


@click.command()
@click.option("--url", metavar="URL", help="Where to ask the running server.  [default: VESTIBULE_PUBLIC_URL, if set]")
@click.option("--without", metavar="CHECK", multiple=True, help="Leave out a check; may be repeated.")
@click.option("--timeout", type=click.FloatRange(1, 300), default=10, show_default=True, help="Seconds for each check.")
@click.option("--brief", is_flag=True, help="Print one line, as monitors show it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def doctor(
    context: click.Context, url: str | None, without: tuple[str, ...], timeout: float, brief: bool, as_json: bool
) -> None:
    """Check that the service can run as it is set up, and say what to do where it cannot.

    Checks settings, clock, keys, database, disk, memory and password hashes, and talks to the servers of mail, SMS, webhooks,
    Redis and S3 without sending a message. Changes nothing, and may run while the server does: run it as the same user and
    with the same settings. The exit code is 0 if all is well, 1 after warnings, 2 after errors, as for Nagios.

    \b
    vestibule doctor
    vestibule doctor --url https://accounts.example.org --json
    """
    from ..doctor.diagnosis import NAMES, diagnose, exit_code
    from ..settings import Settings

    if unknown := sorted({*without} - {*NAMES}):
        raise click.UsageError(f"There is no check {unknown[0]!r}; they are {', '.join(NAMES)}.")
    if url is not None and not url.startswith(("http://", "https://")):
        raise click.UsageError("--url is http://… or https://….")
    logging.disable()  # the findings say it
    settings, invalid = Settings.read_valid(os.environ)
    with _progress() as on_progress:
        findings = diagnose(settings, url=url, without=without, invalid=invalid, timeout=timeout, on_progress=on_progress)
    with broken_pipe_ignored():
        if as_json:
            _print_json(findings)
        elif brief:
            echo(_summary(findings, in_full=True))
        else:
            _print_table(findings)
            echo(_summary(findings))
    context.exit(exit_code(findings))


@contextmanager
def _progress() -> "Iterator[Callable[[Collection[str]], object]]":
    """Yields a function that shows, on a terminal, the names of the checks that still run."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("Checking …") as status:
        yield lambda names: status.update(f"Checking {', '.join(names)} …")


def _print_table(findings: "Sequence[Finding]") -> None:
    from rich.console import Console
    from rich.table import Column
    from rich.text import Text

    table = new_table(Column("Check", no_wrap=True), Column("", no_wrap=True), Column("Finding", overflow="fold"))
    previous = None
    for finding in findings:
        text = Text(printable(finding.text))
        if finding.remedy:
            text.append(f"\n→ {printable(finding.remedy)}", style="bold")
        name = "" if finding.check == previous else finding.check
        table.add_row(name, Text(*_MARKS[finding.level.name]), text)
        previous = finding.check
    Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False).print(table)


def _summary(findings: "Sequence[Finding]", *, in_full: bool = False) -> str:
    """Returns one line: the greatest level, and how many findings there are of each; `in_full` with their texts."""
    from ..doctor.diagnosis import exit_code

    counts = Counter(finding.level.name for finding in findings if finding.level)
    numbers = ", ".join(f"{count} {name.lower()}{'s' if count > 1 else ''}" for name, count in sorted(counts.items()))
    line = f"VESTIBULE {exit_code(findings).name}: {numbers or 'everything is in order'}"
    texts = [f"{finding.check}: {finding.text}" for finding in sorted(findings, key=lambda one: -one.level) if finding.level]
    return "; ".join([line, *texts]) if in_full else line


def _print_json(findings: "Sequence[Finding]") -> None:
    from ..doctor.diagnosis import exit_code

    def member(finding: "Finding") -> dict[str, str]:
        return {"check": finding.check, "level": finding.level.name.lower(), "text": finding.text, "remedy": finding.remedy}

    level = exit_code(findings)
    echo(json.dumps({"level": level.name.lower(), "exit_code": int(level), "findings": [*map(member, findings)]}, indent=2))
