"""The OpenAPI 3.1 document, made of what each handler says of itself and of the shapes of its bodies and answers.

Litestar's own generator reads handlers' signatures, and bodies here are read by hand, bounded and leniently; so the document
is built from the same declarations that the reading goes by.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from litestar.handlers import HTTPRouteHandler
from msgspec import Meta, Struct
from msgspec.json import schema_components
from msgspec.structs import fields

from ...application import InvalidInput, InvalidToken, NotAuthenticated, Refusal
from ...verify.refusals import MEDIA_TYPE
from ..settings import Settings
from .operations import ALWAYS, KEY, Described, Login
from .problems import (
    STATUS,
    BodyTooLarge,
    BodyTooSlow,
    MalformedBody,
    Problem,
    UnsupportedMediaType,
    problem_document,
    problem_headers,
)
from .responses import JSON

_OF_BODIES: tuple[type[Refusal], ...] = (MalformedBody, BodyTooSlow, BodyTooLarge, UnsupportedMediaType)
_OF_LOGINS: tuple[type[Refusal], ...] = (NotAuthenticated, InvalidToken)
_REFERENCES = "#/components/schemas/{name}"
_PARAMETERS = re.compile(r"\{(\w+)\}")

Json = dict[str, Any]


def openapi_document(settings: Settings, handlers: Sequence[HTTPRouteHandler], version: str) -> Json:
    """The whole document; every handler given is in it, under each of its methods."""
    paths: dict[str, Json] = {}
    shapes: set[type[Struct]] = {Problem}
    for handler in handlers:
        said = described_of(handler)
        shapes.update(said.answers, [said.body] if said.body else [])
        for method in handler.http_methods:
            paths.setdefault(path_of(handler), {})[method.lower()] = _operation(handler, said)
    _, schemas = schema_components(sorted(shapes, key=lambda shape: shape.__name__), ref_template=_REFERENCES)
    return {
        "openapi": "3.1.0",
        "info": {"title": settings.service_name, "version": version, "description": _DESCRIPTION},
        "servers": [{"url": settings.url + settings.api_prefix}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                **({"follower": {"type": "http", "scheme": "bearer"}} if settings.revocations_secret else {}),
            },
        },
    }


def described_of(handler: HTTPRouteHandler) -> Described:
    said = handler.opt[KEY]
    assert isinstance(said, Described)  # noqa: S101 — a handler that says nothing of itself is not served
    return said


def path_of(handler: HTTPRouteHandler) -> str:
    """As the documentation spells it: calls end in a slash, files do not."""
    (path,) = handler.paths
    path = path.replace(":str", "")
    return path if _is_file(path) else f"{path}/"


def refusals_of(said: Described) -> list[type[Refusal]]:
    """Everything that the call may refuse with."""
    needs_login = said.login in {Login.NEEDED, Login.FOLLOWER}
    ofs = (said.refusals, _OF_BODIES if said.body else (), _OF_LOGINS if needs_login else (), ALWAYS)
    return [refusal for some in ofs for refusal in some]


def _is_file(path: str) -> bool:
    return path.startswith("/images/") or path.endswith((".json", "z"))


def _operation(handler: HTTPRouteHandler, said: Described) -> Json:
    operation: Json = {
        "operationId": handler.handler_name.replace("_", "-"),
        "tags": [said.tag],
        "summary": said.summary,
        "responses": {str(said.status): _success(said), **_elsewhere(said), **_problems(refusals_of(said))},
    }
    if said.detail:
        operation["description"] = said.detail
    if parameters := [*_in_path(handler), *_in_query(said)]:
        operation["parameters"] = parameters
    if said.body is not None:
        operation["requestBody"] = _request_body(said.body)
    if said.login is Login.FOLLOWER:
        operation["security"] = [{"follower": []}]
    elif said.login is not Login.NONE:
        operation["security"] = [{"bearer": []}, *([{}] if said.login is Login.TAKEN else [])]
    return operation


def _in_path(handler: HTTPRouteHandler) -> list[Json]:
    names = _PARAMETERS.findall(path_of(handler))
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _in_query(said: Described) -> list[Json]:
    return [{"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}} for name, meaning in said.query]


def _request_body(body: type[Struct]) -> Json:
    (reference,), components = schema_components([body], ref_template=_REFERENCES)
    properties = components[body.__name__]["properties"].values()
    if any(one.get("format") == "binary" for one in properties):
        return {"required": True, "content": {"multipart/form-data": {"schema": reference}}}
    return {"required": True, "content": {JSON: {"schema": reference, "example": dict(_examples(body))}}}


def _examples(body: type[Struct]) -> Iterator[tuple[str, Any]]:
    """A value for each field that has to be there."""
    for one in fields(body):
        if one.required:
            example = next((meta.examples[0] for meta in _metas(one.type) if meta.examples), "text")
            yield one.encode_name, example


def _metas(annotation: Any) -> Iterator[Meta]:
    yield from (meta for meta in getattr(annotation, "__metadata__", ()) if isinstance(meta, Meta))
    for part in getattr(annotation, "__args__", ()):
        yield from _metas(part)


def _success(said: Described) -> Json:
    if not said.answers:
        schema: Json = {"type": "string", "format": "binary"}
    else:
        references, _ = schema_components(said.answers, ref_template=_REFERENCES)
        schema = dict(references[0]) if len(references) == 1 else {"anyOf": list(references)}
    text = " ".join((answer.__doc__ or "").strip() for answer in said.answers) or "The file."
    return {"description": text, "content": {said.media_type: {"schema": schema}}}


def _elsewhere(said: Described) -> Json:
    if not said.redirects:
        return {}
    where = {"required": True, "schema": {"type": "string", "format": "uri"}}
    return {"307": {"description": "The file is at `Location`, for some minutes.", "headers": {"location": where}}}


def _problems(refusals: Iterable[type[Refusal]]) -> Json:
    by_status: dict[int, list[type[Refusal]]] = {}
    for refusal in refusals:
        by_status.setdefault(STATUS[refusal], []).append(refusal)
    return {str(status): _problem(by_status[status]) for status in sorted(by_status)}


def _problem(refusals: Sequence[type[Refusal]]) -> Json:
    found = [_sample(refusal) for refusal in refusals]
    answer: Json = {
        "description": " · ".join(f"`{refusal.slug}`: {_meaning(refusal)}" for refusal in refusals),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {one.slug: {"value": problem_document(one)} for one in found},
            }
        },
    }
    headers = {name for one in found for name in problem_headers(one) if name != "connection"}
    if headers:
        answer["headers"] = {name: {"required": True, "schema": {"type": "string"}} for name in sorted(headers)}
    return answer


def _meaning(refusal: type[Refusal]) -> str:
    """The first paragraph of its docstring; what follows is for programmers."""
    return " ".join((refusal.__doc__ or "").partition("\n\n")[0].split())


def _sample(refusal: type[Refusal]) -> Refusal:
    """One of the kind, to show."""
    wanted: Any = refusal
    if refusal is InvalidInput:
        return InvalidInput({"email": ["This field is required."]})
    if issubclass(refusal, InvalidInput):
        return wanted("email")  # type: ignore[no-any-return]  # AlreadyTaken is made of the names of fields
    try:
        return wanted()  # type: ignore[no-any-return]
    except TypeError:
        return wanted(30)  # type: ignore[no-any-return]  # RateLimited is made of seconds


_DESCRIPTION = """\
User accounts: registration, login, one-time codes, password reset, sessions.

Bodies are UTF-8 JSON objects of at most 16 KiB; unknown fields are ignored. An error is `application/problem+json`
(RFC 9457): read its `type`. Paths work with and without the slash at their end."""
