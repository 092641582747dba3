"""Where the keys of a deployment lie, each as what a key file holds: in a directory, or sealed in a database."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

Name = tuple[str, int]
"""A key's kind and number."""

Contents = Mapping[Name, bytes]
"""What the file of each key holds, its line `Signs-From:` included."""


class Change(Protocol):
    """A shelf that nobody else changes at the moment."""

    def contents(self) -> Contents: ...

    def add(self, name: Name, content: bytes) -> None:
        """Raises `FileExistsError`, and changes nothing, where there is one of that name."""
        ...

    def replace(self, name: Name, content: bytes) -> None: ...

    def remove(self, name: Name) -> None:
        """Nothing is said where it is gone already."""
        ...


class KeyStore(Protocol):
    """Every method raises `ValueError`, one line, for what is no good, `OSError` or `Unavailable` where the place is away."""

    def contents(self) -> Contents:
        """As they are now. Raises `FileNotFoundError` where there is no shelf yet."""
        ...

    def changing(self) -> AbstractContextManager[Change]:
        """Others who would change it wait until the block is left; what was changed in it is then durable."""
        ...

    def inherited(self) -> Contents:
        """What an empty one begins with, where keys lay elsewhere before."""
        ...

    def called(self, name: Name) -> str:
        """How a refusal calls a key of it."""
        ...
