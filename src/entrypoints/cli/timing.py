"""`vestibule timing`: measures whether response times reveal the existence of an account."""

import sys
from typing import TYPE_CHECKING

import click

from .common import echo, new_table, progress_bars, stop

if TYPE_CHECKING:
    from ...testing.timing.enumeration import Probe, Service
    from ...testing.timing.statistics import Comparison, Estimate

_WIDTH = 132  # of a table that goes into a file


@click.command()
@click.option(
    "--samples",
    type=click.IntRange(10, 100_000),
    default=120,
    show_default=True,
    help="The number of pairs of calls for each endpoint.",
)
@click.option(
    "--endpoint",
    "prefixes",
    multiple=True,
    metavar="NAME",
    help="Only this endpoint, or all that begin so: login, otp-send, otp-verify-email …; repeatable. [default: all]",
)
@click.option(
    "--database",
    "database_url",
    metavar="URL",
    help="An empty PostgreSQL database for the accounts, which stay in it. [default: SQLite in a temporary directory]",
)
@click.option(
    "--registration",
    type=click.Choice(["open", "invited", "closed"]),
    default="open",
    show_default=True,
    help="VESTIBULE_REGISTRATION of the service; unless it is open, registrations are measured too.",
)
@click.option("--memory", "in_memory", is_flag=True, help="Everything in memory, with a fast hasher: the finest view.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON, with times in seconds.")
def timing(
    samples: int, prefixes: tuple[str, ...], database_url: str | None, registration: str, in_memory: bool, as_json: bool
) -> None:
    """Measure whether response times reveal the existence of an account, on this machine.

    The command starts a temporary service: SQLite on disk, and passwords hashed at full cost. It makes the same call for an
    account that exists and for one that does not, in turns, and times both without a network. Your own settings and data are
    neither read nor changed.

    \b
    known, unknown   the median time of each
    difference       of the medians, with its confidence interval of 99 %
    AUC              the probability that the known account took longer: 0.5 reveals nothing
    verdict          alike; REVEALS if the AUC is certainly outside 0.4 to 0.6 and the
                     difference above 200 µs or 3 %; unclear if more samples are needed

    The exit code is 1 if an endpoint reveals accounts, else 0. A full run takes a minute or two on an otherwise idle machine.
    Take ten times the samples before you believe a small difference. TMPDIR is the place of the data; a file system in memory
    avoids the noise of a disk.

    \b
    vestibule timing
    TMPDIR=/dev/shm vestibule timing --endpoint otp --endpoint reset --samples 1000
    vestibule timing --memory --samples 1000
    vestibule timing --registration closed
    vestibule timing --database postgresql://localhost/throwaway
    """
    from ...testing.timing.enumeration import UnexpectedStatus, probes_for
    from ...testing.timing.statistics import Verdict

    available = probes_for(registration)
    for prefix in prefixes:
        if not any(probe.name.startswith(prefix) for probe in available):
            known = ", ".join(probe.name for probe in available)
            raise click.BadParameter(f"{prefix} is none of {known}.", param_hint="--endpoint")
    probes = [probe for probe in available if not prefixes or probe.name.startswith(prefixes)]
    try:
        comparisons = _compare(probes, samples, database_url, registration, in_memory=in_memory)
    except UnexpectedStatus as error:
        stop(str(error))
    (_print_json if as_json else _print_table)(comparisons)
    sys.exit(any(comparison.verdict is Verdict.REVEALS for comparison in comparisons.values()))


def _compare(
    probes: "list[Probe]", samples: int, database_url: str | None, registration: str, *, in_memory: bool
) -> "dict[str, Comparison]":
    """Shows the progress on a terminal."""
    import asyncio
    from itertools import groupby

    from ...testing.timing.enumeration import temporary_service
    from ...testing.timing.statistics import compare

    comparisons = {}
    with progress_bars() as progress:
        task = progress.add_task("", total=len(probes) * samples)

        async def measure(probe: "Probe", service: "Service") -> None:
            progress.update(task, description=probe.name)
            pairs = []
            async for pair in service.pairs(probe, samples):
                pairs.append(pair)
                progress.advance(task)
            comparisons[probe.name] = compare(pairs)

        async def measure_all() -> None:
            for (deliver, _), group in groupby(probes, lambda probe: (probe.while_delivering, probe.is_half_imported)):
                with temporary_service(
                    run_workers=deliver, database_url=database_url, in_memory=in_memory, registration=registration
                ) as service:
                    for probe in group:
                        await measure(probe, service)

        asyncio.run(measure_all())
    return comparisons


def _print_table(comparisons: "dict[str, Comparison]") -> None:
    from rich.console import Console
    from rich.table import Column

    columns = [Column(name, justify="right") for name in ("n", "known", "unknown", "difference", "", "AUC", "")]
    table = new_table(Column("endpoint", overflow="fold"), *columns, "verdict", caption="Times in milliseconds.")
    for name, comparison in comparisons.items():
        known, unknown = (f"{1e3 * seconds:.3f}" for seconds in (comparison.known, comparison.unknown))
        difference, auc = _formatted(comparison.difference, "+.3f", 1e3), _formatted(comparison.auc, ".3f")
        table.add_row(name, str(comparison.samples), known, unknown, *difference, *auc, comparison.verdict)
    Console(width=None if sys.stdout.isatty() else _WIDTH).print(table)


def _formatted(estimate: "Estimate", form: str, factor: float = 1.0) -> tuple[str, str]:
    value, low, high = (f"{factor * bound:{form}}" for bound in (estimate.value, estimate.low, estimate.high))
    return value, f"{low} … {high}"


def _print_json(comparisons: "dict[str, Comparison]") -> None:
    import json
    from dataclasses import asdict

    report = {name: asdict(each) | {"verdict": each.verdict.name.lower()} for name, each in comparisons.items()}
    echo(json.dumps(report, indent=2))
