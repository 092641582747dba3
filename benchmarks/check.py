"""Lower bounds of ratios within one run, so that the check can run on any machine."""

from collections.abc import Sequence
from contextlib import ExitStack

from rich.console import Console

from .calls import ACCOUNT, LOGIN, REFRESH, REGISTER, SEND, UNIQUE, VERIFY
from .measure import Run, cost_ratio
from .places import POSTGRES, SQLITE
from .report import show_targets
from .start import start
from .table import measure
from .targets import ARGON2, GET, POST, at_least

BOUNDS = (
    (ACCOUNT, SQLITE, GET, ACCOUNT, 0.5),
    (ACCOUNT, POSTGRES, GET, ACCOUNT, 0.4),
    (REFRESH, SQLITE, POST, REFRESH, 0.28),
    (REFRESH, POSTGRES, POST, REFRESH, 0.17),
    (UNIQUE, SQLITE, POST, UNIQUE, 0.45),
    (SEND, SQLITE, POST, REFRESH, 0.18),
    (VERIFY, SQLITE, POST, REFRESH, 0.22),
    (SEND, POSTGRES, POST, REFRESH, 0.12),
    (VERIFY, POSTGRES, POST, REFRESH, 0.13),
    (LOGIN, SQLITE, ARGON2, LOGIN, 0.75),
    (LOGIN, POSTGRES, ARGON2, LOGIN, 0.75),
    (REGISTER, SQLITE, ARGON2, LOGIN, 0.75),
    (REGISTER, POSTGRES, ARGON2, LOGIN, 0.75),
)
"""Processor time of a baseline, divided by that of a call on a database: below today's ratios, because of noise."""


def check(console: Console, stack: ExitStack, run: Run, databases: Sequence[str]) -> int:
    """The exit code: 1 if a ratio is below its bound."""
    results = measure(stack, run, list(dict.fromkeys(call for call, *_ in BOUNDS)), databases, [])
    found = {(row.call, row.name): row for row in results.rows}
    targets = [
        at_least(f"{call}, {name} : {baseline}, by CPU", cost_ratio(found[call, name], found[baseline_of, baseline]), minimum)
        for call, name, baseline, baseline_of, minimum in BOUNDS
        if (call, name) in found
    ]
    targets += [target for target in start(stack, Run(0.0, run.rounds, run.progress), SQLITE)[1] if "MiB" not in target.name]
    show_targets(console, targets)
    return 0 if all(target.is_met for target in targets) else 1
