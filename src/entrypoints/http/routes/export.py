"""Exports the caller's own account."""

from functools import partial

from litestar import get, post

from ....domain import errors
from ..authentication import authenticate
from ..dependencies import HttpRequest, caller_of, use_cases
from ..openapi import Auth, Operation
from ..request_body import read_optional_body
from ..request_schemas import CurrentPasswordBody
from ..responses import ZIP, AsgiPieces, zip_file

_operation = partial(
    Operation, "Account", media_type=ZIP, auth=Auth.REQUIRED, detail="A zip of JSON files and the image; five exports a day."
)


@get(
    "/account/export",
    operation=_operation("Export everything that is kept about the caller's own account", refusals=(errors.LoginNotFresh,)),
)
async def export_account(request: HttpRequest) -> AsgiPieces:
    return await _export(request, None)


@post(
    "/account/export",
    operation=_operation(
        "Export the same, with the current password",
        body=CurrentPasswordBody,
        is_body_optional=True,
        refusals=(errors.InvalidInput, errors.InvalidCredentials, errors.LoginNotFresh),
    ),
)
async def export_account_by_password(request: HttpRequest) -> AsgiPieces:
    body = await read_optional_body(request, CurrentPasswordBody)
    return await _export(request, body.current_password)


async def _export(request: HttpRequest, current_password: str | None) -> AsgiPieces:
    identity = await authenticate(request)
    pieces = await use_cases(request).export_account(
        identity=identity, current_password=current_password, caller=caller_of(request)
    )
    return await zip_file(pieces, f"account-{identity.account.id}.zip")
