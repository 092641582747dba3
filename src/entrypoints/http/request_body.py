"""Reads bodies within limits of size and time, and query parameters, and converts them to typed structs."""

import re
from asyncio import get_running_loop, timeout
from collections.abc import AsyncIterator, Mapping
from functools import cache, lru_cache
from math import inf
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from msgspec import UNSET, DecodeError, Struct
from msgspec.json import decode
from msgspec.structs import FieldInfo, fields

from ...application import MISSING
from .dependencies import BodyReader, HttpRequest, format_of
from .problems import BodyTooLarge, BodyTooSlow, MalformedBody, UnsupportedMediaType
from .request_schemas import Converter, metas

MAX_JSON_BYTES = 16 * 1024
MAX_SECONDS = 15.0
"""Time that a body may take to arrive, and that one which may take longer may stand still."""

_MAX_DEPTH = 64
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[][{}]', re.DOTALL)
"""Strings, also an unterminated one, so that brackets inside them are skipped; and brackets."""

Body = TypeVar("Body", bound=Struct)


async def read_body(request: HttpRequest, body: type[Body], *, code_length: int = 0) -> Body:
    """Returns the fields that `body` declares; unknown fields are ignored.

    Values are not validated: the use cases do that. A required field that is absent is MISSING, and None if it is null or
    empty; an optional one has its default in both cases. A field with the default UNSET, of which null means more than an
    absent one, is MISSING if it is absent or empty, and None if it is null. A code that came as a number is padded to
    `code_length`.
    Raises `UnsupportedMediaType`, `BodyTooLarge`, `BodyTooSlow`, `MalformedBody`.
    """
    read = format_of(request).reader_of(request)
    return _struct(read(await _read(request)), body, code_length)


async def read_optional_body(request: HttpRequest, body: type[Body]) -> Body:
    """Returns the fields as `read_body` does, for a call that needs none: an empty body of any content type has no fields."""
    content_type(request)  # refuses a content encoding, whatever the length of the body is
    data = await _read(request)
    return _struct(format_of(request).reader_of(request)(data) if data else {}, body)


def read_query(request: HttpRequest, query: type[Body]) -> Body:
    """Returns the parameters that `query` declares, as `read_body` does; of one that is repeated the last counts."""
    return _struct(dict(parse_qsl(request.scope["query_string"].decode("latin-1"))), query)


def json_reader(request: HttpRequest) -> BodyReader:
    """Returns the reader of JSON objects. Raises `UnsupportedMediaType` for another content type."""
    if not is_json(content_type(request)):
        raise UnsupportedMediaType("This call takes application/json in UTF-8.")
    return json_object


def content_type(request: HttpRequest) -> bytes:
    """Returns the content type. Raises `UnsupportedMediaType` for several, or for a content encoding."""
    header = b""
    for name, value in request.scope["headers"]:
        if name == b"content-type":
            if header:
                raise UnsupportedMediaType("A body must have one content type.")
            header = value
        elif name == b"content-encoding" and value.strip().lower() not in {b"", b"identity"}:
            raise UnsupportedMediaType("Content-Encoding is not supported.")
    return header


async def chunks(request: HttpRequest, limit: int, *, bytes_per_second: float = inf) -> AsyncIterator[bytes]:
    """Yields the body as it arrives: at most `limit` bytes, whatever its Content-Length is, within 15 seconds.

    Each `bytes_per_second` that arrive extend this by a second, to 15 seconds from then at most. So a body at that rate may
    take as long as it needs, and one that stops ends, however much came before.
    """
    announced = next((value for name, value in request.scope["headers"] if name == b"content-length"), b"")
    if announced.isdigit() and int(announced) > limit:
        raise BodyTooLarge
    size, more = 0, True
    now = get_running_loop().time
    end = now() + MAX_SECONDS
    try:
        async with timeout(MAX_SECONDS) as deadline:
            while more:
                message = await request.receive()
                if message["type"] != "http.request":
                    raise MalformedBody("The connection closed before the body was complete.")
                chunk, more = message.get("body", b""), message.get("more_body", False)
                size += len(chunk)
                if size > limit:
                    raise BodyTooLarge
                if more:
                    end = min(end + len(chunk) / bytes_per_second, now() + MAX_SECONDS)
                    deadline.reschedule(end)
                yield chunk
    except TimeoutError:
        raise BodyTooSlow from None


async def _read(request: HttpRequest) -> bytes:
    return b"".join([chunk async for chunk in chunks(request, MAX_JSON_BYTES)])


def _struct(members: Mapping[str, Any], body: type[Body], code_length: int = 0) -> Body:
    return body(
        *[
            absent if name not in members else _value(members[name], null, empty, converter, code_length)
            for name, absent, null, empty, converter in _fields_of(body)
        ]
    )


@lru_cache(64)
def is_json(value: bytes) -> bool:
    """Returns whether a content type is that of JSON in UTF-8."""
    media_type, *parameters = (part.strip().lower() for part in value.split(b";"))
    return media_type == b"application/json" and all(part in {b"", b"charset=utf-8", b'charset="utf-8"'} for part in parameters)


def json_object(data: bytes) -> dict[str, Any]:
    """Returns the members of a JSON object. Raises `MalformedBody`."""
    if _depth(data) > _MAX_DEPTH:
        raise MalformedBody("The JSON is nested too deeply.")
    try:
        members = decode(data)
    except UnicodeDecodeError:
        raise MalformedBody("The body is not UTF-8.") from None
    except DecodeError:
        raise MalformedBody("The body is not JSON, or has a number out of range.") from None
    if not isinstance(members, dict):
        raise MalformedBody("The body has to be a JSON object.")
    return members


def _depth(data: bytes) -> int:
    """Returns the depth of nesting. The depth at which the decoder gives up differs between versions of Python."""
    if data.count(b"[") + data.count(b"{") <= _MAX_DEPTH:
        return 0
    depth = deepest = 0
    for token in _TOKENS.findall(data):
        depth += (token in b"[{") - (token in b"]}")
        deepest = max(deepest, depth)
    return deepest


def _value(value: Any, null: Any, empty: Any, converter: Converter | None, code_length: int) -> Any:
    if value is None:
        return null
    if value == "":
        return empty
    if converter is None:
        return value
    read = converter(value, code_length)
    return empty if read is None else read


@cache
def _fields_of(body: type[Struct]) -> tuple[tuple[str, Any, Any, Any, Converter | None], ...]:
    """Returns, for each field: its name, its values if absent, null and empty, and its converter or None."""
    return tuple(
        (
            field.encode_name,
            *_defaults(field),
            next((meta.extra["converter"] for meta in metas(field.type) if meta.extra), None),
        )
        for field in fields(body)
    )


def _defaults(field: FieldInfo) -> tuple[Any, Any, Any]:
    if field.required:
        return MISSING, None, None
    return (MISSING, None, MISSING) if field.default is UNSET else (field.default,) * 3
