"""Reading a file out of `multipart/form-data` (RFC 7578): bounded while it arrives, kept in memory."""

from multipart import (  # type: ignore[import-untyped]  # the library says no types
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from ...application import ImageTooLarge
from ...application.image import MAX_BYTES
from .dependencies import Call
from .problems import BodyTooLarge, MalformedBody, UnsupportedMediaType
from .request_body import chunks, content_type

MOST_BYTES = MAX_BYTES + 64 * 1024
_MOST_PARTS = 8


async def read_file(request: Call, field: str) -> bytes | None:
    """The content of the file part of that name; None where there is none, or an empty one.

    Raises `UnsupportedMediaType`, `ImageTooLarge`, `BodyTooLarge`, `BodyTooSlow`, `MalformedBody`.
    """
    parts = _Parts(field)
    try:
        with PushMultipartParser(_boundary(request), max_segment_count=_MOST_PARTS) as parser:
            async for chunk in chunks(request, MOST_BYTES):
                for event in parser.parse(chunk):
                    parts.take(event)
    except ParserLimitReached:
        raise BodyTooLarge from None
    except MultipartError:
        raise MalformedBody("The multipart body is malformed, or broke off.") from None
    return bytes(parts.file) or None


class _Parts:
    """Keeps what belongs to the file; a part of text is not one, whatever it is called."""

    def __init__(self, field: str) -> None:
        self.file = bytearray()
        self._field = field
        self._is_wanted = False

    def take(self, event: MultipartSegment | bytearray | None) -> None:
        """A part begins, its content arrives, or it ends."""
        if isinstance(event, MultipartSegment):
            self._is_wanted = event.name == self._field and event.filename is not None
            if self._is_wanted:
                self.file.clear()
        elif event and self._is_wanted:
            self.file += event
            if len(self.file) > MAX_BYTES:
                raise ImageTooLarge


def _boundary(request: Call) -> str:
    kind, options = parse_options_header(content_type(request).decode("latin-1"))
    if kind.lower() != "multipart/form-data":
        raise UnsupportedMediaType("This call takes multipart/form-data.")
    boundary = str(options.get("boundary", ""))
    if not boundary:
        raise MalformedBody("The content type names no boundary.")
    return boundary
