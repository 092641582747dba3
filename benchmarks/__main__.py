"""`scripts/bench`."""

import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from . import page, profile, report, scale, storms, table
from . import peers as other
from .calls import CONNECTIONS
from .check import check
from .measure import Run
from .places import DATABASES
from .targets import Target

LENGTHS = {
    "calls": ((1.0, 3), (4.0, 7)),
    "scale": ((1.0, 3), (3.0, 5)),
    "storms": ((5.0, 1), (20.0, 1)),
    "endurance": ((10.0, 1), (10.0, 1)),
    "workers": ((2.0, 3), (5.0, 5)),
    "profile": ((2.0, 1), (8.0, 1)),
}
"""Seconds of a run, and how often it is repeated: short, and long."""

REQUESTS = {False: 100_000, True: 1_000_000}
SIZES = {False: (1_000, 100_000), True: (1_000, 100_000, 1_000_000)}

_HELP = """How fast Vestibule is, beside what nothing could do without.

\b
calls      (the default) every call on each database, beside a bare handler on the same server, Argon2
           alone, and the same rows written by hand; with --peers beside other account services too
scale      the same calls with a thousand accounts and with a hundred thousand, with --long a million
storms     64 clients who log in, 32 who upload, 32 who ask for codes, and who reads beside them
endurance  a hundred thousand requests, with --long a million: memory, files, connections
workers    two workers against one
profile    where the processor's time of each call goes, library by library; wants `perf`

Servers are started here, with equal cost of passwords, on one core; those who ask are on another. Nothing is
left behind but .build/. Seconds do not carry over to another machine or day: compare ratios within a run.

\b
scripts/bench                          three minutes, SQLite, and PostgreSQL where there is one
scripts/bench --long --json benchmarks/results calls scale storms endurance workers profile
                                       new figures, in half an hour
scripts/bench --page                   docs/performance.md with the figures in benchmarks/results
scripts/bench --only 'account read' --database SQLite
scripts/bench scale --long
scripts/bench --check                  fails where a ratio has fallen below its bound
"""


@click.command("scripts/bench", help=_HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 112})
@click.argument("kinds", nargs=-1, type=click.Choice(list(LENGTHS)))
@click.option("--long", "is_long", is_flag=True, help="Longer and more often, for figures to keep.")
@click.option("--seconds", type=click.FloatRange(0.1, 600), help="How long each run takes, instead of what the kind has.")
@click.option("--rounds", type=click.IntRange(1, 100), help="How often each run is repeated, likewise.")
@click.option("--only", multiple=True, type=click.Choice(list(CONNECTIONS)), help="This call; may be given several times.")
@click.option("--database", multiple=True, type=click.Choice(DATABASES), help="This one; may be given several times.")
@click.option(
    "--peers",
    "with_peers",
    is_flag=True,
    help="Installs other account services below .build/, and measures them (calls, storms).",
)
@click.option("--json", "directory", type=click.Path(file_okay=False, path_type=Path), help="Writes KIND.json there too.")
@click.option("--page", "is_page", is_flag=True, help="Generates the tables of docs/performance.md; alone, without a run.")
@click.option("--check", "is_check", is_flag=True, help="Compares ratios with the bounds that they are held to; two minutes.")
def main(
    kinds: Sequence[str],
    *,
    is_long: bool,
    seconds: float | None,
    rounds: int | None,
    only: Sequence[str],
    database: Sequence[str],
    with_peers: bool,
    directory: Path | None,
    is_page: bool,
    is_check: bool,
) -> None:
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    asked = Asked(
        console=console,
        calls=only or tuple(CONNECTIONS),
        databases=database or DATABASES,
        is_long=is_long,
        with_peers=with_peers,
        seconds=seconds,
        rounds=rounds,
    )
    with ExitStack() as stack:
        if is_check:
            sys.exit(check(console, stack, asked.run("calls"), asked.databases))
    for kind in kinds or (() if is_page else ("calls",)):
        report.write(directory, asked.table() if kind == "calls" else asked.others(kind))
    if is_page:
        page.write()


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be measured, and how."""

    console: Console
    calls: Sequence[str]
    databases: Sequence[str]
    is_long: bool
    with_peers: bool
    seconds: float | None
    rounds: int | None

    def run(self, kind: str) -> Run:
        seconds, rounds = LENGTHS[kind][self.is_long]
        return Run(self.seconds or seconds, self.rounds or rounds, _tell)

    def peers(self, run: Run) -> list[str]:
        """Those that were asked for and can be had."""
        return [peer for peer in other.PEERS if other.install(peer, run.tell)] if self.with_peers else []

    def table(self) -> dict[str, object]:
        run = self.run("calls")
        with ExitStack() as stack:
            results = table.measure(stack, run, self.calls, self.databases, self.peers(run))
            report.show_rows(self.console, results.rows)
            report.show_servers(self.console, results.servers)
            report.show_targets(self.console, results.targets)
            return results.told()

    def others(self, kind: str) -> dict[str, object]:
        run, found, targets = self.run(kind), [], []
        for database in self.databases:
            with ExitStack() as stack:
                some, judged = self._at(kind, stack, run, database)
            found += [{"database": database, **one} for one in some]
            targets += judged
        report.show_targets(self.console, targets)
        setting = {"seconds": run.seconds, "rounds": run.rounds}
        return report.told(kind, setting, found=found, targets=[one.told() for one in targets])

    def _at(self, kind: str, stack: ExitStack, run: Run, database: str) -> tuple[list[dict[str, Any]], list[Target]]:
        if kind == "scale":
            calls = [call for call in scale.CALLS if call in self.calls]
            rows, targets = scale.scale(stack, run, calls, database, SIZES[self.is_long])
            report.show_rows(self.console, rows)
            return [row.told() for row in rows], targets
        if kind == "storms":
            found, targets = storms.storms(stack, run, database, self.peers(run))
        elif kind == "endurance":
            found, targets = storms.endurance(stack, run, database, REQUESTS[self.is_long])
        elif kind == "profile":
            found, targets = profile.profile(stack, run, self.calls, [database]), []
        else:
            found, targets = storms.workers(stack, run, database)
        report.show_lines(self.console, f"{kind}, {database}", found)
        return found, targets


def _tell(text: str) -> None:
    """On a terminal the line is written over by the next one."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
    else:
        sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended
    try:
        main(prog_name="scripts/bench")
    except KeyboardInterrupt:
        sys.exit(130)
