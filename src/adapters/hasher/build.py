"""The compiled library of Argon2: whether it loads here, and whether it computes right."""

from importlib.metadata import PackageNotFoundError, distribution

from .arenas import Arenas, Cost

_KNOWN_ANSWERS = {
    1: "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe",
    2: "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037",
}
"""Argon2id, version 19, of `password` and the salt `somesalt`, 2 passes over 256 KiB, by its lanes: from the tests of the
reference implementation (phc-winner-argon2, src/test.c)."""


PUBLISHED_WHEEL = "the wheel for all processors"
"""The name of a build that makes no use of newer processors."""


def check_known_answers() -> None:
    """Raises `RuntimeError` if the library computes a wrong hash: with it, no stored password would match again."""
    arenas = Arenas(256)
    for lanes, answer in _KNOWN_ANSWERS.items():
        if arenas.tag(b"password", b"somesalt", 32, Cost(2, 256, lanes)).hex() != answer:
            raise RuntimeError("The installed build of Argon2 computes wrong hashes. Install argon2-cffi-bindings again.")


def build_of_argon2() -> str:
    """Names the build: a published wheel is tagged for many systems, and one that was compiled here for its own alone."""
    try:
        tags = distribution("argon2-cffi-bindings").read_text("WHEEL") or ""
    except PackageNotFoundError:
        return "of unknown origin"
    return PUBLISHED_WHEEL if any(each in tags for each in _PUBLISHED) else "compiled for this machine"


_PUBLISHED = ("manylinux", "musllinux", "macosx", "win")
