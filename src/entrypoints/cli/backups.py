"""Backups of the embedded database, the keys and the images; and their restoration into an empty data directory."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from ...adapters.files import private_directory, sync_directory
from ..container.factories import images_in, keys_file
from ..container.maintenance import (
    back_up_database,
    check_keys,
    end_sessions_of_copy,
    has_encrypted_keys,
    inspect_accounts,
    migrate_copy,
)
from .archive import DATABASE, IMAGES, KEYS, Progress, add_file, create_archive, extract_archive

if TYPE_CHECKING:
    from ..container.maintenance import DatabaseContents
    from ..settings import Settings

_IGNORED = {"lost+found"}


@dataclass(frozen=True, slots=True)
class Summary:
    """The contents of a backup.

    `has_key_file` is false if the keys are encrypted in the database, and `images` is None if they are stored elsewhere.
    `ended_sessions` is the number of sessions that a restore has ended, and None if it was to keep them.
    """

    contents: "DatabaseContents"
    has_key_file: bool
    images: Collection[str] | None
    ended_sessions: int | None = None

    def lines(self) -> Iterator[str]:
        encrypted = "" if self.has_key_file else ", keys: encrypted"
        yield f"  {DATABASE}  accounts: {self.contents.accounts}, sessions: {self.contents.sessions}{encrypted}"
        if self.has_key_file:
            yield f"  {KEYS}"
        if self.images is not None:
            yield f"  {IMAGES}/       files: {len(self.images)}"
            if missing := self.contents.images.difference(self.images):
                yield f"Warning: {len(missing)} images of accounts do not exist, such as {min(missing)}."


def back_up(settings: "Settings", path: Path, progress: Progress) -> Summary:
    """Raises `ValueError` or `OSError`, one line each; nothing is at `path` then."""
    directory, images = images_in(settings), set[str]()
    with create_archive(path) as (archive, temporary):

        def add_images(names: frozenset[str]) -> None:
            if directory is None:
                return
            for name in sorted(names - images):
                with suppress(FileNotFoundError):  # replaced after its name was read, unless it is missing at the end too
                    add_file(archive, f"{IMAGES}/{name}", directory / name)
                    images.add(name)
                progress(len(images), len(names))

        if directory is not None:
            archive.mkdir(IMAGES, 0o700)
        back_up_database(settings.resolved_database_url, temporary / DATABASE, add_images)
        contents = inspect_accounts(temporary / DATABASE)
        are_encrypted = has_encrypted_keys(settings, temporary / DATABASE)
        add_file(archive, DATABASE, temporary / DATABASE)
        if not are_encrypted:  # after the database, so that every key which made values in it is in the backup
            check_keys(keys_file(settings))
            add_file(archive, KEYS, keys_file(settings))
    return Summary(contents, not are_encrypted, None if directory is None else images)


def restore(settings: "Settings", path: Path, progress: Progress, *, actor: str, keep_sessions: bool = False) -> Summary:
    """Ends all sessions and open codes, unless `keep_sessions`: those that were ended after the backup would be active again.

    Raises `ValueError` or `OSError`, one line each; the data directory stays empty then.
    """
    if settings.database_url is not None:
        raise ValueError("VESTIBULE_DATABASE_URL names a database outside of the data directory: unset it, and copy later.")
    if not path.exists():
        raise FileNotFoundError(f"There is nothing at {path}.")
    with _empty(settings.data_dir) as data, _staging(data) as staging:
        names = extract_archive(path, staging, progress)
        summary = _checked(settings, staging, names)
        if not keep_sessions:
            summary = replace(summary, ended_sessions=end_sessions_of_copy(staging / DATABASE, actor=actor))
        for part in (KEYS, IMAGES, DATABASE):
            if (staging / part).exists():
                (staging / part).rename(data / part)
    return summary


def _checked(settings: "Settings", staging: Path, names: set[str]) -> Summary:
    """Migrates the database to the schema of this version. Raises `ValueError` if a server could not run on these files."""
    contents = inspect_accounts(staging / DATABASE)
    migrate_copy(staging / DATABASE)
    are_encrypted = has_encrypted_keys(settings, staging / DATABASE)
    if not are_encrypted:
        check_keys(staging / KEYS)
    images = {name.removeprefix(f"{IMAGES}/") for name in names if name.startswith(f"{IMAGES}/")}
    return Summary(contents, not are_encrypted, images if (staging / IMAGES).is_dir() else None)


@contextmanager
def _empty(directory: Path) -> Iterator[Path]:
    """Creates the directory if needed, and removes it again after an error. Raises `ValueError` if it is not empty."""
    existed = directory.exists()
    if existed and {path.name for path in directory.iterdir()} - _IGNORED:
        raise ValueError(f"VESTIBULE_DATA_DIR: {directory} is not empty; a restore overwrites nothing.")
    private_directory(directory)
    try:
        yield directory
    except BaseException:
        if not existed:
            with suppress(OSError):
                directory.rmdir()
        raise


@contextmanager
def _staging(directory: Path) -> Iterator[Path]:
    """Yields a directory inside of the other one: on the same file system, so that its content can be renamed into place."""
    staging = Path(mkdtemp(prefix=".restoring-", dir=directory))
    try:
        yield staging
    finally:
        rmtree(staging, ignore_errors=True)
        sync_directory(directory)
