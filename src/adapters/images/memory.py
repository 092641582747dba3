"""For use-case tests only: it looks at the first bytes and decodes nothing."""

from ...application.ports import UnreadableImage

_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")


class PassThroughImages:
    """Takes what begins like a PNG, JPEG, WebP or GIF and answers it unchanged; for use-case tests only: it cleans nothing."""

    def normalise(self, data: bytes) -> bytes:
        if data.startswith(_BEGINNINGS) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP"):
            return data
        raise UnreadableImage("It is no PNG, JPEG, WebP or GIF image.")
