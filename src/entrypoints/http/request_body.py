"""Reading bodies: bounded while they arrive, and turned into raw fields. What a value means is judged inside."""

import re
from asyncio import timeout
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache, lru_cache
from typing import Any, get_args

from msgspec import DecodeError, Meta, Struct
from msgspec.json import decode
from msgspec.structs import fields

from ...application import MISSING
from .dependencies import Call
from .problems import BodyTooLarge, BodyTooSlow, MalformedBody, UnsupportedMediaType

MOST_JSON = 16 * 1024
SECONDS = 15.0
"""What a body may take to arrive."""

_MOST_DEPTH = 64
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[][{}]', re.DOTALL)
"""Texts, to be passed over, also one that does not end; and what opens and closes."""

Read = Callable[[Any, int], Any]


async def read(request: Call, body: type[Struct], *, digits: int = 0) -> dict[str, Any]:
    """The fields that `body` declares, as they came: an absent one is None, or MISSING where it has to be there.

    Null and the empty text are None. A code that came as a number is filled up to `digits`.
    Raises `UnsupportedMediaType`, `BodyTooLarge`, `BodyTooSlow`, `MalformedBody`.
    """
    if not _is_json(content_type(request)):
        raise UnsupportedMediaType("This call takes application/json in UTF-8.")
    given = _object(b"".join([chunk async for chunk in chunks(request, MOST_JSON)]))
    return {
        name: absent if name not in given else _value(given[name], reader, digits) for name, absent, reader in _fields_of(body)
    }


def content_type(request: Call) -> bytes:
    """The one content type of a body without an encoding."""
    found = b""
    for name, value in request.scope["headers"]:
        if name == b"content-type":
            if found:
                raise UnsupportedMediaType("A body has one content type.")
            found = value
        elif name == b"content-encoding" and value.strip().lower() not in {b"", b"identity"}:
            raise UnsupportedMediaType("A body is taken as it is, without a content encoding.")
    return found


async def chunks(request: Call, limit: int) -> AsyncIterator[bytes]:
    """The body as it arrives: `most` bytes at most, whatever its Content-Length says, and 15 seconds at most."""
    said = next((value for name, value in request.scope["headers"] if name == b"content-length"), b"")
    if said.isdigit() and int(said) > limit:
        raise BodyTooLarge
    size, more = 0, True
    deadline = timeout(SECONDS)
    try:
        async with deadline:
            while more:
                message = await request.receive()
                if message["type"] != "http.request":
                    raise MalformedBody("The body broke off.")
                chunk, more = message.get("body", b""), message.get("more_body", False)
                size += len(chunk)
                if size > limit:
                    raise BodyTooLarge
                yield chunk
    except TimeoutError:
        raise BodyTooSlow from None


@lru_cache(64)
def _is_json(value: bytes) -> bool:
    kind, *parameters = (part.strip().lower() for part in value.split(b";"))
    return kind == b"application/json" and all(part in {b"", b"charset=utf-8", b'charset="utf-8"'} for part in parameters)


def _object(data: bytes) -> dict[str, Any]:
    if _depth(data) > _MOST_DEPTH:
        raise MalformedBody("The JSON is nested too deeply.")
    try:
        found = decode(data)
    except UnicodeDecodeError:
        raise MalformedBody("The body is not UTF-8.") from None
    except DecodeError:
        raise MalformedBody("The body is not JSON, or has a number out of range.") from None
    if not isinstance(found, dict):
        raise MalformedBody("The body has to be a JSON object.")
    return found


def _depth(data: bytes) -> int:
    """How deeply a text that may be JSON is nested. How deep the decoder would go differs between versions of Python."""
    if data.count(b"[") + data.count(b"{") <= _MOST_DEPTH:
        return 0
    depth = deepest = 0
    for token in _TOKENS.findall(data):
        depth += (token in b"[{") - (token in b"]}")
        deepest = max(deepest, depth)
    return deepest


def _value(value: Any, reader: Read | None, digits: int) -> Any:
    if value is None or value == "":
        return None
    return reader(value, digits) if reader is not None else value


@cache
def _fields_of(body: type[Struct]) -> tuple[tuple[str, Any, Read | None], ...]:
    """Name, what stands for an absent value, and the lenient reader if there is one."""
    return tuple((one.encode_name, MISSING if one.required else None, _reader(one.type)) for one in fields(body))


def _reader(annotation: Any) -> Read | None:
    return next((meta.extra["read"] for meta in _metas(annotation) if meta.extra and "read" in meta.extra), None)


def _metas(annotation: Any) -> Iterator[Meta]:
    for part in get_args(annotation):
        if isinstance(part, Meta):
            yield part
        else:
            yield from _metas(part)
