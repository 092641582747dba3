"""What `vestibule backup` and `vestibule restore` do."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from ..container.factories import images_in, keys_in
from ..container.maintenance import back_up_accounts, check_keys, has_sealed_keys, look_at_accounts, take_up_accounts
from .archive import DATABASE, IMAGES, KEYS, Writer, unpack, writing

if TYPE_CHECKING:
    from ..settings import Settings

_NOBODYS = {"lost+found"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a backup holds.

    `keys` is None where they are sealed in the database, `images` where they are kept elsewhere; `missing` are those that were
    gone before it.
    """

    accounts: int
    sessions: int
    keys: int | None
    images: int | None
    missing: frozenset[str]

    def lines(self) -> Iterator[str]:
        sealed = ", keys: sealed" if self.keys is None else ""
        yield f"  {DATABASE}  accounts: {self.accounts}, sessions: {self.sessions}{sealed}"
        if self.keys is not None:
            yield f"  {KEYS}/         files: {self.keys}"
        if self.images is not None:
            yield f"  {IMAGES}/       files: {self.images}"
        if self.missing:
            yield f"Warning: of the images that accounts have, {len(self.missing)} were not there, such as {min(self.missing)}."


def back_up(settings: "Settings", place: Path) -> Held:
    """Raises `ValueError` or `OSError`, one line each; there is no backup then."""
    with writing(place) as (archive, stage):
        pictures = _pictures(settings, archive)
        back_up_accounts(settings, stage / DATABASE, pictures.see)
        contents = look_at_accounts(stage / DATABASE)
        sealed = has_sealed_keys(settings, stage / DATABASE)
        archive.add(DATABASE, stage / DATABASE)
        keys = (
            None if sealed else _add_keys(settings, archive)
        )  # last, so that whatever made what is in the database is among them
    return Held(
        accounts=contents.accounts,
        sessions=contents.sessions,
        keys=keys,
        images=None if pictures.directory is None else len(pictures.added),
        missing=pictures.missing,
    )


@dataclass(slots=True)
class Pictures:
    """Those on the disk go into the backup when an account is seen to have them."""

    directory: Path | None
    archive: Writer
    added: set[str] = field(default_factory=set)
    missing: frozenset[str] = frozenset()

    def see(self, names: frozenset[str]) -> None:
        if self.directory is None:
            return
        for name in sorted(names - self.added):
            with suppress(FileNotFoundError):  # replaced since it was seen, unless it is missing to the end
                self.archive.add(f"{IMAGES}/{name}", self.directory / name)
                self.added.add(name)
        self.missing = names - self.added


def _pictures(settings: "Settings", archive: Writer) -> Pictures:
    directory = images_in(settings)
    if directory is not None:
        archive.add_directory(IMAGES)
    return Pictures(directory, archive)


def _add_keys(settings: "Settings", archive: Writer) -> int:
    check_keys(keys_in(settings))
    archive.add_directory(KEYS)
    count = 0
    for path in sorted(keys_in(settings).iterdir()):
        if path.is_file() and not path.name.startswith("."):
            with suppress(FileNotFoundError):  # pruned or revoked in this moment
                archive.add(f"{KEYS}/{path.name}", path)
                count += 1
    return count


def restore(settings: "Settings", place: Path) -> Held:
    """Raises `ValueError` or `OSError`, one line each; the data directory is as empty then as it was."""
    if settings.database_url is not None:
        raise ValueError("VESTIBULE_DATABASE_URL names another place than the data directory: leave it out, and copy later.")
    if not place.exists():
        raise FileNotFoundError(f"There is nothing at {place}.")
    with _empty(settings.data_dir) as data, _stage(data) as stage:
        names = unpack(place, stage)
        held = _checked(settings, stage, names)
        for part in (KEYS, IMAGES, DATABASE):
            if (stage / part).exists():
                (stage / part).rename(data / part)
    return held


def _checked(settings: "Settings", stage: Path, names: set[str]) -> Held:
    """Raises `ValueError` where a server could not go on with these; brings the database to the schema of this program."""
    contents = look_at_accounts(stage / DATABASE)
    take_up_accounts(stage / DATABASE)
    sealed = has_sealed_keys(settings, stage / DATABASE)
    if not sealed:
        check_keys(stage / KEYS)
    pictures = {name.removeprefix(f"{IMAGES}/") for name in names if name.startswith(f"{IMAGES}/")}
    has_pictures = (stage / IMAGES).is_dir()
    return Held(
        accounts=contents.accounts,
        sessions=contents.sessions,
        keys=None if sealed else sum(name.startswith(f"{KEYS}/") for name in names),
        images=len(pictures) if has_pictures else None,
        missing=contents.images - pictures if has_pictures else frozenset(),
    )


@contextmanager
def _empty(directory: Path) -> Iterator[Path]:
    """The directory, made where it is not there and removed again after a fault. Raises `ValueError` where it is in use."""
    was_there = directory.exists()
    if was_there and {path.name for path in directory.iterdir()} - _NOBODYS:
        raise ValueError(f"VESTIBULE_DATA_DIR: {directory} is not empty, and nothing in it is overwritten.")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        yield directory
    except BaseException:
        if not was_there:
            with suppress(OSError):
                directory.rmdir()
        raise


@contextmanager
def _stage(directory: Path) -> Iterator[Path]:
    """Inside of it, so that what is whole can be moved at once, and reaches the disk with it."""
    stage = Path(mkdtemp(prefix=".restoring-", dir=directory))
    try:
        yield stage
    finally:
        rmtree(stage, ignore_errors=True)
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
