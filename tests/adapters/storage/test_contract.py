"""The contract of `Storage` for every storage; further promises of a directory. Those of S3 are in `test_s3`."""

import os
import re
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.s3_server import S3Server, set_environment

from vestibule.adapters.storage import FileStorage, MemoryStorage, S3Storage
from vestibule.application.ports import Storage
from vestibule.domain.errors import Unavailable
from vestibule.testing.contracts import StorageContract

UNKNOWN = "a" * 32 + ".webp"


@pytest.fixture(params=["file", "memory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    storages: dict[str, Callable[[], Storage]] = {
        "file": lambda: FileStorage(tmp_path / "images"),
        "memory": MemoryStorage,
        "s3": lambda: in_a_new_bucket(request.getfixturevalue("s3_server"), monkeypatch),
    }
    return storages[request.param]()


def in_a_new_bucket(server: S3Server, patch: pytest.MonkeyPatch) -> S3Storage:
    bucket = f"images-{token_hex(8)}"
    server.make(bucket)
    set_environment(server.environment(), patch)
    return S3Storage(f"s3://{bucket}/profile")


class TestEveryStorage(StorageContract):
    def test_name_is_32_characters_of_base32_and_a_suffix(self, storage: Storage) -> None:
        assert re.fullmatch(r"[a-z2-7]{32}\.webp", storage.put(b"x"))

    @pytest.mark.parametrize("name", ["a" * 32, "A" * 32 + ".webp"])
    def test_foreign_name_has_no_url(self, storage: Storage, name: str) -> None:
        assert storage.presigned_url(name) is None


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "images"


@pytest.fixture
def files(directory: Path) -> FileStorage:
    return FileStorage(directory)


@contextmanager
def files_no_larger_than(limit: int) -> Iterator[None]:
    """Limits the size of files, like a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def put_an_hour_back(path: Path) -> None:
    then = path.stat().st_mtime - 3700
    os.utime(path, (then, then))


@pytest.mark.parametrize("make", [FileStorage, lambda _: MemoryStorage()], ids=["file", "memory"])
def test_local_storage_has_no_presigned_urls(make: Callable[[Path], Storage], tmp_path: Path) -> None:
    storage = make(tmp_path)
    assert storage.presigned_url(storage.put(b"x")) is None


class TestFileStorage:
    def test_directory_and_files_are_private(self, files: FileStorage, directory: Path) -> None:
        name = files.put(b"x")
        assert (mode_of(directory), mode_of(directory / name)) == (0o700, 0o600)

    def test_images_persist_after_a_restart(self, files: FileStorage, directory: Path) -> None:
        name = files.put(b"x")
        assert FileStorage(directory).get(name) == b"x"

    def test_put_leaves_no_temporary_file(self, files: FileStorage, directory: Path) -> None:
        name = files.put(b"x")
        assert [path.name for path in directory.iterdir()] == [name]

    def test_full_disk_raises_unavailable_and_leaves_no_file(self, files: FileStorage, directory: Path) -> None:
        with files_no_larger_than(1000), pytest.raises(Unavailable):
            files.put(b"x" * 1001)
        assert list(directory.iterdir()) == []
        assert files.get(files.put(b"x" * 1001)) == b"x" * 1001

    @pytest.mark.parametrize("instead", ["nothing", "a file"])
    def test_missing_directory_is_unavailable_and_not_empty(self, files: FileStorage, directory: Path, instead: str) -> None:
        name = files.put(b"x")
        files.delete(name)
        directory.rmdir()
        if instead == "a file":
            directory.write_bytes(b"")
        with pytest.raises(Unavailable):
            files.put(b"x")
        with pytest.raises(Unavailable):
            files.get(name)
        with pytest.raises(Unavailable):
            files.delete(name)
        with pytest.raises(Unavailable):
            list(files.names(older_than=0))

    def test_symbolic_link_is_not_followed(self, files: FileStorage, directory: Path) -> None:
        secret = directory.parent / "secret"
        secret.write_bytes(b"secret")
        (directory / UNKNOWN).symlink_to(secret)
        assert files.get(UNKNOWN) is None
        files.delete(UNKNOWN)
        assert secret.read_bytes() == b"secret"

    def test_start_removes_only_old_unfinished_files(self, files: FileStorage, directory: Path) -> None:
        crashed = directory / f".{UNKNOWN}.abc_1234.unfinished"
        running = directory / f".{'b' * 32}.webp.abc_1234.unfinished"
        kept, foreign = directory / files.put(b"x"), directory / "README"
        for path in (crashed, running, foreign):
            path.write_bytes(b"half")
        for path in (crashed, kept, foreign):
            put_an_hour_back(path)
        FileStorage(directory)
        assert set(directory.iterdir()) == {running, kept, foreign}

    def test_names_lists_only_images_of_the_given_age(self, files: FileStorage, directory: Path) -> None:
        old, young = files.put(b"old"), files.put(b"young")
        (directory / "README").write_bytes(b"not ours")
        for name in (old, "README"):
            put_an_hour_back(directory / name)
        assert list(files.names(older_than=3600)) == [old]
        assert set(files.names(older_than=0)) == {old, young}

    def test_path_of_a_file_is_rejected(self, tmp_path: Path) -> None:
        (tmp_path / "images").write_bytes(b"")
        with pytest.raises(OSError, match="images"):
            FileStorage(tmp_path / "images")


@given(st.text())
def test_any_unknown_name_is_absent_from_memory(name: str) -> None:
    assert MemoryStorage().get(name) is None


@given(st.one_of(st.text(), st.from_regex(r"[a-z2-7]{30,33}\.webp.?", fullmatch=True)))
def test_any_unknown_name_is_absent_from_a_directory(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    files = FileStorage(tmp_path_factory.getbasetemp() / "whatever")
    assert files.get(name) is None
