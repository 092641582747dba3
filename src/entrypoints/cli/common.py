"""Helpers of the commands: settings, use cases, errors in one line, and URLs without secrets.

The commands import libraries when they run, so that help comes at once.
"""

import json
import os
import re
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

    from msgspec import Struct
    from rich.progress import Progress
    from rich.table import Column, Table

    from ...application import Operator, Refusal
    from ..facade import Vestibule
    from ..settings import Settings


def printable(text: str) -> str:
    r"""Writes control characters, marks that turn the direction of text, and other invisible ones as `\u009b` or `\u202e`.

    A terminal obeys them: a caller's user agent or an imported name could overwrite lines, or change the terminal itself.
    """
    return "".join(mark if mark.isprintable() else json.dumps(mark)[1:-1] for mark in text)


def echo(text: str, *, err: bool = False) -> None:
    """Prints lines, each of them `printable`. The commands print through this function, `print_json` and tables alone."""
    click.echo("\n".join(map(printable, text.split("\n"))), err=err)


REFUSED = 1
"""The exit code of a command that was refused and changed nothing; 2 is for a wrong call, settings, and dependencies."""


def stop(line: str, code: int = 2) -> NoReturn:
    """Ends the command with one line."""
    echo(f"vestibule: {line}", err=True)
    sys.exit(code)


def load_settings() -> "Settings":
    """Returns the settings of the environment and configures the log. Ends the command if a setting is invalid."""
    from ..observability.log_format import configure_logs
    from ..settings import Settings

    with errors_in_one_line():
        settings = Settings.from_environment(os.environ)
    configure_logs(settings)
    return settings


def check_settings_or_stop(settings: "Settings", *, migrate: bool = False) -> None:
    """Ends the command if the service cannot run on these settings. With `migrate` it migrates the database first."""
    from ..container.composition import check_settings

    with errors_in_one_line():
        check_settings(settings, migrate=migrate)


@contextmanager
def errors_in_one_line() -> "Iterator[None]":
    """Ends the command if the block raises; files that it makes are private."""
    os.umask(0o077)
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        stop(str(error))


@contextmanager
def use_cases() -> "Iterator[Vestibule]":
    """Yields the use cases. A refusal ends the command with a line, for invalid arguments with one for each field."""
    settings = load_settings()
    check_settings_or_stop(settings)

    from ...application import Refusal
    from ..container import build

    with build(settings, run_workers=False) as vestibule:
        try:
            yield vestibule
        except Refusal as refusal:
            _refuse(refusal)


def _refuse(refusal: "Refusal") -> NoReturn:
    """Ends the command: with exit code 2 if a dependency is down, else with 1."""
    from ...application import ErrorCode, InvalidInput, Unavailable

    if isinstance(refusal, Unavailable):
        stop(refusal.detail)
    if not isinstance(refusal, InvalidInput):
        stop(refusal.detail, REFUSED)
    for field, messages in refusal.errors.items():
        echo(f"{field}: {' '.join(messages)}", err=True)
    if any(ErrorCode.TEST_DOMAIN in codes for codes in refusal.codes.values()):
        echo("VESTIBULE_TEST_DOMAINS=on accepts such domains, for development.", err=True)
    sys.exit(REFUSED)


def operator() -> "Operator":
    """Returns the operator for the audit log: `command line (ada)`, and through sudo `command line (ada as vestibule)`."""
    import pwd

    from ...application import Operator

    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # in a container a user needs no name
        user = f"user {os.getuid()}"
    person = printable(os.environ.get("SUDO_USER", user))[:64]
    return Operator(name=f"command line ({user})" if person == user else f"command line ({person} as {user})")


class DashArgumentCommand(click.Command):
    """A command whose only option is help: everything else is an argument that may begin with a dash, such as a key id."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not {"--", *ctx.help_option_names}.intersection(args):
            args = ["--", *args]
        return super().parse_args(ctx, args)


class CommandGroup(click.Group):
    """A group whose help has the whole first sentence of each command, which click would cut off at the end of a line."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.commands[name].get_short_help_str(1000)) for name in self.list_commands(ctx)])


@contextmanager
def new_file(target: str) -> "Iterator[BinaryIO]":
    """Yields a private file that replaces none. After an error, or Ctrl-C, there is none."""
    if target == "-":
        yield sys.stdout.buffer
        return
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        stop(f"cannot make {target}: {error.strerror}")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except BaseException:
        with suppress(OSError):
            Path(target).unlink()
        raise


@contextmanager
def broken_pipe_ignored(error: type[OSError] = BrokenPipeError) -> "Iterator[None]":
    """Lets `vestibule … | head` end without an error, and with `OSError` goes on without any output that can be written."""
    try:
        yield
    except error:
        discard_output()


def discard_output() -> None:
    """Sends further output, and what Python writes at its exit, nowhere."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def check_ports_or_stop(settings: "Settings", *, metrics_only: bool = False) -> None:
    """Ends the command if the process cannot listen where the settings say."""
    from ..listening import check_port

    with errors_in_one_line():
        if not metrics_only:
            check_port("", settings.host, settings.port)
        if settings.metrics_port is not None:
            check_port("METRICS_", settings.metrics_host, settings.metrics_port)


def print_destinations(settings: "Settings", width: int) -> None:
    """Prints where the messages of each channel go, in a column that begins at `width`."""
    files = f"{settings.data_dir.absolute() / 'outbox'}/ (files, shown here too)"
    names = {"mail": "Mail goes to", "sms": "SMS go to", "events": "Events go to"}
    for channel, destination in destinations(settings).items():
        echo(f"{names[channel]:<{width}}{files if destination == 'outbox:' else destination}")


def destinations(settings: "Settings") -> dict[str, str]:
    """Returns where messages go, without secrets. In the URL of an SMS gateway any part but the scheme may be one."""
    sms = settings.sms_url.partition(":")[0] + ":"
    channels = {"mail": without_secrets(settings.email_url), "sms": sms}
    return channels if settings.webhook_url is None else channels | {"events": without_secrets(settings.webhook_url)}


def progress_bars() -> "Progress":
    """Returns bars on a terminal; elsewhere they show nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def new_table(*columns: "Column | str", caption: str | None = None) -> "Table":
    from rich import box
    from rich.table import Table

    return Table(*columns, box=box.SIMPLE, pad_edge=False, caption=caption)


def print_json(members: "Mapping[str, object]") -> None:
    """Prints one line, without members that are None. A reader of JSON sees invisible characters as they were."""
    echo(json.dumps({name: value for name, value in members.items() if value is not None}, ensure_ascii=False))


def members_of(response: "Struct") -> dict[str, Any]:
    """Returns what the response body has over HTTP, with times as text."""
    from msgspec import to_builtins

    return cast("dict[str, Any]", to_builtins(response))


def print_document(document: "Mapping[str, object]") -> None:
    """Prints one line, with every member; those that are None too."""
    echo(json.dumps(document, ensure_ascii=False))


def without_secrets(url: str) -> str:
    """Returns the scheme, the host and the name of a database; user, password and query may be secret."""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return str(Path(unquote(url.removeprefix("sqlite:///"))))
    if not parts.netloc:
        return f"{parts.scheme}:"
    name = parts.path if parts.scheme.startswith("postgres") else ""
    return f"{parts.scheme}://{parts.hostname or '…'}{name}"


def has_password(url: str) -> bool:
    return re.match(r"[^:/?#]+://[^/?#]*:[^/?#]*@", url) is not None or "password=" in url
