"""Profile images: decoding and storage."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Images", "PresignedUrl", "Storage", "UnreadableImage"]


class UnreadableImage(ValueError):
    """The data is not an image of an accepted format; the message gives the reason."""


class Images(Protocol):
    """Decodes uploads."""

    def normalise(self, data: bytes) -> bytes:
        """The image as WebP, upright, at most 1024 pixels a side, without metadata. Raises `UnreadableImage`."""


@dataclass(frozen=True, slots=True)
class PresignedUrl:
    """A URL that grants access to one file for a number of seconds."""

    url: str = field(repr=False)
    seconds: int


class Storage(Protocol):
    """Stores files under unguessable names."""

    def put(self, data: bytes) -> str:
        """Stores the file durably and returns its new name, which is URL-safe: 22 to 255 of letters, digits and `._~-`."""

    def get(self, name: str) -> bytes | None:
        """The file; None if there is none of that name, whatever the text."""

    def delete(self, name: str) -> None:
        """Deletes the file if it exists."""

    def presigned_url(self, name: str) -> PresignedUrl | None:
        """A pre-signed URL; None if the storage has none or the name is invalid."""

    def names(self, *, older_than: float) -> Iterator[str]:
        """The names of all files that were stored at least so many seconds ago, in any order."""
