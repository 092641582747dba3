"""The soak test as a command; `scripts/soak` runs it."""

import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from secrets import randbelow

import click
from tests.soak.run import Result, SoakTest

HELP = """Run the journeys of simulated users on two nodes that are killed, and on a PostgreSQL that is stopped.

Starts a PostgreSQL (with fsync), a Redis, an S3, a mail server, an SMS gateway and the nodes, all on free ports of
127.0.0.1 and in a temporary directory. Users register, log in, refresh, change and reset passwords, use codes, upload
images and log out; each call goes to a random node. After each fifth of the journeys one fault is injected: a node is
killed, PostgreSQL is stopped (immediate mode), the other node is killed, Redis is killed. Each is restarted two
seconds later. Clients retry calls that got no response or a 503, as real clients do.

At the end each node must have all acknowledged changes, and must refuse all revoked, used and expired credentials:
accounts, passwords, sessions, images, codes, refresh tokens. The exit code is 0 if all promises held, 1 if a change was
lost, a secret was accepted twice or a response contradicts docs/api.md, and 130 after Ctrl-C.

Requires redis-server on the path; all other servers are development dependencies. A thousand journeys take some minutes.

\b
scripts/soak                     a thousand journeys
scripts/soak --journeys 80       about a minute
scripts/soak --seed 42           the same users with the same actions (their timing depends on the machine)
"""


@click.command(help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--journeys", type=click.IntRange(10, 1_000_000), default=1000, show_default=True, help="Number of journeys.")
@click.option("--clients", type=click.IntRange(1, 64), default=16, show_default=True, help="Number of concurrent clients.")
@click.option("--seed", type=int, help="Seed of the random choices.  [default: random, printed at the start]")
@click.option(
    "--workers",
    type=click.IntRange(1, 8),
    multiple=True,
    default=(2, 1),
    show_default=True,
    help="Number of workers of a node; once for each node.",
)
def main(journeys: int, clients: int, seed: int | None, workers: tuple[int, ...]) -> None:
    seed = randbelow(1_000_000) if seed is None else seed
    click.echo(f"Soak test: {journeys:,} journeys, {clients} clients, nodes of {_words(workers)} workers, seed {seed}")
    soak_test = SoakTest(journeys, seed=seed, clients=clients, workers=workers, report=click.echo)

    def stop(*_: object) -> None:
        """Raises on the second signal only: an exception in a callback of the garbage collector would be swallowed."""
        if soak_test.stopping.is_set():
            raise KeyboardInterrupt
        soak_test.stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with tempfile.TemporaryDirectory(prefix="vestibule-soak-") as directory:
        try:
            result = soak_test(Path(directory))
        except KeyboardInterrupt:
            click.echo("Stopped; nothing was checked.", err=True)
            sys.exit(130)
    click.echo(summary(result, journeys))
    sys.exit(1 if result.broken else 0)


def summary(result: Result, journeys: int) -> str:
    seen = result.counts.of
    actions = {name for name in seen if not name.startswith(("answered ", "checked: ")) and name not in _CALLS}
    parts = [
        ("Journeys", {"finished": len(result.users), "not finished": journeys - len(result.users)}),
        ("Faults", Counter(result.faults)),
        ("Calls", {"in all": seen["calls"], "without a response": seen["no response"], "retries": seen["retries"]}),
        ("Statuses", {name.removeprefix("answered "): seen[name] for name in sorted(seen) if name.startswith("answered ")}),
        ("Actions", {name: seen[name] for name in sorted(actions)}),
        ("Checked at the end", {w.removeprefix("checked: "): seen[w] for w in sorted(seen) if w.startswith("checked: ")}),
        ("Broken promises", {"in all": len(result.broken)}),
    ]
    lines = [line for title, numbers in parts for line in ("", title, *(f"{n:>10,}  {name}" for name, n in numbers.items()))]
    lines += [f"  - {broken}" for broken in result.broken[:20]]
    return "\n".join([*lines, "", f"{'FAILED' if result.broken else 'Passed'} after {result.seconds:.0f} s."])


_CALLS = {"calls", "no response", "retries"}


def _words(numbers: tuple[int, ...]) -> str:
    return " and ".join(f"{number}" for number in numbers)


if __name__ == "__main__":
    main(prog_name="scripts/soak")
