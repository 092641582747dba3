"""`python -m tests.soak`, which scripts/endure is."""

import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from secrets import randbelow

import click
from tests.soak.run import Endurance, Result

HELP = """Run people's journeys across two nodes that are killed, on a PostgreSQL that is stopped in the middle.

Starts a PostgreSQL (with fsync), a Redis, an S3, a mail server, an SMS gateway and the nodes, all on free ports of
127.0.0.1 and in a directory of their own, which goes in the end. People register, log in, refresh, change and reset
passwords, use codes, upload images and log out, each call at any of the nodes. After each fifth of the journeys
something breaks: a node is killed, PostgreSQL is stopped at once, the other node is killed, Redis is killed; each comes
back two seconds later. Clients retry calls without an answer and with a 503, as real ones do.

At the end everything that was acknowledged is looked for at every node, and everything that is over has to be refused:
accounts, passwords, sessions, images, codes, refresh tokens. The exit code is 0 if nothing was lost, taken twice, or
answered as docs/api.md does not allow, 1 if something was, 130 after Ctrl-C.

It needs redis-server on the path; all else comes with the tools. A thousand journeys take some minutes.

\b
scripts/endure                     a thousand journeys
scripts/endure --journeys 80       a minute's worth
scripts/endure --seed 42           the same people, who do the same (when they meet is up to the machine)
"""


@click.command(help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--journeys", type=click.IntRange(10, 1_000_000), default=1000, show_default=True, help="How many.")
@click.option("--clients", type=click.IntRange(1, 64), default=16, show_default=True, help="How many at a time.")
@click.option("--seed", type=int, help="What chance begins with.  [default: told at the start]")
@click.option(
    "--workers",
    type=click.IntRange(1, 8),
    multiple=True,
    default=(2, 1),
    show_default=True,
    help="Of each node: once for each.",
)
def main(journeys: int, clients: int, seed: int | None, workers: tuple[int, ...]) -> None:
    seed = randbelow(1_000_000) if seed is None else seed
    click.echo(f"Endurance: {journeys:,} journeys, {clients} clients, nodes of {_words(workers)} workers, seed {seed}")
    endurance = Endurance(journeys, seed=seed, clients=clients, workers=workers, tell=click.echo)

    def end(*_: object) -> None:
        endurance.over.set()  # for an exception that comes in a bad moment may be lost
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    with tempfile.TemporaryDirectory(prefix="vestibule-endurance-") as directory:
        try:
            result = endurance(Path(directory))
        except KeyboardInterrupt:
            click.echo("Stopped; nothing was checked.", err=True)
            sys.exit(130)
    click.echo(summary(result, journeys))
    sys.exit(1 if result.broken else 0)


def summary(result: Result, journeys: int) -> str:
    seen = result.counts.of
    done = {what for what in seen if not what.startswith(("answered ", "checked: ")) and what not in _CALLS}
    parts = [
        ("Journeys", {"finished": len(result.people), "not finished": journeys - len(result.people)}),
        ("What broke", Counter(result.faults)),
        ("Calls", {"in all": seen["calls"], "not answered": seen["no answer"], "tried again": seen["tried again"]}),
        ("Answers", {what.removeprefix("answered "): seen[what] for what in sorted(seen) if what.startswith("answered ")}),
        ("What people did", {what: seen[what] for what in sorted(done)}),
        ("Checked at the end", {w.removeprefix("checked: "): seen[w] for w in sorted(seen) if w.startswith("checked: ")}),
        ("Lost, taken twice, or answered as is not allowed", {"in all": len(result.broken)}),
    ]
    lines = [line for title, numbers in parts for line in ("", title, *(f"{n:>10,}  {what}" for what, n in numbers.items()))]
    lines += [f"  - {broken}" for broken in result.broken[:20]]
    return "\n".join([*lines, "", f"{'FAILED' if result.broken else 'Passed'} after {result.seconds:.0f} s."])


_CALLS = {"calls", "no answer", "tried again"}


def _words(numbers: tuple[int, ...]) -> str:
    return " and ".join(f"{number}" for number in numbers)


if __name__ == "__main__":
    main(prog_name="scripts/endure")
