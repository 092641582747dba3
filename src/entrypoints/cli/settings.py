"""`vestibule settings` and `vestibule hash-calibrate`."""

from typing import TYPE_CHECKING

import click

from .common import echo, new_table, stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..settings.parsers import HashCost

_MIN_KIB = 19 * 1024
_MAX_KIB = 1024 * 1024
_ROUNDS = 5


@click.command("settings")
def list_settings() -> None:
    """List all settings with their defaults and meanings.

    Each can also be read from a file, for example a secret of a container: VESTIBULE_EMAIL_URL_FILE=/run/secrets/email_url.

    \b
    vestibule settings
    """
    from rich.console import Console

    from ..settings import Settings

    table = new_table("Variable", "Default", "Meaning")
    for row in Settings.table():
        table.add_row(*row)
    Console().print(table)


@click.command("hash-calibrate")
@click.option("--target-ms", type=click.FloatRange(1, 5000), default=50, show_default=True, help="The time of one hash.")
def hash_calibrate(target_ms: float) -> None:
    """Find the password hash parameters for this machine.

    Measures parameters of increasing cost, and prints the setting of the most expensive ones within the target.

    \b
    vestibule hash-calibrate --target-ms 100
    """
    from ..container.factories import argon2_build

    echo(f"Argon2 is {argon2_build()}.")
    best = None
    for cost, milliseconds in _costs_with_times(target_ms):
        echo(f"{milliseconds:7.1f} ms  {cost}")
        best = cost if milliseconds <= target_ms else best
    if best is None:
        stop("even the cheapest safe parameters take longer than that on this machine; keep the default.")
    echo(f"VESTIBULE_PASSWORD_HASH={best}")


def _costs_with_times(target_ms: float) -> "Iterator[tuple[HashCost, float]]":
    """Yields costs with their milliseconds, up to the first one beyond the target.

    Two passes in one lane over more and more memory: memory is the scarcest resource of an attacker (RFC 9106 § 4).
    """
    from ..settings.parsers import HashCost

    memory = _MIN_KIB
    while memory <= _MAX_KIB:
        cost = HashCost(2, memory, 1)
        milliseconds = _milliseconds(cost)
        yield cost, milliseconds
        if milliseconds > target_ms:
            return
        memory = memory * 5 // 4 // 1024 * 1024


def _milliseconds(cost: "HashCost") -> float:
    """Returns the median of several verifications, one at a time."""
    from statistics import median

    from ..container.inspection import seconds_of_hash

    return median(seconds_of_hash(cost, _ROUNDS)) * 1000
