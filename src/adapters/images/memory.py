"""Images for tests: only the first bytes are checked, nothing is decoded."""

from ...application.ports import UnreadableImage

_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
_HEIF = (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif")


class PassThroughImages:
    """Returns data unchanged if it begins like an image. Never for real uploads: it removes no metadata."""

    def normalise(self, data: bytes) -> bytes:
        if data.startswith(_SIGNATURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP") or data[4:12] in _HEIF:
            return data
        raise UnreadableImage("The file is not a PNG, JPEG, WebP, GIF, HEIC or AVIF image.")
