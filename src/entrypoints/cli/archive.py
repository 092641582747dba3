"""What a backup looks like on a disk: a directory or a tar file, whole or not at all, with a checksum of everything in it."""

import os
import re
import tarfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import IO, Protocol

DATABASE, KEYS, IMAGES = "vestibule.db", "keys", "images"
SUMS = "SHA256SUMS"

_NAME = re.compile(rf"{re.escape(DATABASE)}|{SUMS}|(?:{KEYS}|{IMAGES})/[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)
_DIRECTORY = re.compile(rf"{KEYS}|{IMAGES}", re.ASCII)
_SUM = re.compile(r"([0-9a-f]{64})  (.+)", re.ASCII)
_CHUNK = 1 << 20


class BadArchive(ValueError):
    """The text is one line that says what is wrong with it."""


class Writer(Protocol):
    """A backup in the making; what is added is on the disk when the block of `writing` is left."""

    def add_directory(self, name: str) -> None: ...

    def add(self, name: str, file: Path) -> None:
        """Raises `FileNotFoundError` where there is no such file, and has then added nothing."""
        ...


@contextmanager
def writing(place: Path) -> Iterator[tuple[Writer, Path]]:
    """A new backup and a directory for what is on its way into it; the backup appears at `place` when the block is left.

    After a fault there is nothing there. Raises `FileExistsError` where there is something already.
    """
    _demand_free(place)
    stage = Path(mkdtemp(prefix=f".{place.name}.", suffix=".unfinished", dir=place.parent))
    try:
        whole = stage / "whole"
        with _writer(place, whole) as (writer, add_sums):
            yield writer, stage
            add_sums(stage / SUMS)
        _demand_free(place)
        whole.rename(place)
        _settle(place.parent)
    finally:
        rmtree(stage, ignore_errors=True)


def unpack(place: Path, into: Path) -> set[str]:
    """Copies the files of a backup into an empty directory, holds each against its checksum, and answers their names.

    Raises `BadArchive` where a file is missing, changed, or does not belong there.
    """
    try:
        sums = _unpacked(place, into)
    except (tarfile.TarError, EOFError) as fault:
        raise BadArchive(f"{place} is no backup of Vestibule, or not all of it ({fault}).") from fault
    if SUMS not in sums:
        raise BadArchive(f"{place} is no backup of Vestibule, or not all of it: it has no {SUMS}.")
    del sums[SUMS]
    _compare(_read_sums(into / SUMS), sums, place)
    (into / SUMS).unlink()
    for directory in (into / KEYS, into / IMAGES, into):
        if directory.is_dir():
            _settle(directory)
    return set(sums)


def _unpacked(place: Path, into: Path) -> dict[str, str]:
    """The checksum of each file that is now there."""
    sums: dict[str, str] = {}
    with closing(_files(place)) as files:
        for name, file in files:
            with file or nullcontext():
                if name in sums or not (_NAME if file else _DIRECTORY).fullmatch(name):
                    raise BadArchive(f"{place} is no backup of Vestibule: it has {name!r}.")
                if file is None:
                    (into / name).mkdir(mode=0o700)
                else:
                    sums[name] = _copied(file, into / name)
    return sums


def _demand_free(place: Path) -> None:
    if os.path.lexists(place):
        raise FileExistsError(f"{place} is there already, and nothing is overwritten.")
    if not place.parent.is_dir():
        raise FileNotFoundError(f"There is no directory {place.parent}.")


# --- writing ----------------------------------------------------------------------------------------------------------

AddSums = Callable[[Path], None]


@contextmanager
def _writer(place: Path, whole: Path) -> Iterator[tuple[Writer, AddSums]]:
    if place.suffix == ".tar":
        with open(whole, "xb", opener=_private) as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                packing = Tar(tar)
                yield packing, lambda sums: _add_sums(packing, packing.sums, sums)
            file.flush()
            os.fsync(file.fileno())
    else:
        whole.mkdir(mode=0o700)
        filling = Directory(whole)
        yield filling, lambda sums: _add_sums(filling, filling.sums, sums)
        for directory in (*(path for path in whole.iterdir() if path.is_dir()), whole):
            _settle(directory)


def _add_sums(writer: Writer, sums: dict[str, str], file: Path) -> None:
    file.write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())), "utf-8")
    writer.add(SUMS, file)


class Directory:
    """A backup as a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.sums: dict[str, str] = {}

    def add_directory(self, name: str) -> None:
        (self._directory / name).mkdir(mode=0o700)

    def add(self, name: str, file: Path) -> None:
        with file.open("rb") as given:
            self.sums[name] = _copied(given, self._directory / name)


class Tar:
    """A backup as a tar file; owners and names of people are left out of it."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.sums: dict[str, str] = {}

    def add_directory(self, name: str) -> None:
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, 0o700
        self._tar.addfile(entry)

    def add(self, name: str, file: Path) -> None:
        with file.open("rb") as given:
            found = os.fstat(given.fileno())
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size, entry.mtime = 0o600, found.st_size, int(found.st_mtime)
            summing = Summing(given)
            self._tar.addfile(entry, summing)
        self.sums[name] = summing.digest


class Summing:
    """A file whose checksum is known when it has been read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sum = sha256()

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self._sum.update(chunk)
        return chunk

    @property
    def digest(self) -> str:
        return self._sum.hexdigest()


def _copied(given: IO[bytes], to: Path) -> str:
    """The checksum of what is now on the disk there too."""
    summing = Summing(given)
    with open(to, "xb", opener=_private) as file:
        while chunk := summing.read(_CHUNK):
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return summing.digest


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _settle(directory: Path) -> None:
    """Until the directory is on the disk too, a crash may undo what was done to its names."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- reading ----------------------------------------------------------------------------------------------------------


def _files(place: Path) -> Generator[tuple[str, IO[bytes] | None]]:
    """By name, in the backup's order; None for a directory."""
    if place.is_dir():
        for path in sorted(place.rglob("*")):
            name = path.relative_to(place).as_posix()
            yield name, None if path.is_dir() and not path.is_symlink() else _opened(path, place)
        return
    with tarfile.open(place, "r:") as tar:
        for member in tar:
            yield member.name, None if member.isdir() else _member(tar, member, place)


def _opened(path: Path, place: Path) -> IO[bytes]:
    if path.is_symlink() or not path.is_file():
        raise BadArchive(f"{place} is no backup of Vestibule: {path.name!r} is no plain file.")
    return path.open("rb")


def _member(tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> IO[bytes]:
    file = tar.extractfile(member) if member.isreg() else None
    if file is None:
        raise BadArchive(f"{place} is no backup of Vestibule: {member.name!r} is no plain file.")
    return file


def _read_sums(file: Path) -> dict[str, str]:
    found = (_SUM.fullmatch(line) for line in file.read_text("utf-8", "replace").splitlines())
    return {match[2]: match[1] for match in found if match}


def _compare(wanted: dict[str, str], found: dict[str, str], place: Path) -> None:
    for name in sorted({*wanted, *found, DATABASE}):
        if name not in found:
            raise BadArchive(f"{place} is not whole: {name} is missing.")
        if wanted.get(name) != found[name]:
            raise BadArchive(f"{place} is damaged: {name} is not what its checksum says.")
