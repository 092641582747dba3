"""`vestibule prove`: promises that are measured, by whoever runs the service, on the machine where it runs."""

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ...testing.timing.enumeration import Probe, Stage
    from ...testing.timing.statistics import Estimate, Likeness

_WIDTH = 132  # of a table that goes into a file


@click.group()
def prove() -> None:
    """Measure what Vestibule promises, on this machine."""


@prove.command()
@click.option(
    "--samples",
    type=click.IntRange(10, 100_000),
    default=120,
    show_default=True,
    help="How many pairs of calls for each endpoint.",
)
@click.option(
    "--endpoint",
    "wanted",
    multiple=True,
    metavar="NAME",
    help="Only this one, or all that begin so: login, otp-send, otp-verify-email …; may be given again. [default: all]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON: times in seconds.")
def enumeration(samples: int, wanted: tuple[str, ...], as_json: bool) -> None:
    """Measure whether the time of an answer tells who has an account.

    A throwaway service is made, real in all but its data: SQLite on disk, passwords hashed at full cost. The same call is
    made for somebody who has an account and for somebody who has none, in turns, and timed without any network between.
    Your own settings and data are neither read nor touched.

    \b
    known, unknown   the median time of each
    difference       of the two, and where it lies with 99 % confidence
    AUC              the chance that the known one took longer: 0.5 where time tells nothing
    verdict          alike; TELLS APART where the AUC is surely outside 0.4 to 0.6 and the
                     difference above 200 µs or 3 %; unclear where it takes more samples

    The exit code is 1 where an endpoint tells apart, else 0. All of it takes a minute or two; let the machine do nothing else
    meanwhile, and take ten times the samples before you believe a small difference. The data lies where TMPDIR says; on a
    file system in memory no disk blurs what is measured.

    \b
    vestibule prove enumeration
    TMPDIR=/dev/shm vestibule prove enumeration --endpoint otp --endpoint reset --samples 1000
    """
    from ...testing.timing.enumeration import PROBES, Unexpected
    from . import _stop

    for name in wanted:
        if not any(probe.name.startswith(name) for probe in PROBES):
            known = ", ".join(probe.name for probe in PROBES)
            raise click.BadParameter(f"{name} is none of {known}.", param_hint="--endpoint")
    try:
        found = _measured([probe for probe in PROBES if not wanted or probe.name.startswith(wanted)], samples)
    except Unexpected as fault:
        _stop(str(fault))
    (_print_json if as_json else _print_table)(found)
    sys.exit(any(likeness.tells for likeness in found.values()))


def _measured(probes: "list[Probe]", samples: int) -> "dict[str, Likeness]":
    """With progress on the terminal, where there is one."""
    import asyncio
    from itertools import groupby

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from ...testing.timing.enumeration import stage
    from ...testing.timing.statistics import likeness

    columns = TextColumn("{task.description:<28}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"), TimeRemainingColumn()
    console = Console(stderr=True)
    found = {}
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(probes) * samples)

        async def measure(probe: "Probe", on: "Stage") -> None:
            progress.update(task, description=probe.name)
            pairs = []
            async for pair in on.pairs(probe, samples):
                pairs.append(pair)
                progress.advance(task)
            found[probe.name] = likeness(pairs)

        async def measure_all() -> None:
            for deliver, group in groupby(probes, lambda probe: probe.while_delivering):
                with stage(deliver=deliver) as on:
                    for probe in group:
                        await measure(probe, on)

        asyncio.run(measure_all())
    return found


def _print_table(found: "dict[str, Likeness]") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table

    columns = [Column(name, justify="right") for name in ("n", "known", "unknown", "difference", "", "AUC", "")]
    table = Table(
        Column("endpoint", overflow="fold"),
        *columns,
        "verdict",
        box=box.SIMPLE,
        pad_edge=False,
        caption="Times in milliseconds.",
    )
    for name, likeness in found.items():
        known, unknown = (f"{1e3 * seconds:.3f}" for seconds in (likeness.known, likeness.unknown))
        difference, auc = _shown(likeness.difference, "+.3f", 1e3), _shown(likeness.auc, ".3f")
        table.add_row(name, str(likeness.samples), known, unknown, *difference, *auc, likeness.verdict)
    Console(width=None if sys.stdout.isatty() else _WIDTH).print(table)


def _shown(estimate: "Estimate", form: str, factor: float = 1.0) -> tuple[str, str]:
    value, low, high = (f"{factor * one:{form}}" for one in (estimate.value, estimate.low, estimate.high))
    return value, f"{low} … {high}"


def _print_json(found: "dict[str, Likeness]") -> None:
    import json
    from dataclasses import asdict

    report = {name: asdict(likeness) | {"verdict": likeness.verdict.name.lower()} for name, likeness in found.items()}
    click.echo(json.dumps(report, indent=2))
