"""`vestibule import`."""

import signal
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from .common import REFUSED, echo, has_password, new_table, operator, print_json, progress_bars, stop, use_cases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from ...application import RowReport
    from ...application.ports import AccountSource
    from ..facade import Vestibule

_MAX_LINES = 50
_INTERRUPTED = 130
_GOES_ON = "The same command goes on from there."


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--from-drf-user", metavar="URL", help="Read the database of drf-user: postgresql://… or sqlite:///…")
@click.option("--from-django", metavar="URL", help="Read the users of a Django project.")
@click.option("--from-fastapi-users", metavar="URL", help="Read the users of fastapi-users.")
@click.option("--table", metavar="NAME", help="The table of users.  [default: auth_user of Django, user of fastapi-users]")
@click.option("--distrust-validation", is_flag=True, help="Take no address of drf-user as verified.")
@click.option("--dry-run", is_flag=True, help="Store nothing; only say what an import would do. It looks at no images.")
@click.option("--report", type=click.Path(path_type=Path), help="Append a JSON object for each row to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@click.option("--media", type=click.Path(path_type=Path), help="The directory of the images that the rows name.")
@click.option("--no-images", is_flag=True, help="Import no images now; a later run can.")
@click.option("--new-ids", is_flag=True, help="Give the accounts new ids, in place of those in the source.")
@click.option(
    "--accept-hash",
    "accept_hashes",
    multiple=True,
    metavar="KIND",
    help="Keep weak password hashes of this kind, such as md5, until the next login. Can be given several times.",
)
@click.option("--source-timezone", default="UTC", show_default=True, help="The time zone of times without an offset.")
@click.option("--source-name", help="The name by which later runs know the source.  [default: file:NAME, drf-user:DATABASE …]")
@click.option("--reason", help="The reason, for the audit log.")
def import_accounts(
    *,
    file: Path | None,
    from_drf_user: str | None,
    from_django: str | None,
    from_fastapi_users: str | None,
    table: str | None,
    distrust_validation: bool,
    dry_run: bool,
    report: Path | None,
    as_json: bool,
    media: Path | None,
    no_images: bool,
    new_ids: bool,
    accept_hashes: tuple[str, ...],
    source_timezone: str,
    source_name: str | None,
    reason: str | None,
) -> None:
    """Import accounts, with their passwords, from FILE: JSON Lines (.jsonl) or CSV (.csv), or from a database.

    Every row is reported: taken in, changed, or refused and why. Names that another account has are changed (bob-2), and
    addresses that cannot be read or are taken are left out. The exit code is 1 if rows were refused.

    The server may run meanwhile. Rows are committed by the thousand: after Ctrl-C or a crash the same command goes on. Run it
    again later, and it takes over the changes in the source since, except for fields that were changed here too. Import
    before you create accounts here, because ids that are in use here are refused. docs/import.md has the columns.

    \b
    vestibule import users.jsonl --dry-run
    vestibule import users.jsonl --report report.jsonl
    vestibule import users.csv --media /srv/shop/media --source-timezone Asia/Kolkata
    vestibule import --from-drf-user postgresql://shop@db/shop --media /srv/shop/media
    """
    from ...application import SourceError
    from ..container.sources import SourceOptions, database_source, file_source

    databases = {"drf-user": from_drf_user, "django": from_django, "fastapi-users": from_fastapi_users}
    [(kind, place), *more] = [(one, url) for one, url in {"file": file, **databases}.items() if url is not None] or [("", "")]
    _check(kind, has_more=bool(more), has_table=table is not None, distrusts=distrust_validation)
    if has_password(str(place)):
        echo("Warning: others can read the password in the URL; use PGPASSWORD or ~/.pgpass instead.", err=True)
    options = SourceOptions(
        name=source_name, timezone=source_timezone, media=media, table=table, trust_validation=not distrust_validation
    )
    with use_cases() as vestibule:
        try:
            source = file_source(place, options) if isinstance(place, Path) else database_source(kind, str(place), options)
            with _written_to(report) as rows:
                done = _Import(rows, shows_lines=not as_json)
                done.run(vestibule, source, reason, dry_run=dry_run, new_ids=new_ids, accept_hashes=accept_hashes)
                if media is not None and not (no_images or dry_run or done.is_stopped):
                    done.run_images(vestibule, source, reason)
        except SourceError as error:
            stop(str(error))
    if as_json:
        print_json(done.members(source.name, dry_run=dry_run))
    else:
        done.print_summary(source, dry_run=dry_run)
    if done.is_stopped:
        echo(f"Stopped. {_GOES_ON}", err=True)
        sys.exit(_INTERRUPTED)
    sys.exit(REFUSED if done.outcomes["refused"] else 0)


def _check(kind: str, *, has_more: bool, has_table: bool, distrusts: bool) -> None:
    """Raises `click.UsageError` for options that do not belong together."""
    if not kind or has_more:
        raise click.UsageError("Name a FILE, or one of --from-drf-user, --from-django and --from-fastapi-users.")
    if has_table and kind not in ("django", "fastapi-users"):
        raise click.UsageError("--table is for --from-django and --from-fastapi-users.")
    if distrusts and kind != "drf-user":
        raise click.UsageError("--distrust-validation is for --from-drf-user.")


@contextmanager
def _written_to(report: Path | None) -> "Iterator[TextIO | None]":
    if report is None:
        yield None
        return
    try:
        file = report.open("a", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        stop(f"--report: {report}: {error.strerror or error}")
    with file:
        yield file


class _Import:
    """Runs an import, shows its progress, and counts what became of the rows."""

    def __init__(self, rows: "TextIO | None", *, shows_lines: bool) -> None:
        self._rows = rows
        self._shows_lines = shows_lines
        self._unshown = 0
        self._shown = 0
        self._begun = monotonic()
        self.outcomes: Counter[str] = Counter()
        self.remarks: Counter[str] = Counter()
        self.images: Counter[str] = Counter()
        self.is_stopped = False

    def run(self, vestibule: "Vestibule", source: "AccountSource", reason: str | None, **options: Any) -> None:
        from ...application.imports import BATCH

        reports = vestibule.import_accounts(operator=operator(), source=source, reason=reason, **options)
        with self._stopping_between_batches(), _progress("rows", source.count()) as advance:
            for number, report in enumerate(self._or_hint(reports), 1):
                self.outcomes[report.outcome] += 1
                self.outcomes["changed"] += report.outcome == "imported" and report.has_changes
                self.remarks.update(remark.code for remark in report.remarks)
                self._tell(report)
                advance(number)
                if self.is_stopped and number % BATCH == 0:
                    return

    def run_images(self, vestibule: "Vestibule", source: "AccountSource", reason: str | None) -> None:
        reports = vestibule.import_images(operator=operator(), source=source, reason=reason)
        with self._stopping_between_batches(), _progress("images", None) as advance:
            for number, report in enumerate(self._or_hint(reports), 1):
                self.images[report.outcome] += 1
                self.remarks.update(remark.code for remark in report.remarks)
                self._tell(report)
                advance(number)
                if self.is_stopped:
                    return

    def _or_hint(self, reports: "Iterator[RowReport]") -> "Iterator[RowReport]":
        """The reports; a fault ends them with a hint."""
        from ...application import Overloaded, SourceError, Unavailable

        try:
            yield from reports
        except (Unavailable, Overloaded, SourceError):
            if self.outcomes:
                echo(f"{self.outcomes.total() - self.outcomes['changed']} rows are done. {_GOES_ON}", err=True)
            raise

    @contextmanager
    def _stopping_between_batches(self) -> "Iterator[None]":
        """Lets the first Ctrl-C end the import after the current batch, and a second one at once."""

        def stop_later(number: int, _: object) -> None:
            self.is_stopped = True
            signal.signal(number, signal.default_int_handler)
            echo("Stopping after these rows; press Ctrl-C again to stop at once.", err=True)

        before = {number: signal.signal(number, stop_later) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _tell(self, report: "RowReport") -> None:
        from msgspec import json

        if self._rows is not None:
            self._rows.write(json.encode(_members(report)).decode() + "\n")
        lines = [report.reason] if report.reason else [remark.text for remark in report.remarks if remark.is_change]
        if report.outcome == "removed_here":
            lines = [f"account {report.account_id} was removed here, and is not made again"]
        for line in lines if self._shows_lines else ():
            if self._shown < _MAX_LINES:
                name = f" ({report.username})" if report.username else ""
                echo(f"{report.place}{name}: {'refused: ' if report.reason else ''}{line}")
            self._shown += 1

    def members(self, source: str, *, dry_run: bool) -> dict[str, object]:
        rows = {name: self.outcomes[name] for name in _ROWS}
        seconds = round(monotonic() - self._begun, 3)
        return {
            "source": source,
            "dry_run": dry_run,
            "stopped": self.is_stopped,
            "seconds": seconds,
            **rows,
            "images": self.images["updated"],
            "remarks": dict(sorted(self.remarks.items())),
        }

    def print_summary(self, source: "AccountSource", *, dry_run: bool) -> None:
        from rich.console import Console

        if self._shown > _MAX_LINES:
            echo(f"… and {self._shown - _MAX_LINES} more lines; --report FILE writes them all.")
        table = new_table("", f"would be, of {source.name}" if dry_run else f"of {source.name}")
        table.columns[1].justify = "right"
        for name, title in _ROWS.items():
            if self.outcomes[name] or name in ("imported", "refused"):
                table.add_row(title, f"{self.outcomes[name]:,}")
        if self.images:
            table.add_row("images imported", f"{self.images['updated']:,}")
        for code, number in sorted(self.remarks.items()):
            table.add_row(f"  {code.replace('_', ' ')}", f"{number:,}")
        Console().print(table)
        for line in source.left_out():
            echo(f"Not imported: {line}")


_ROWS = {
    "imported": "rows imported",
    "changed": "  with changes",
    "updated": "accounts updated",
    "unchanged": "unchanged since the last import",
    "removed_here": "removed here",
    "refused": "refused",
}


def _members(report: "RowReport") -> dict[str, object]:
    return {
        "place": report.place,
        "key": report.key,
        "outcome": report.outcome.value,
        "account_id": report.account_id,
        "username": report.username,
        "remarks": [{"code": one.code.value, "field": one.field or None, "text": one.text} for one in report.remarks],
        "reason": report.reason or None,
    }


@contextmanager
def _progress(what: str, total: int | None) -> "Iterator[Any]":
    """Shows a bar on a terminal; elsewhere a line for every hundred thousand rows."""
    with progress_bars() as bars:
        task = bars.add_task(what, total=total)

        def advance(done: int) -> None:
            if done % 100 == 0:
                bars.update(task, completed=done)
            if bars.disable and done % 100_000 == 0:
                echo(f"{done} {what}", err=True)

        yield advance
