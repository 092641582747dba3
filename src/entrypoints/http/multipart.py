"""Reads `multipart/form-data` bodies (RFC 7578): a file into memory, within limits of size and rate, or short fields."""

from email.message import Message

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser  # type: ignore[import-untyped]  # the library has no types

from ...application import ImageTooLarge
from ...application.image import MAX_BYTES
from .dependencies import HttpRequest
from .problems import BodyTooLarge, MalformedBody, UnsupportedMediaType
from .request_body import chunks, content_type

_MAX_FORM_BYTES = MAX_BYTES + 64 * 1024
_MAX_PARTS = 8
_MAX_FIELDS = 64
_MAX_HEADERS = 16
MULTIPART = b"multipart/form-data"
_BYTES_PER_SECOND = 16 * 1024
"""The slowest upload that is accepted, whatever time it takes."""


async def read_file(request: HttpRequest, field: str) -> bytes | None:
    """Returns the content of the part of that name, with or without a file name; None if the part is absent or empty.

    Raises `UnsupportedMediaType`, `ImageTooLarge`, `BodyTooLarge`, `BodyTooSlow`, `MalformedBody`.
    """
    file, boundary = _File(field), boundary_of(request)
    charset = "latin-1"  # it decodes any bytes: file names come in any charset, and are not used
    try:
        with PushMultipartParser(
            boundary, max_header_count=_MAX_HEADERS, max_segment_count=_MAX_PARTS, header_charset=charset
        ) as parser:
            async for chunk in chunks(request, _MAX_FORM_BYTES, bytes_per_second=_BYTES_PER_SECOND):
                for event in parser.parse(chunk) if chunk else ():  # an empty chunk would end the form
                    file.handle(event)
    except BodyTooLarge:  # only a file is as large as this
        raise ImageTooLarge from None
    except ParserLimitReached:
        raise BodyTooLarge from None
    except MultipartError:
        raise MalformedBody("The multipart body is malformed or incomplete.") from None
    return bytes(file.content) or None


def read_fields(data: bytes, boundary: bytes) -> list[tuple[str, str]]:
    """Returns name and text of each part of a whole body. Raises `BodyTooLarge` for too many, `MalformedBody`."""
    fields: list[tuple[str, bytearray]] = []
    try:
        with PushMultipartParser(
            boundary, max_header_count=_MAX_HEADERS, max_segment_count=_MAX_FIELDS, header_charset="latin-1"
        ) as parser:
            for event in parser.parse(data) if data else ():
                if isinstance(event, MultipartSegment):
                    fields.append((event.name, bytearray()))
                elif event:
                    fields[-1][1].extend(event)
    except ParserLimitReached:
        raise BodyTooLarge from None
    except MultipartError:
        raise MalformedBody("The multipart body is malformed or incomplete.") from None
    try:
        return [(name, text.decode()) for name, text in fields]
    except UnicodeDecodeError:
        raise MalformedBody("The body is not UTF-8.") from None


class _File:
    """The content of the part of a name; of several such parts, that of the last."""

    def __init__(self, field: str) -> None:
        self.content = bytearray()
        self._field = field
        self._is_wanted = False

    def handle(self, event: MultipartSegment | bytes | None) -> None:
        """Handles the begin of a part, a chunk of its content, or its end."""
        if isinstance(event, MultipartSegment):
            self._is_wanted = event.name == self._field
            if self._is_wanted:
                self.content.clear()
        elif event and self._is_wanted:
            self.content += event
            if len(self.content) > MAX_BYTES:
                raise ImageTooLarge


def is_multipart(request: HttpRequest) -> bool:
    return content_type(request).partition(b";")[0].strip().lower() == MULTIPART


def boundary_of(request: HttpRequest) -> bytes:
    """Returns the boundary. Raises `UnsupportedMediaType` for another content type, `MalformedBody` without one.

    Unquoted boundaries may hold characters that RFC 9110 allows in quotes only, as `=` and `/`.
    """
    header = Message()
    header["content-type"] = content_type(request).decode("latin-1")
    if header.get_content_type() != "multipart/form-data":
        raise UnsupportedMediaType("This call takes multipart/form-data.")
    boundary = str(header.get_param("boundary", ""))
    if not boundary:
        raise MalformedBody("The content type names no boundary.")
    return boundary.encode("latin-1")
