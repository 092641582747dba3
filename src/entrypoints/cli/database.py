"""`vestibule migrate`, `copy`, `backup`, `restore` and `end-sessions`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from .common import (
    check_settings_or_stop,
    echo,
    errors_in_one_line,
    has_password,
    load_settings,
    operator,
    progress_bars,
    without_secrets,
)

TableProgress = Callable[[str, str, int, int], None]
"""Receives the step ("copied" or "compared"), the table, and the number of finished rows and of all rows."""
FileProgress = Callable[[int, int], None]

_WITH_KEYS = """\
Warning: the backup contains the keys, with which an attacker can log in to any account.
Encrypt it before it leaves this machine."""
_WITHOUT_KEYS = """\
A restore needs VESTIBULE_SECRET, which is not in the backup.
Keep the secret in another place: without it all sessions are lost."""


@click.command()
def migrate() -> None:
    """Migrate the database to the schema of this version.

    The server migrates the embedded database when it starts. PostgreSQL needs this command, or `vestibule serve --migrate`.

    \b
    VESTIBULE_DATABASE_URL=postgresql://vestibule@db/vestibule vestibule migrate
    """
    settings = load_settings()
    check_settings_or_stop(settings, migrate=True)
    echo(f"The database is at the schema of this version: {without_secrets(settings.resolved_database_url)}")


@click.command()
@click.option("--from", "source", metavar="URL", help="The database to copy.  [default: that of VESTIBULE_DATABASE_URL]")
@click.option("--to", "target", metavar="URL", help="The empty database to fill.  [default: that of VESTIBULE_DATABASE_URL]")
def copy(source: str | None, target: str | None) -> None:
    """Copy all accounts, sessions, codes, messages and the audit log into an empty database.

    Works between SQLite and PostgreSQL in any direction; stop the servers first. The target is migrated, filled and compared
    in one transaction: after an error it is unchanged. One of the two options is enough. Put a URL with a password into
    VESTIBULE_DATABASE_URL_FILE, because other users can read a command line.

    \b
    vestibule copy --from sqlite:////var/lib/vestibule/vestibule.db --to postgresql://vestibule@db/vestibule
    """
    if source is None and target is None:
        raise click.UsageError("Name one of the databases or both: --from, --to, or both.")
    from ..container.factories import images_in, keys_file
    from ..container.maintenance import copy_database

    settings = load_settings()
    for option, url in (("--from", source), ("--to", target)):
        if url is not None and has_password(url):
            echo(f"Warning: others can read the password in {option}; use VESTIBULE_DATABASE_URL instead.", err=True)
    started = datetime.now(UTC)
    with errors_in_one_line(), _table_progress() as progress:
        copied = copy_database(source or settings.resolved_database_url, target or settings.resolved_database_url, progress)
    for table in copied:
        echo(f"{table.table:<12}{table.rows:>10} rows  {table.checksum[:16]}")
    echo(f"Copied and compared: {without_secrets(target or settings.resolved_database_url)}")
    echo(f"Changes of the source after {started:%Y-%m-%d %H:%M:%S} UTC are not in the copy.")
    echo("Every server that uses the copy also needs:")
    are_encrypted = any(table.table == "keys" and table.rows for table in copied)
    echo("  keys    the same VESTIBULE_SECRET" if are_encrypted else f"  keys    {keys_file(settings).absolute()}")
    images = images_in(settings)
    echo(f"  images  {settings.images_url if images is None else f'{images.absolute()}/'}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def backup(file: Path) -> None:
    """Back up the embedded database, the keys and the images into the new zip file FILE, while the server runs.

    The backup contains all changes that were acknowledged before it began, and every image of the accounts in it. It appears
    under its name when it is complete. It contains the keys: encrypt it before it leaves this machine.

    \b
    vestibule backup /backups/vestibule-2026-11-23.zip
    """
    from .backups import back_up

    settings = load_settings()
    with errors_in_one_line(), _file_progress("images packed") as progress:
        summary = back_up(settings, file, progress)
    echo(f"The backup is {file.absolute()}")
    for line in summary.lines():
        echo(line)
    if summary.images is None:
        echo(f"The images are not in the backup: they are in {settings.images_url}")
    echo(_WITH_KEYS if summary.has_key_file else _WITHOUT_KEYS)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--keep-sessions", is_flag=True, help="Keep the sessions and open codes of the backup.")
def restore(file: Path, keep_sessions: bool) -> None:
    """Restore the backup FILE into the data directory, which must be empty or absent.

    All checksums, the database and the keys are verified first. If one of them is bad, nothing is restored. All sessions and
    open codes end, because a session that its owner ended after the backup would be active again.

    \b
    VESTIBULE_DATA_DIR=/var/lib/vestibule-new vestibule restore /backups/vestibule-2026-11-23.zip
    """
    from .backups import restore as restore_backup

    settings = load_settings()
    with errors_in_one_line(), _file_progress("files restored") as progress:
        summary = restore_backup(settings, file, progress, actor=operator().actor, keep_sessions=keep_sessions)
    echo(f"Restored in {settings.data_dir.absolute()}/")
    for line in summary.lines():
        echo(line)
    if summary.ended_sessions is None:
        echo("Warning: sessions that were ended after the backup are active again; end them with `vestibule end-sessions`.")
    else:
        echo(f"Ended all sessions ({summary.ended_sessions}) and open codes; everybody logs in again.")
    echo("Keys that were revoked after the backup are valid again: check `vestibule keys list` before you start the server.")


@click.command("end-sessions")
@click.confirmation_option(prompt="End all sessions, so that everybody has to log in again?")
def end_sessions() -> None:
    """End the sessions and open codes of all accounts, for example after a restore of PostgreSQL.

    \b
    vestibule end-sessions --yes
    """
    from ..container.maintenance import end_sessions as end_all

    settings = load_settings()
    check_settings_or_stop(settings)
    with errors_in_one_line():
        ended = end_all(settings.resolved_database_url, by="the operator", actor=operator().actor)
    echo(f"Ended all sessions ({ended}) and open codes.")


@contextmanager
def _file_progress(step: str) -> Iterator[FileProgress]:
    """Shows a bar on a terminal and nothing elsewhere: cron runs backups, and mails each line of output."""
    with progress_bars() as bars:
        task = bars.add_task(step, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextmanager
def _table_progress() -> Iterator[TableProgress]:
    """Shows a bar for each table on a terminal; elsewhere a line for every hundred thousand rows, and one at the end."""
    with progress_bars() as bars:
        tasks = {}

        def update(step: str, table: str, done: int, total: int) -> None:
            if bars.disable:
                if done == total or (done and done % 100_000 == 0):
                    echo(f"{table}: {done} of {total} rows {step}", err=True)
                return
            if (step, table) not in tasks:
                tasks[step, table] = bars.add_task(f"{table} {step}", total=total)
            bars.update(tasks[step, table], completed=done)

        yield update
