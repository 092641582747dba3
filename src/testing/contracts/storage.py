"""The contract of the port `Storage`."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from ...application.ports import Storage

IMPOSSIBLE = [
    "",
    ".",
    "..",
    "../secret",
    "/etc/passwd",
    "a" * 32 + ".webp\n",
    "a" * 31 + "é.webp",
    "a" * 32 + ".webp/..",
    "../" + "a" * 32 + ".webp",
    "a" * 32 + ".webp\0",
    "\udc80" * 32 + ".webp",
    "x" * 10_000,
]
"""Texts that are never a name."""


class StorageContract:
    """The promises of every `Storage`.

    Define the fixture `storage`. The storage need not be empty.
    """

    def test_stored_data_is_returned_unchanged(self, storage: Storage) -> None:
        data = bytes(range(256)) * 300
        assert storage.get(storage.put(data)) == data

    def test_name_is_url_safe_and_unguessable(self, storage: Storage) -> None:
        assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._~-]{21,254}", storage.put(b"x"))

    def test_equal_data_get_different_names(self, storage: Storage) -> None:
        assert len({storage.put(b"same") for _ in range(20)}) == 20

    def test_deleted_data_is_gone_however_often_it_is_deleted(self, storage: Storage) -> None:
        gone, kept = storage.put(b"one"), storage.put(b"two")
        for _ in range(2):
            storage.delete(gone)
            assert (storage.get(gone), storage.get(kept)) == (None, b"two")

    def test_names_lists_only_data_of_the_given_age(self, storage: Storage) -> None:
        kept, gone = storage.put(b"one"), storage.put(b"two")
        storage.delete(gone)
        names = list(storage.names(older_than=0))
        assert (names.count(kept), names.count(gone)) == (1, 0)
        assert kept not in storage.names(older_than=3600)

    @pytest.mark.parametrize("name", [*IMPOSSIBLE, "a" * 32, "A" * 32 + ".webp", "a" * 32 + ".webp"])
    def test_unknown_name_finds_nothing(self, storage: Storage, name: str) -> None:
        kept = storage.put(b"one")
        storage.delete(name)
        assert (storage.get(name), storage.get(kept)) == (None, b"one")

    @pytest.mark.parametrize(
        "alter",
        [lambda name: name[:-1], lambda name: f"{name}x", lambda name: f"./{name}", lambda name: f"{name}\n"],
        ids=["shorter", "longer", "in a directory", "with a line"],
    )
    def test_similar_name_finds_nothing(self, storage: Storage, alter: Callable[[str], str]) -> None:
        name = storage.put(b"one")
        storage.delete(alter(name))
        assert (storage.get(alter(name)), storage.get(name)) == (None, b"one")

    @pytest.mark.parametrize("name", IMPOSSIBLE)
    def test_impossible_name_has_no_url(self, storage: Storage, name: str) -> None:
        assert storage.presigned_url(name) is None

    def test_presigned_url_is_http_and_expires(self, storage: Storage) -> None:
        presigned = storage.presigned_url(storage.put(b"one"))
        assert presigned is None or (re.match(r"https?://", presigned.url) and presigned.seconds > 0)

    def test_concurrent_puts_all_succeed(self, storage: Storage) -> None:
        contents = [str(number).encode() * 1000 for number in range(60)]
        with ThreadPoolExecutor(6) as threads:
            names = list(threads.map(storage.put, contents))
        assert len(set(names)) == len(contents)
        assert [storage.get(name) for name in names] == contents
