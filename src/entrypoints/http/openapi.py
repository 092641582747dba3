"""The OpenAPI 3.1 document, built from the operation that each handler declares and from the schemas of bodies and responses.

Litestar's own generator reads the signatures of handlers, which do not contain the bodies: `read_body` reads them, bounded and
leniently, by the same schemas.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from enum import Enum
from http import HTTPStatus
from inspect import cleandoc
from typing import Any

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct
from msgspec.json import schema_components
from msgspec.structs import fields

from ...application.validation import REQUIRED
from ...domain import errors
from ...domain.errors import Refusal
from ...domain.rate_limits import MINUTE, RateLimit
from ...verify.refusals import MEDIA_TYPE
from ..settings import Settings
from .problems import (
    STATUS,
    BodyTooLarge,
    BodyTooSlow,
    Internal,
    MalformedBody,
    NotFound,
    Problem,
    UnsupportedMediaType,
    problem_document,
    problem_headers,
)
from .request_schemas import NEW_PASSWORD, metas
from .responses import JSON

_ALWAYS: tuple[type[Refusal], ...] = (errors.RateLimited, Internal, errors.Overloaded, errors.Unavailable)
_WITH_BODY: tuple[type[Refusal], ...] = (MalformedBody, BodyTooSlow, BodyTooLarge, UnsupportedMediaType)
_SAMPLES: dict[type[Refusal], Refusal] = {
    errors.InvalidInput: errors.InvalidInput({"email": [REQUIRED]}),
    errors.AlreadyTaken: errors.AlreadyTaken("email"),
    errors.AddressNotVerified: errors.AddressNotVerified("01jc4h6z8k2m4p6r8t0v2x4z6b"),
    errors.LoginNotFresh: errors.LoginNotFresh(3600),
    errors.RateLimited: errors.RateLimited(30, policy="calls", limit=RateLimit(300, MINUTE)),
}
"""Examples of the refusals that need arguments."""
_OPTIONAL_HEADERS = {"ratelimit", "ratelimit-policy"}
_REFERENCES = "#/components/schemas/"
_TEXT = {"type": "string"}
_PATH_TYPES = {"account_id": {"type": "integer", "format": "int64", "minimum": 1}}
_PARAMETERS = re.compile(r"\{(\w+)\}")

Json = dict[str, Any]


class Auth(Enum):
    """The authentication of a call."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"
    OPERATOR = "required, of an operator; to others the call does not exist"
    REVOCATIONS_SECRET = "the secret of services that read revoked sessions"  # noqa: S105 — no secret


