"""Durable writes: complete or absent."""

from pathlib import Path

import pytest

from vestibule.adapters.files import write_atomically


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
