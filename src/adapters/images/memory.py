"""Images for tests: only the first bytes are checked, nothing is decoded."""

from ...application.ports import UnreadableImage

_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")


class PassThroughImages:
    """Returns data unchanged if it begins like a PNG, JPEG, WebP or GIF. Never for real uploads: it removes no metadata."""

    def normalise(self, data: bytes) -> bytes:
        if data.startswith(_SIGNATURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP"):
            return data
        raise UnreadableImage("The file is not a PNG, JPEG, WebP or GIF image.")
