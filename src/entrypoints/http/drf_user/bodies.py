"""Reads bodies as drf-user does: JSON or a form, with numbers for texts, and passwords trimmed."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from ....application.validation import is_blank
from ..dependencies import BodyReader, HttpRequest
from ..multipart import MULTIPART, boundary_of, read_fields
from ..problems import MalformedBody, UnsupportedMediaType
from ..request_body import content_type, is_json, json_object
from ..request_schemas import number_as_text

_FORM = b"application/x-www-form-urlencoded"
_MAX_FIELDS = 64
_PASSWORDS = {"password", "current_password"}
_NO_TEXTS = {"is_login", "verify_otp", "otp"}
"""A flag, and codes, whose numbers have lost their leading zeros."""
_BLANK = "This field may not be blank."
_NULL = "This field may not be null."


def body_reader(request: HttpRequest) -> BodyReader:
    """Returns the reader of JSON objects or of a form. Raises `UnsupportedMediaType`, or `MalformedBody` without a boundary."""
    reader = _reader_of(request, content_type(request))

    def read(data: bytes) -> Mapping[str, Any]:
        members = {name: _value(name, value) for name, value in reader(data).items()}
        request.scope["state"]["empty_fields"] = {
            name: _NULL if value is None else _BLANK for name, value in members.items() if is_blank(value)
        }
        return members

    return read


def empty_fields(request: HttpRequest) -> Mapping[str, str]:
    """Returns the fields of the body that were blank or null, each with the message about it."""
    found: Mapping[str, str] = request.scope["state"].get("empty_fields", {})
    return found


def _reader_of(request: HttpRequest, header: bytes) -> BodyReader:
    if is_json(header):
        return json_object
    match header.partition(b";")[0].strip().lower():
        case media_type if media_type == _FORM:
            return _form
        case media_type if media_type == MULTIPART:
            return partial(_multipart, boundary_of(request))
        case _:
            raise UnsupportedMediaType


def _form(data: bytes) -> dict[str, Any]:
    try:
        return _members(parse_qsl(data.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS))
    except ValueError:  # also `UnicodeDecodeError`
        raise MalformedBody("The form is not UTF-8, or has too many fields.") from None


def _multipart(boundary: bytes, data: bytes) -> dict[str, Any]:
    return _members(read_fields(data, boundary))


def _members(fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Returns the fields by name: of `proofs`, a list, all values, of others the last."""
    every = list(fields)
    proofs = [value for name, value in every if name == "proofs"]
    return {**dict(every), **({"proofs": proofs} if proofs else {})}


def _value(name: str, value: Any) -> Any:
    """Returns the value as drf-user takes it. The use cases trim all other texts."""
    if name in _PASSWORDS and isinstance(value, str):
        return value.strip()
    return value if name in _NO_TEXTS else number_as_text(value)
