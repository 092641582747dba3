"""Reads a file from a `multipart/form-data` body (RFC 7578) into memory, within a limit of size."""

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header  # type: ignore[import-untyped]  # the library has no types

from ...application import ImageTooLarge
from ...application.image import MAX_BYTES
from .dependencies import HttpRequest
from .problems import BodyTooLarge, MalformedBody, UnsupportedMediaType
from .request_body import chunks, content_type

_MAX_FORM_BYTES = MAX_BYTES + 64 * 1024
_MAX_PARTS = 8


async def read_file(request: HttpRequest, field: str) -> bytes | None:
    """Returns the content of the file part of that name; None if the part is absent or empty.

    Raises `UnsupportedMediaType`, `ImageTooLarge`, `BodyTooLarge`, `BodyTooSlow`, `MalformedBody`.
    """
    parts = _Parts(field)
    try:
        with PushMultipartParser(_boundary(request), max_segment_count=_MAX_PARTS) as parser:
            async for chunk in chunks(request, _MAX_FORM_BYTES):
                for event in parser.parse(chunk):
                    parts.handle(event)
    except ParserLimitReached:
        raise BodyTooLarge from None
    except MultipartError:
        raise MalformedBody("The multipart body is malformed or incomplete.") from None
    return bytes(parts.file) or None


class _Parts:
    """Keeps the content of the file. A part without a file name is a text field, even if its name is right."""

    def __init__(self, field: str) -> None:
        self.file = bytearray()
        self._field = field
        self._is_wanted = False

    def handle(self, event: MultipartSegment | bytearray | None) -> None:
        """Handles the begin of a part, a chunk of its content, or its end."""
        if isinstance(event, MultipartSegment):
            self._is_wanted = event.name == self._field and event.filename is not None
            if self._is_wanted:
                self.file.clear()
        elif event and self._is_wanted:
            self.file += event
            if len(self.file) > MAX_BYTES:
                raise ImageTooLarge


def _boundary(request: HttpRequest) -> str:
    media_type, options = parse_options_header(content_type(request).decode("latin-1"))
    if media_type.lower() != "multipart/form-data":
        raise UnsupportedMediaType("This call takes multipart/form-data.")
    boundary = str(options.get("boundary", ""))
    if not boundary:
        raise MalformedBody("The content type names no boundary.")
    return boundary
