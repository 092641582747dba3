"""Private files, and durable writes: complete or absent."""

import sys
from pathlib import Path

import pytest

from vestibule.adapters.files import make_data_directory_private, make_private, private_directory, write_atomically


def test_file_is_private_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_existing_file_is_replaced(tmp_path: Path) -> None:
    for content in (b"first", b"second"):
        write_atomically(tmp_path / "file", content)
    assert (tmp_path / "file").read_bytes() == b"second"


def test_existing_file_stays_without_overwrite(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"first", overwrite=False)
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "file", b"second", overwrite=False)
    assert (tmp_path / "file").read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError, match="file"):
        write_atomically(tmp_path / "file", b"content")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


# --- permissions ------------------------------------------------------------------------------------------------------


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.parametrize(("before", "after"), [(0o666, 0o600), (0o640, 0o600), (0o444, 0o400), (0o600, 0o600)])
def test_file_is_made_private(before: int, after: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "file"
    file.touch()
    file.chmod(before)
    make_private(file)
    assert mode_of(file) == after
    assert [record.levelname for record in caplog.records] == ["WARNING"] * (before != after)


@pytest.mark.parametrize(("before", "after"), [(0o777, 0o700), (0o2775, 0o2700), (0o755, 0o700), (0o500, 0o500)])
def test_data_directory_is_made_private(before: int, after: int, tmp_path: Path) -> None:
    for names in ((), (".gitkeep", "lost+found"), ("vestibule.db", "notes.txt")):
        directory = tmp_path / "-".join(("data", *names))
        directory.mkdir()
        for name in names:
            (directory / name).touch()
        directory.chmod(before)
        make_data_directory_private(directory)
        assert mode_of(directory) == after


def test_directory_with_files_of_other_programs_is_refused_and_stays(tmp_path: Path) -> None:
    directory = tmp_path / "my data"
    directory.mkdir()
    (directory / "index.html").touch()
    directory.chmod(0o755)
    with pytest.raises(ValueError, match=r"my data is open to other users \(mode 0755\): run chmod 0700 '.*/my data', or name"):
        make_data_directory_private(directory)
    assert mode_of(directory) == 0o755
    directory.chmod(0o700)
    make_data_directory_private(directory)


def test_directory_for_the_files_of_everybody_is_refused_and_stays(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    for make in (make_private, private_directory, make_data_directory_private):
        with pytest.raises(ValueError, match=r"mode 1777"):
            make(tmp_path)
    assert mode_of(tmp_path) == 0o1777


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")
@pytest.mark.parametrize(("path", "command"), [("/proc/self/status", "chmod 0600"), ("/proc/self/task", "chmod 0700")])
def test_path_whose_mode_cannot_be_changed_is_refused_in_one_line(path: str, command: str) -> None:
    with pytest.raises(ValueError, match=f"{path} .*{command} {path}") as refusal:
        make_private(Path(path))
    assert len(str(refusal.value).splitlines()) == 1