_WITHOUT_TOKEN: tuple[type[Refusal], ...] = (errors.NotAuthenticated, errors.InvalidToken)
_BY_AUTH: dict[Auth, tuple[type[Refusal], ...]] = {
    Auth.REQUIRED: _WITHOUT_TOKEN,
    Auth.REVOCATIONS_SECRET: _WITHOUT_TOKEN,
    Auth.OPERATOR: (NotFound,),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation: its purpose, its request and all of its responses. A handler declares it as `operation`."""

    tag: str
    summary: str
    responses: tuple[type[Struct], ...] = ()
    _: KW_ONLY
    status: int = 200
    detail: str = ""
    body: type[Struct] | None = None
    is_body_optional: bool = False
    body_type: str = JSON
    media_type: str = JSON
    refusals: tuple[type[Refusal], ...] = ()
    auth: Auth = Auth.NONE
    redirects: bool = False
    query: type[Struct] | None = None


def openapi_document(settings: Settings, handlers: Sequence[HTTPRouteHandler], version: str) -> Json:
    """Returns the document, with every handler under each of its methods."""
    paths: dict[str, Json] = {}
    shapes: set[type[Struct]] = {Problem}
    for handler in handlers:
        declared = operation_of(handler)
        shapes.update(declared.responses, [declared.body] if declared.body else [])
        for method in handler.http_methods:
            paths.setdefault(path_of(handler), {})[method.lower()] = _operation_object(handler, declared, settings)
    _, schemas = schema_components(sorted(shapes, key=lambda shape: shape.__name__), ref_template=_REFERENCES + "{name}")
    return {
        "openapi": "3.1.0",
        "info": {"title": settings.service_name, "version": version, "description": _description(settings)},
        "servers": [{"url": settings.url + settings.api_prefix}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation_of(handler).tag for handler in handlers)],
        "paths": paths,
        "components": {
            "schemas": {schema_name(name): _schema(schema, settings) for name, schema in schemas.items()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                **({"revocations": {"type": "http", "scheme": "bearer"}} if settings.revocations_secret else {}),
            },
        },
    }


def _description(settings: Settings) -> str:
    return _DESCRIPTION if settings.compatibility is None else f"{_DESCRIPTION}\n\n{_COMPATIBILITY}"


def schema_name(shape: str) -> str:
    """Returns the name of a schema: `Account` for the class `AccountResponse`, `LoginRequest` for `LoginBody`."""
    return f"{shape.removesuffix('Body')}Request" if shape.endswith("Body") else shape.removesuffix("Response")


def _schema(made: Json, settings: Settings) -> Json:
    """Returns a schema of msgspec in the words of clients and their generators.

    These take the title for the name of a type, and a field with a default value for one that is always there.
    """
    schema = {key: value for key, value in made.items() if key not in {"title", "default"} and value != []}
    if "description" in schema:
        schema["description"] = cleandoc(schema["description"])
    if "$ref" in schema:
        schema["$ref"] = _REFERENCES + schema_name(schema["$ref"].removeprefix(_REFERENCES))
    if "properties" in schema:
        schema["properties"] = {name: _schema(field, settings) for name, field in schema["properties"].items()}
    if "items" in schema:
        schema["items"] = _schema(schema["items"], settings)
    if "enum" in schema:
        schema["type"] = "string"
    if schema.pop(NEW_PASSWORD, False):
        schema["minLength"] = settings.password_min_length
    return _with_types(schema, [_schema(part, settings) for part in schema.pop("anyOf", [])])


def _with_types(schema: Json, parts: Sequence[Json]) -> Json:
    """Returns the schema with the JSON types of its parts: its one type and null."""
    types: list[str] = []
    for part in parts:
        types += [part.pop("type")] if isinstance(part["type"], str) else part.pop("type")
        schema |= part
    if types:
        schema["type"] = list(dict.fromkeys(types))
    return schema


def operation_of(handler: HTTPRouteHandler) -> Operation:
    declared: Operation = handler.opt["operation"]
    return declared


def path_of(handler: HTTPRouteHandler) -> str:
    """Returns the path as documented: calls end in a slash, files do not."""
    (path,) = handler.paths
    path = path.replace(":str", "")
    is_file = path.startswith("/images/") or path.endswith((".json", "z"))
    return path if is_file else f"{path}/"


def refusals_of(declared: Operation) -> list[type[Refusal]]:
    """Returns every refusal of a call."""
    return [*declared.refusals, *(_WITH_BODY if declared.body else ()), *_BY_AUTH.get(declared.auth, ()), *_ALWAYS]


def _operation_object(handler: HTTPRouteHandler, declared: Operation, settings: Settings) -> Json:
    described: Json = {
        "operationId": re.sub("_(.)", lambda match: match[1].upper(), handler.handler_name),
        "tags": [declared.tag],
        "summary": declared.summary,
        "responses": {str(declared.status): _success(declared), **_redirect(declared), **_problems(refusals_of(declared))},
    }
    if declared.detail:
        described["description"] = declared.detail
    if parameters := _parameters(handler, declared, settings):
        described["parameters"] = parameters
    if declared.body is not None:
        described["requestBody"] = _request_body(declared, declared.body)
    if declared.auth is Auth.REVOCATIONS_SECRET:
        described["security"] = [{"revocations": []}]
    elif declared.auth is not Auth.NONE:
        described["security"] = [{"bearer": []}, *([{}] if declared.auth is Auth.OPTIONAL else [])]
    return described


def _parameters(handler: HTTPRouteHandler, declared: Operation, settings: Settings) -> list[Json]:
    names = _PARAMETERS.findall(path_of(handler))
    in_path = [{"name": name, "in": "path", "required": True, "schema": _PATH_TYPES.get(name, _TEXT)} for name in names]
    return in_path + list(_query_parameters(declared.query, settings) if declared.query else ())


def _query_parameters(query: type[Struct], settings: Settings) -> Iterator[Json]:
    """Yields the fields of the struct, each an optional parameter: null is none of its values."""
    (_,), schemas = schema_components([query], ref_template=_REFERENCES + "{name}")
    for name, field in schemas[query.__name__]["properties"].items():
        schema = _schema(field, settings)
        if isinstance(schema["type"], list):
            (schema["type"],) = (kind for kind in schema["type"] if kind != "null")
        yield {"name": name, "in": "query", "description": schema.pop("description"), "schema": schema}


def _request_body(declared: Operation, body: type[Struct]) -> Json:
    content: Json = {"schema": _reference(body)}
    if declared.body_type == JSON:
        content["example"] = dict(_examples(body))
    return {"required": not declared.is_body_optional, "content": {declared.body_type: content}}


def _reference(shape: type[Struct]) -> Json:
    return {"$ref": _REFERENCES + schema_name(shape.__name__)}


def _examples(body: type[Struct]) -> Iterator[tuple[str, Any]]:
    """Yields an example of each required field."""
    for field in fields(body):
        if field.required:
            example = next((meta.examples[0] for meta in metas(field.type) if meta.examples), "text")
            yield field.encode_name, example


def _success(declared: Operation) -> Json:
    if declared.status == HTTPStatus.NO_CONTENT:
        return {"description": "Done."}
    references = [_reference(response) for response in declared.responses] or [{"type": "string", "format": "binary"}]
    schema = references[0] if len(references) == 1 else {"oneOf": references}
    text = " ".join((response.__doc__ or "").strip() for response in declared.responses) or "The file."
    return {"description": text, "content": {declared.media_type: {"schema": schema}}}


def _redirect(declared: Operation) -> Json:
    if not declared.redirects:
        return {}
    where = {"required": True, "schema": {"type": "string", "format": "uri"}}
    return {"307": {"description": "The file is at `Location`, for some minutes.", "headers": {"location": where}}}


def _problems(refusals: Iterable[type[Refusal]]) -> Json:
    by_status: dict[int, list[type[Refusal]]] = {}
    for refusal in refusals:
        by_status.setdefault(STATUS[refusal], []).append(refusal)
    return {str(status): _problem(by_status[status]) for status in sorted(by_status)}


def _problem(refusals: Sequence[type[Refusal]]) -> Json:
    samples = [_SAMPLES.get(refusal) or refusal() for refusal in refusals]
    response: Json = {
        "description": " · ".join(f"`{refusal.slug}`: {_meaning(refusal)}" for refusal in refusals),
        "content": {
            MEDIA_TYPE: {
                "schema": _reference(Problem),
                "examples": {sample.slug: {"value": problem_document(sample)} for sample in samples},
            }
        },
    }
    headers = {name for sample in samples for name in problem_headers(sample) if name != "connection"}
    if headers:
        response["headers"] = {
            name: {
                "required": name not in _OPTIONAL_HEADERS,
                "schema": {"type": "integer" if name == "retry-after" else "string"},
            }
            for name in sorted(headers)
        }
    return response


def _meaning(refusal: type[Refusal]) -> str:
    """Returns the first paragraph of the docstring; the others are for programmers."""
    return " ".join((refusal.__doc__ or "").partition("\n\n")[0].split())


_DESCRIPTION = """\
User accounts: registration, login, one-time codes, password reset, sessions.

Bodies are UTF-8 JSON objects of at most 16 KiB; unknown fields are ignored. An error is `application/problem+json`
(RFC 9457): read its `type`. Paths work with and without the slash at their end."""

_COMPATIBILITY = """\
**This server gives clients of drf-user the answers that they know from it** (`VESTIBULE_COMPATIBILITY`). Where these differ,
this document describes the default mode, and `docs/drf-user.md` the differences."""
