"""Reads, replaces, changes and deletes the caller's own account."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

from litestar import delete, get, patch, put
from msgspec.structs import asdict

from ....application import Account
from ....domain import errors
from ...account_response import AccountResponse
from ..authentication import authenticate
from ..dependencies import HttpRequest, caller_of, use_cases
from ..openapi import Auth, Operation
from ..request_body import read_body, read_optional_body
from ..request_schemas import ChangeAccountBody, CurrentPasswordBody, ReplaceAccountBody
from ..responses import AsgiResponse, DeletionResponse, account_response


@get("/account", operation=Operation("Account", "Read the caller's own account", (AccountResponse,), auth=Auth.REQUIRED))
async def read_account(request: HttpRequest) -> AsgiResponse:
    identity = await authenticate(request)
    return account_response(200, identity.account, use_cases(request).settings)


_change_operation = partial(
    Operation,
    "Account",
    responses=(AccountResponse,),
    refusals=(errors.InvalidInput, errors.AlreadyTaken, errors.InvalidCredentials, errors.LoginNotFresh),
    auth=Auth.REQUIRED,
    detail="A password, and an email or mobile other than the present one, want a fresh login or `current_password`. A new "
    "password revokes all other sessions. A verified address that is replaced or removed can recover the account for days.",
)


@put("/account", operation=_change_operation("Replace every field of the caller's own account", body=ReplaceAccountBody))
async def replace_account(request: HttpRequest) -> AsgiResponse:
    return await _change(request, ReplaceAccountBody, use_cases(request).replace_account)


@patch("/account", operation=_change_operation("Change some fields of the caller's own account", body=ChangeAccountBody))
async def change_account(request: HttpRequest) -> AsgiResponse:
    return await _change(request, ChangeAccountBody, use_cases(request).change_account)


async def _change(
    request: HttpRequest, schema: type[ReplaceAccountBody | ChangeAccountBody], change: Callable[..., Awaitable[Account]]
) -> AsgiResponse:
    identity = await authenticate(request)
    body = await read_body(request, schema)
    account = await change(identity=identity, caller=caller_of(request), **asdict(body))
    return account_response(200, account, use_cases(request).settings)


@delete(
    "/account",
    operation=Operation(
        "Account",
        "Delete the caller's own account",
        (DeletionResponse,),
        status=202,
        body=CurrentPasswordBody,
        is_body_optional=True,
        refusals=(errors.InvalidInput, errors.InvalidCredentials, errors.LoginNotFresh, errors.LastSuperuser),
        auth=Auth.REQUIRED,
        detail="Wants a fresh login or `current_password`. All sessions end at once. Until `deleted_at` a login cancels the "
        "deletion; then everything that is kept about the account goes.",
    ),
    status_code=202,
)
async def delete_account(request: HttpRequest) -> AsgiResponse:
    identity = await authenticate(request)
    body = await read_optional_body(request, CurrentPasswordBody)
    deletion = await use_cases(request).delete_account(identity=identity, caller=caller_of(request), **asdict(body))
    waits = use_cases(request).settings.deletion_days
    detail = "The account will be deleted, unless you log in before then." if waits else "The account is deleted."
    return AsgiResponse(202, DeletionResponse(detail, datetime.fromtimestamp(int(deletion.deleted_at), UTC)))
