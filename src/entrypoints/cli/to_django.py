"""`vestibule export-to-django`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...adapters.files import write_atomically
from .common import REFUSED, echo, errors_in_one_line, new_file, progress_bars, use_cases
from .times import AGO

if TYPE_CHECKING:
    from datetime import tzinfo

    from ...application import Account
    from ..facade import Vestibule

_MODELS = ("drf_user.user", "auth.user")
_IMAGES = "user_images"


def _zone(_: click.Context, __: click.Parameter, name: str | None) -> "tzinfo | None":
    from zoneinfo import ZoneInfo

    try:
        return None if name is None else ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise click.BadParameter(f"there is no time zone {name}; names look like Asia/Kolkata") from None


@click.command("export-to-django")
@click.argument("file")
@click.option(
    "--model", type=click.Choice(_MODELS), default=_MODELS[0], show_default=True, help="The model of the users there."
)
@click.option("--since", type=AGO, help="Only accounts that changed since then, such as 7d or 2026-11-23T16:05.")
@click.option(
    "--media",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="MEDIA_ROOT of the project, for the profile images of drf-user.",
)
@click.option("--timezone", metavar="ZONE", callback=_zone, help="TIME_ZONE of a project with USE_TZ off.")
def export_to_django(file: str, *, model: str, since: float | None, media: Path | None, timezone: "tzinfo | None") -> None:
    """Write accounts into FILE, a fixture for `manage.py loaddata`: the way back to Django. - is the standard output.

    Ids and passwords are kept; Django verifies them with argon2-cffi. With --since, only accounts that were made or changed
    here since then. The fixture replaces users with the same ids, so that Django must not have changed them meanwhile.
    It does not delete the users that were deleted here: their ids are printed. Who exports an image without --media empties it
    there.

    \b
    vestibule export-to-django users.json --since 2026-11-23T16:05
    """
    from .django_fixture import DRF_USER, DjangoFixture

    if file == "-" and sys.stdout.isatty():
        raise click.UsageError("The fixture is long: redirect the standard output, or name a file.")
    if media is not None and model != DRF_USER:
        raise click.UsageError(f"--media is for {DRF_USER}; {model} has no image.")
    with use_cases() as vestibule:
        fixture = DjangoFixture(model=model, timezone=timezone, image_of=lambda account: _image(vestibule, account, media))
        with new_file(file) as output, progress_bars() as bars:
            task = bars.add_task("Exporting", total=None)
            for piece in fixture.lines(vestibule.read_changes(since=since)):
                output.write(piece)
                bars.advance(task)
    for account_id, remark in fixture.remarks:
        echo(f"account {account_id}: {remark}", err=True)
    if fixture.deleted:
        echo(f"Deleted here, and to be deleted there: {' '.join(map(str, fixture.deleted))}", err=True)
    numbers = f"{fixture.written} written, {fixture.left_out} left out, {len(fixture.deleted)} deleted here"
    echo(f"Accounts: {numbers}.", err=True)
    if fixture.left_out:
        sys.exit(REFUSED)


def _image(vestibule: "Vestibule", account: "Account", media: Path | None) -> str | None:
    """Writes the image into the project, where its server can read it, and returns its path there."""
    if account.image is None or media is None or (content := vestibule.read_image(account.image)) is None:
        return None
    name = f"{_IMAGES}/{account.image}"
    (media / _IMAGES).mkdir(mode=0o755, exist_ok=True)
    with errors_in_one_line():
        write_atomically(media / name, content)
        (media / name).chmod(0o644)
    return name
