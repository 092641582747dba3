"""The command line. Each command imports what it needs when it runs, so that help comes at once."""

import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from .dash_arguments import Naming
from .deliver import deliver
from .keys import keys
from .outbox import outbox
from .timing import prove

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from ..facade import Vestibule
    from ..settings import Settings

_SERVE_HELP = """Start the server.

Everything is set by VESTIBULE_ variables (`vestibule settings` lists them); the options here stand in for a few of them.
Nothing has to be set: accounts are then kept in SQLite under ./data, and mail and SMS become files there, shown here too.
"""


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `vestibule serve`, then open http://127.0.0.1:8000/docs.",
)
@click.version_option(package_name="vestibule-accounts", message="%(prog)s %(version)s")
def main() -> None:
    """Vestibule keeps user accounts: registration, login, one-time codes, password reset, sessions."""


main.add_command(deliver)
main.add_command(keys)
main.add_command(outbox)
main.add_command(prove)


@main.command(help=_SERVE_HELP, short_help="Start the server.")
@click.option("--host", help="The address to listen on [VESTIBULE_HOST].")
@click.option("--port", type=click.IntRange(1, 65_535), help="The port to listen on [VESTIBULE_PORT].")
@click.option("--workers", type=click.IntRange(1, 64), help="How many server processes [VESTIBULE_WORKERS].")
@click.option("--data-dir", type=click.Path(file_okay=False), help="Where everything is kept [VESTIBULE_DATA_DIR].")
@click.option("--migrate", "migrating", is_flag=True, help="Bring a server's database to the schema of this version first.")
def serve(*, migrating: bool, **options: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until it serves: amid imports a KeyboardInterrupt may be lost
    for name, value in options.items():
        if value is not None:
            os.environ[f"VESTIBULE_{name.upper()}"] = str(value)
    settings = _settings()
    if migrating:
        _prepare(settings, migrating=True)
    _prepare(settings)

    _await_port("PORT", settings.host, settings.port)
    if settings.metrics_port is not None:
        _await_port("METRICS_PORT", settings.metrics_host, settings.metrics_port)
    from ..server import serve as listen

    if settings.log_format == "text":
        _greet(settings)
    listen(settings)


@main.command()
def migrate() -> None:
    """Bring the database to the schema of this version.

    The embedded database is brought there whenever the server starts; a PostgreSQL only by this, or by `serve --migrate`.
    """
    settings = _settings()
    _prepare(settings, migrating=True)
    click.echo(f"The database is at the schema of this version: {_shown(settings.accounts_url)}")


@main.command()
@click.option("--from", "source", metavar="URL", help="The database to copy.  [default: that of VESTIBULE_DATABASE_URL]")
@click.option("--to", "target", metavar="URL", help="The empty database to fill.  [default: that of VESTIBULE_DATABASE_URL]")
def copy(source: str | None, target: str | None) -> None:
    """Copy all accounts, sessions, codes, messages and the journal into an empty database.

    From SQLite to PostgreSQL, or any other way; stop the servers first. The target is migrated, filled and compared in one
    transaction: after a fault it is as it was. One of the two may be left out: a URL with a password belongs into
    VESTIBULE_DATABASE_URL_FILE, for others can read a command line.

    \b
    vestibule copy --from sqlite:////var/lib/vestibule/vestibule.db --to postgresql://vestibule@db/vestibule
    """
    from .transfer import move

    if source is None and target is None:
        raise click.UsageError("Name the one database or the other: --from, --to, or both.")
    move(_settings(), source, target)


@main.command()
@click.argument("place", metavar="FILE", type=click.Path(path_type=Path))
def backup(place: Path) -> None:
    """Back up the embedded database, the keys and the images into the new zip file FILE, while the server runs.

    The backup contains all changes that were acknowledged before it began, and every image of the accounts in it. It appears
    under its name when it is complete. It contains the keys: encrypt it before it leaves this machine.

    \b
    vestibule backup /backups/vestibule-2026-11-23.zip
    """
    from .transfer import make_backup

    make_backup(_settings(), place)


@main.command()
@click.argument("place", metavar="FILE", type=click.Path(path_type=Path))
def restore(place: Path) -> None:
    """Restore the backup FILE into the data directory, which must be empty or absent.

    All checksums, the database and the keys are verified first. If one of them is bad, nothing is restored.

    \b
    VESTIBULE_DATA_DIR=/var/lib/vestibule-new vestibule restore /backups/vestibule-2026-11-23.zip
    """
    from .transfer import take_up_backup

    take_up_backup(_settings(), place)


@main.command("create-superuser")
@click.option("--username", prompt=True)
@click.option("--email", prompt=True)
@click.option("--name", prompt="Full name")
@click.option("--password-file", type=click.File(), help="A file to read the password from; - for standard input.")
def create_superuser(username: str, email: str, name: str, password_file: "TextIO | None") -> None:
    """Make an account that may do everything. Asks for what is not given."""
    password = (
        password_file.read().rstrip("\r\n")
        if password_file is not None
        else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    from ...application import InvalidInput

    with _use_cases() as vestibule:
        try:
            account = vestibule.create_superuser(username=username, name=name, email=email, password=password)
        except InvalidInput as refusal:
            for field, messages in refusal.errors.items():
                click.echo(f"{field}: {' '.join(messages)}", err=True)
            sys.exit(1)
    click.echo(f"Made the superuser {account.username.text}, account {account.id}.")


@main.command(cls=Naming)
@click.argument("who")
def deactivate(who: str) -> None:
    """Deactivate an account, meant by its username, email or mobile.

    It ends the account's sessions and open codes; nobody logs in to it until it is activated again.
    """
    _set_active(who, active=False)


@main.command(cls=Naming)
@click.argument("who")
def activate(who: str) -> None:
    """Activate an account that was deactivated."""
    _set_active(who, active=True)


@main.command()
@click.option("--account", type=int, help="Of this account alone.")
@click.option("--what", help="Of this kind alone, such as login_failed.")
@click.option("--address", help="Of callers at this network address alone.")
@click.option("--since", help="From this moment on: 2026-11-23 or 2026-11-23T16:05, UTC.")
@click.option("--until", help="Before this moment.")
@click.option("--after", type=click.IntRange(0), default=0, help="After this position, to go on where you stopped.")
@click.option("--most", type=click.IntRange(1), help="This many at most.")
def journal(limit: int | None, **wanted: Any) -> None:
    """Show what happened: one JSON object a line, the oldest first.

    Who did what, when and from where, refused attempts included; kept for 400 days.
    """
    from .journal import query, show

    asked = query(**wanted)
    with _use_cases() as vestibule:
        show(vestibule, asked, limit)


@main.command()
def purge() -> None:
    """Delete what has ended long enough ago.

    The server does so by itself every hour. Codes go after a day, sessions 30 days after their end, messages that were
    given up after a week, the journal's events after 400 days.
    """
    with _use_cases() as vestibule:
        click.echo(f"Deleted: {vestibule.purge()} rows.")


@main.command("sweep-images")
@click.option("--delete", is_flag=True, help="Delete them. Without this they are only counted.")
def sweep_images(delete: bool) -> None:
    """Count the images that no account has, and delete them.

    An upload that was killed halfway leaves one, and a storage that was down when an image was replaced. Those of the last
    hour do not count. Look at the numbers before you say --delete: with a database that is not theirs no image has an account.
    """
    with _use_cases() as vestibule:
        swept = vestibule.sweep_images(delete=delete)
    click.echo(f"Images: {swept.images}, {swept.unreferenced} of them of no account. Deleted: {swept.deleted}.")
    if swept.unreferenced > swept.deleted:
        all_of_them = "No account has any of them: is this their database?"
        click.echo(all_of_them if swept.unreferenced == swept.images else "Delete them by `vestibule sweep-images --delete`.")


@main.command("hash-calibrate")
@click.option("--target-ms", type=click.FloatRange(1, 5000), default=50, show_default=True, help="What a login may take.")
def hash_calibrate(target_ms: float) -> None:
    """Find what a password hash may cost on this machine.

    Tries dearer and dearer ones, and ends with the setting of the dearest that takes no longer than the target.
    """
    from .calibrate import calibrate

    best = None
    for cost, milliseconds in calibrate(target_ms):
        click.echo(f"{milliseconds:7.1f} ms  {cost}")
        best = cost if milliseconds <= target_ms else best
    if best is None:
        _stop("even the least that is safe takes longer than that on this machine; keep the default.")
    click.echo(f"VESTIBULE_PASSWORD_HASH={best}")


@main.command("settings")
def list_settings() -> None:
    """List every setting with its default and its meaning.

    Each can also be read from a file: VESTIBULE_EMAIL_URL_FILE=/run/secrets/email_url.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from ..settings import Settings

    table = Table("Variable", "Default", "Meaning", box=box.SIMPLE, pad_edge=False)
    for row in Settings.table():
        table.add_row(*row)
    Console().print(table)


def _set_active(who: str, *, active: bool) -> None:
    with _use_cases() as vestibule:
        account = vestibule.set_active(who=who, active=active)
    click.echo(f"Account {account.id}, {account.username.text}, is {'active' if active else 'deactivated'}.")


@contextmanager
def _use_cases() -> "Iterator[Vestibule]":
    """What is refused ends the command with one line."""
    settings = _settings()
    _prepare(settings)

    from ...application import Refusal
    from ..container import build

    with build(settings, deliver=False) as vestibule:
        try:
            yield vestibule
        except Refusal as refusal:
            _stop(refusal.detail)


def _settings() -> "Settings":
    from ..observability.log_format import configure_logs
    from ..settings import Settings, SettingsError

    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        _stop(str(error))
    configure_logs(settings)
    return settings


def _prepare(settings: "Settings", *, migrating: bool = False) -> None:
    from ..container.build import check_settings
    from ..settings import SettingsError

    os.umask(0o077)
    try:
        check_settings(settings, migrating=migrating)
    except SettingsError as error:
        _stop(str(error))


def _await_port(name: str, host: str, port: int) -> None:
    """Two servers on one port would share its calls; one that was just killed gets some seconds to let go of it."""
    import socket
    import time

    deadline = time.monotonic() + 3
    while True:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if time.monotonic() >= deadline:
                    _stop(f"VESTIBULE_{name}: cannot listen on {host}:{port}: {error.strerror}.")
            else:
                return
        time.sleep(0.1)


def _stop(line: str) -> NoReturn:
    click.echo(f"vestibule: {line}", err=True)
    sys.exit(2)


def _way(settings: "Settings", url: str) -> str:
    """Where mail or SMS go."""
    files = settings.data_dir.absolute() / "outbox"
    return f"{files}/ (files, shown here too)" if url.startswith("outbox:") else _shown(url)


def _greet(settings: "Settings") -> None:
    click.echo(f"Vestibule listens on  {settings.url}{settings.api_prefix}/")
    if settings.has_docs:
        click.echo(f"Try it on             {settings.url}{settings.api_prefix}/docs")
    click.echo(f"Accounts are kept in  {_shown(settings.accounts_url)}")
    click.echo(f"Everything else in    {settings.data_dir.absolute()}/")
    if settings.images_url != "file:":
        click.echo(f"Images are kept in    {settings.images_url}")
    if settings.courier:
        click.echo(f"Mail goes to          {_way(settings, settings.email_url)}")
        click.echo(f"SMS go to             {_way(settings, settings.sms_url)}")
        if settings.webhook_url is not None:
            click.echo(f"Events go to          {_way(settings, settings.webhook_url)}")
    else:
        click.echo("Mail and SMS wait for vestibule deliver")
    if settings.rate_limits and settings.redis_url is not None:
        click.echo(f"Limits are counted in {_shown(settings.redis_url)}")
    if settings.metrics_port is not None:
        click.echo(f"Metrics are at        http://{settings.metrics_host}:{settings.metrics_port}/metrics")
    click.echo("Stop it with Ctrl-C.")


def _shown(url: str) -> str:
    """A URL without who logs in by it, nor anything that may hold a token."""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return str(Path(unquote(url.removeprefix("sqlite:///"))))
    name = parts.path if parts.scheme.startswith("postgres") else ""
    return f"{parts.scheme}://{parts.hostname or '…'}{name}"
