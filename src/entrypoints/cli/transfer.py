"""`vestibule copy`, `vestibule backup` and `vestibule restore`: what they say."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..container.factories import images_in, keys_in
from ..container.maintenance import copy_accounts
from . import _shown, _stop

if TYPE_CHECKING:
    from ..settings import Settings

Tell = Callable[[str, str, int, int], None]

_OPEN = """\
Warning: the backup contains the keys, with which an attacker can log in to any account.
Encrypt it before it leaves this machine."""
_SEALED = """\
A restore needs VESTIBULE_SECRET, which is not in the backup.
Keep the secret in another place: without it all sessions are lost."""


def move(settings: "Settings", source: str | None, target: str | None) -> None:
    """From one database to the other; the one that is not named is the one that is set."""
    for option, url in (("--from", source), ("--to", target)):
        if url is not None and _has_password(url):
            click.echo(f"Warning: others can read the password in {option}; leave it to VESTIBULE_DATABASE_URL.", err=True)
    begun = datetime.now(UTC)
    with _refusals(), _progress() as tell:
        copied = copy_accounts(source or settings.accounts_url, target or settings.accounts_url, tell)
    for table in copied:
        click.echo(f"{table.table:<12}{table.rows:>10} rows  {table.checksum[:16]}")
    click.echo(f"Copied and compared: {_shown(target or settings.accounts_url)}")
    click.echo(f"What was written to the other one after {begun:%Y-%m-%d %H:%M:%S} UTC is not in it.")
    click.echo("Every server that uses it needs these as well:")
    sealed = any(table.table == "keys" and table.rows for table in copied)
    click.echo("  keys    VESTIBULE_SECRET, the same" if sealed else f"  keys    {keys_in(settings).absolute()}/")
    images = images_in(settings)
    click.echo(f"  images  {settings.images_url if images is None else f'{images.absolute()}/'}")


def make_backup(settings: "Settings", place: Path) -> None:
    from .backups import back_up

    with _refusals(), _file_progress("files packed") as progress:
        held = back_up(settings, place, progress)
    click.echo(f"The backup is {place.absolute()}")
    for line in held.lines():
        click.echo(line)
    if held.images is None:
        click.echo(f"Images are not in it: they are in {settings.images_url}")
    click.echo(_SEALED if held.keys is None else _OPEN)


def take_up_backup(settings: "Settings", place: Path) -> None:
    from .backups import restore

    with _refusals(), _file_progress("files restored") as progress:
        held = restore(settings, place, progress)
    click.echo(f"Restored in {settings.data_dir.absolute()}/")
    for line in held.lines():
        click.echo(line)
    click.echo("A key that was revoked since is among the keys again: look at `vestibule keys list` before you serve.")


def _has_password(url: str) -> bool:
    found = re.match(r"[^:/?#]+://[^/?#]*:[^/?#]*@", url)
    return found is not None or "password=" in url


@contextmanager
def _refusals() -> Iterator[None]:
    """Whatever cannot be done ends the command with one line."""
    os.umask(0o077)
    try:
        yield
    except (ValueError, OSError, ImportError) as fault:
        _stop(str(fault))


@contextmanager
def _progress() -> Iterator[Tell]:
    """A bar for each table on a terminal, else a line."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _tell_in_lines
        return
    columns = TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        tasks: dict[tuple[str, str], TaskID] = {}

        def tell(doing: str, table: str, done: int, total: int) -> None:
            if (doing, table) not in tasks:
                tasks[doing, table] = progress.add_task(f"{table} {doing}", total=total)
            progress.update(tasks[doing, table], completed=done)

        yield tell


@contextmanager
def _file_progress(doing: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, else nothing: backups are made by cron, which mails each line of output."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _tell_in_lines(doing: str, table: str, done: int, total: int) -> None:
    """A line each hundred thousand rows, and one at the end."""
    if done == total or (done and done % 100_000 == 0):
        click.echo(f"{table}: {done} of {total} rows {doing}", err=True)
