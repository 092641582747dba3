"""What every storage promises."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

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
"""Texts that no storage gives as a name."""

UNKNOWN = ["a" * 32, "A" * 32 + ".webp", "a" * 32 + ".webp"]
"""Texts that look like names, and were never given."""


class StorageContract:
    """What every `Storage` promises.

    Fill the fixture `storage`: one that works, and need not be empty.
    """

    def test_what_was_put_is_got_back_to_the_byte(self, storage: Storage) -> None:
        data = bytes(range(256)) * 300
        assert storage.get(storage.put(data)) == data

    def test_a_name_is_one_part_of_a_url_as_it_is_and_too_long_to_be_guessed(self, storage: Storage) -> None:
        assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._~-]{21,254}", storage.put(b"x"))

    def test_the_same_bytes_get_another_name_each_time(self, storage: Storage) -> None:
        assert len({storage.put(b"same") for _ in range(20)}) == 20

    def test_what_was_deleted_is_gone(self, storage: Storage) -> None:
        gone, kept = storage.put(b"one"), storage.put(b"two")
        storage.delete(gone)
        assert (storage.get(gone), storage.get(kept)) == (None, b"two")

    def test_deleting_what_is_not_there_is_no_fault(self, storage: Storage) -> None:
        name = storage.put(b"one")
        storage.delete(name)
        storage.delete(name)
        storage.delete("a" * 32 + ".webp")
        assert storage.get(name) is None

    def test_what_is_stored_is_named_once_it_is_old_enough(self, storage: Storage) -> None:
        kept, gone = storage.put(b"one"), storage.put(b"two")
        storage.delete(gone)
        names = list(storage.names(older_than=0))
        assert (names.count(kept), names.count(gone)) == (1, 0)
        assert kept not in storage.names(older_than=3600)

    @pytest.mark.parametrize("name", [*IMPOSSIBLE, *UNKNOWN])
    def test_no_name_but_a_given_one_finds_anything(self, storage: Storage, name: str) -> None:
        kept = storage.put(b"one")
        storage.delete(name)
        assert (storage.get(name), storage.get(kept)) == (None, b"one")

    @pytest.mark.parametrize(
        "near",
        [lambda name: name[:-1], lambda name: f"{name}x", lambda name: f"./{name}", lambda name: f"{name}\n"],
        ids=["shorter", "longer", "in a directory", "with a line"],
    )
    def test_a_name_that_is_nearly_a_given_one_finds_nothing(self, storage: Storage, near: Callable[[str], str]) -> None:
        name = storage.put(b"one")
        storage.delete(near(name))
        assert (storage.get(near(name)), storage.get(name)) == (None, b"one")

    @pytest.mark.parametrize("name", IMPOSSIBLE)
    def test_there_is_no_link_to_what_cannot_be_a_name(self, storage: Storage, name: str) -> None:
        assert storage.presigned_url(name) is None

    def test_a_link_if_there_is_one_is_a_url_for_a_while(self, storage: Storage) -> None:
        link = storage.presigned_url(storage.put(b"one"))
        assert link is None or (re.match(r"https?://", link.url) and link.seconds > 0)

    def test_many_may_put_at_once(self, storage: Storage) -> None:
        contents = [str(number).encode() * 1000 for number in range(60)]
        together = Barrier(6)

        def put(part: int) -> list[tuple[str, bytes]]:
            together.wait()
            return [(storage.put(data), data) for data in contents[part::6]]

        with ThreadPoolExecutor(6) as pool:
            stored = [pair for pairs in pool.map(put, range(6)) for pair in pairs]
        assert len({name for name, _ in stored}) == len(contents)
        assert all(storage.get(name) == data for name, data in stored)
