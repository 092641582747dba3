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

from . import imports as moves
from . import page, profile, report, scale, storms, table, workers
from . import peers as other
from . import search as searches
from . import start as starts
from .calls import CONNECTIONS
from .check import check
from .measure import Run
from .places import DATABASES, POSTGRES, SQLITE
from .targets import Target

LENGTHS = {
    "calls": ((1.0, 3), (2.0, 5)),
    "scale": ((1.0, 3), (2.0, 3)),
    "storms": ((5.0, 1), (10.0, 1)),
    "memory": ((10.0, 1), (10.0, 1)),
    "workers": ((1.0, 3), (2.0, 5)),
    "start": ((0.0, 5), (0.0, 9)),
    "profile": ((2.0, 1), (4.0, 1)),
    "search": ((0.0, 9), (0.0, 25)),
    "import": ((0.0, 1), (0.0, 1)),
}
"""Seconds of a run and number of rounds: short, and long."""

REQUESTS = {False: {SQLITE: 100_000, POSTGRES: 50_000}, True: {SQLITE: 1_000_000, POSTGRES: 200_000}}
SIZES = {False: (1_000, 100_000), True: (1_000, 1_000_000)}
IMPORTS = {False: (20_000, 100_000), True: (100_000, 1_000_000)}

_HELP = """Measures every call next to a baseline: the least work that any implementation needs.

\b
calls      (default) every call on each database, next to a bare handler on the same server, Argon2 alone,
           and the same rows written directly; with --peers also other account services
scale      the same calls with a thousand accounts and with a hundred thousand, with --long a million
storms     64 clients that log in, 32 that upload, 32 that request codes, and clients that read meanwhile
memory     a hundred thousand requests, with --long a million (fewer on PostgreSQL): memory, open files, connections
workers    servers of one, two and four workers
start      the start of a server, and imports, next to the import of Litestar; memory at rest
search     pages of the operators' search among a hundred thousand accounts, with --long a million
import     `vestibule import` of 20,000 and of 100,000 rows, with --long 100,000 and a million: rows a second, memory
profile    processor time of each call by library; needs `perf`

The servers run on one core, with the same cost of passwords, and the load generator on another. Only .build/
remains. Seconds do not carry over to another machine or day: compare ratios within a run.

\b
scripts/bench                          five minutes, SQLite, and PostgreSQL if available
scripts/bench --long --peers --json benchmarks/results calls scale storms memory workers start profile search
                                       new figures, in half an hour
scripts/bench --page                   docs/performance.md with the figures in benchmarks/results
scripts/bench --only 'account read' --database SQLite
scripts/bench scale --long
scripts/bench --check                  fails if a ratio has fallen below its bound
"""


@click.command("scripts/bench", help=_HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 112})
@click.argument("kinds", nargs=-1, type=click.Choice(list(LENGTHS)))
@click.option("--long", "is_long", is_flag=True, help="Longer runs and more rounds, for figures to publish.")
@click.option("--seconds", type=click.FloatRange(0.1, 600), help="Seconds of each run, instead of the default of the kind.")
@click.option("--rounds", type=click.IntRange(1, 100), help="Rounds, likewise.")
@click.option("--only", multiple=True, type=click.Choice(list(CONNECTIONS)), help="Only this call; may be repeated.")
@click.option("--database", multiple=True, type=click.Choice(DATABASES), help="Only this database; may be repeated.")
@click.option(
    "--peers",
    "with_peers",
    is_flag=True,
    help="Installs other account services below .build/, and measures them (calls, storms).",
)
@click.option("--json", "directory", type=click.Path(file_okay=False, path_type=Path), help="Also writes KIND.json there.")
@click.option("--page", "is_page", is_flag=True, help="Generates the tables of docs/performance.md; alone, without a run.")
@click.option("--check", "is_check", is_flag=True, help="Compares ratios with their bounds; four minutes.")
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
    options = Options(
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
            sys.exit(check(console, stack, options.run("calls"), options.databases))
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)  # before the measurement: a wrong path would lose its results
    for kind in kinds or (() if is_page else ("calls",)):
        report.write(directory, options.table() if kind == "calls" else options.others(kind))
    if is_page:
        page.write()


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of the command."""

    console: Console
    calls: Sequence[str]
    databases: Sequence[str]
    is_long: bool
    with_peers: bool
    seconds: float | None
    rounds: int | None

    def run(self, kind: str) -> Run:
        seconds, rounds = LENGTHS[kind][self.is_long]
        return Run(self.seconds or seconds, self.rounds or rounds, _show_progress)

    def peers(self, run: Run) -> list[str]:
        """The requested peers that can be installed."""
        return [peer for peer in other.PEERS if other.install(peer, run.progress)] if self.with_peers else []

    def table(self) -> dict[str, object]:
        run = self.run("calls")
        with ExitStack() as stack:
            results = table.measure(stack, run, self.calls, self.databases, self.peers(run))
            report.show_rows(self.console, results.rows)
            report.show_servers(self.console, results.servers)
            report.show_targets(self.console, results.targets)
            return results.as_json()

    def others(self, kind: str) -> dict[str, object]:
        run, found, targets = self.run(kind), [], []
        for database in self.databases:
            with ExitStack() as stack:
                some, more = self._at(kind, stack, run, database)
            found += [{"database": database, **one} for one in some]
            targets += more
        report.show_targets(self.console, targets)
        setting = {"seconds": run.seconds, "rounds": run.rounds}
        return report.document(kind, setting, found=found, targets=[one.as_json() for one in targets])

    def _at(self, kind: str, stack: ExitStack, run: Run, database: str) -> tuple[list[dict[str, Any]], list[Target]]:
        if kind in {"scale", "workers"}:
            calls = [call for call in (scale if kind == "scale" else workers).CALLS if call in self.calls]
            if kind == "scale":
                rows, targets = scale.scale(stack, run, calls, database, SIZES[self.is_long])
            else:
                rows, targets = workers.workers(stack, run, calls, database)
            report.show_rows(self.console, rows)
            return [row.as_json() for row in rows], targets
        if kind == "storms":
            found, targets = storms.storms(stack, run, database, self.peers(run))
        elif kind == "memory":
            found, targets = storms.memory(stack, run, database, REQUESTS[self.is_long][database])
        elif kind == "search":
            found, targets = searches.search(stack, run, database, SIZES[self.is_long][1])
        elif kind == "import":
            found, targets = moves.imports(stack, run, database, IMPORTS[self.is_long])
        elif kind == "profile":
            found, targets = profile.profile(stack, run, self.calls, [database]), []
        else:
            found, targets = starts.start(stack, run, database)
        report.show_lines(self.console, f"{kind}, {database}", found)
        return found, targets


def _show_progress(text: str) -> None:
    """Writes a line to standard error; on a terminal the next one replaces it."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
    else:
        sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers stop
    try:
        main(prog_name="scripts/bench")
    except KeyboardInterrupt:
        sys.exit(130)
