"""Calls of operators for the accounts of others."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from litestar import delete, get, patch, post
from litestar.params import FromPath
from msgspec import Struct
from msgspec.structs import asdict

from ....application import (
    PERMISSIONS,
    Account,
    EditAccount,
    ExportAnyAccount,
    FindAccounts,
    ReadAccount,
    Reinstate,
    ReleaseAddress,
    RemoveAccount,
    Role,
    SendReset,
    SetRoles,
    SignOut,
    SuspendAccount,
    UnlockAccount,
)
from ....application.administration import no_such_account
from ....application.validation import MAX_ID
from ....domain import errors
from ...administration_responses import (
    ManagedAccountDetailsResponse,
    ManagedAccountListResponse,
    ManagedAccountResponse,
    account_details,
    managed_account,
    managed_accounts,
)
from ..authentication import operator_of
from ..dependencies import HttpRequest, caller_of, use_cases
from ..openapi import Auth, Operation
from ..request_body import read_body, read_optional_body, read_query
from ..request_schemas import (
    ActionBody,
    EditAccountBody,
    FindAccountsQuery,
    ReleaseAddressBody,
    SetRolesBody,
    SuspendAccountBody,
)
from ..responses import NO_CONTENT, ZIP, AsgiPieces, AsgiResponse, DetailResponse, zip_file

ACCOUNT = "/admin/accounts/{account_id:str}"
_WANTS = {Role.STAFF: "Wants `is_staff`.", Role.SUPERUSER: "Wants `is_superuser`."}
_OF_CHANGES = (errors.InvalidInput, errors.InvalidCredentials, errors.LoginNotFresh, errors.NotPermitted)


def operation(
    use_case: type[object],
    summary: str,
    responses: tuple[type[Struct], ...] = (),
    *,
    refusals: tuple[type[errors.Refusal], ...] = (),
    detail: str = "",
    **more: Any,
) -> Operation:
    """Declares a call of operators; the role that it wants, and whether it changes something, are those of the use case."""
    permission = PERMISSIONS[use_case.__name__]
    return Operation(
        "Administration",
        summary,
        responses,
        refusals=((*_OF_CHANGES, *refusals) if permission.changes else refusals),
        auth=Auth.OPERATOR,
        detail=" ".join(filter(None, (_WANTS[permission.role], _FRESH if permission.changes else "", detail))),
        **more,
    )


_FRESH = "Wants a fresh login or `current_password`."
_OF_ACCOUNTS = (errors.NoSuchAccount, errors.InvalidToken)  # the operator is checked again when the account is locked
_action_on_account = partial(operation, body=ActionBody, is_body_optional=True, refusals=_OF_ACCOUNTS)


@get(
    "/admin/accounts",
    operation=operation(
        FindAccounts,
        "Find accounts",
        (ManagedAccountListResponse,),
        query=FindAccountsQuery,
        refusals=(errors.InvalidInput,),
        detail="The youngest first, or in the order of what `query` finds. Go on with `cursor` until it is null.",
    ),
)
async def find_accounts(request: HttpRequest) -> AsgiResponse:
    vestibule, query = use_cases(request), read_query(request, FindAccountsQuery)
    page = await vestibule.find_accounts(operator=operator_of(request), caller=caller_of(request), **asdict(query))
    return AsgiResponse(200, managed_accounts(page, vestibule.settings, vestibule.blocking.clock()))


@get(
    ACCOUNT,
    operation=operation(
        ReadAccount,
        "Read an account, its sessions and the limits in force",
        (ManagedAccountDetailsResponse,),
        refusals=(errors.NoSuchAccount,),
    ),
)
async def read_account_details(request: HttpRequest, account_id: FromPath[str]) -> AsgiResponse:
    vestibule = use_cases(request)
    details = await vestibule.read_account(
        operator=operator_of(request), account_id=_number(account_id), caller=caller_of(request)
    )
    return AsgiResponse(200, account_details(details, vestibule.settings, vestibule.blocking.clock()))


@patch(
    ACCOUNT,
    operation=operation(
        EditAccount,
        "Change some fields of an account",
        (ManagedAccountResponse,),
        body=EditAccountBody,
        refusals=(*_OF_ACCOUNTS, errors.AlreadyTaken),
        detail="With `vouches` the given email and mobile become verified, and the addresses that they replace do not recover "
        "the account: so the address of a stolen account is put back.",
    ),
)
async def edit_account(request: HttpRequest, account_id: FromPath[str]) -> AsgiResponse:
    return await _change(request, account_id, await read_body(request, EditAccountBody), use_cases(request).edit_account)


@delete(
    ACCOUNT,
    operation=_action_on_account(
        RemoveAccount,
        "Remove an account at once, with everything that is kept about it",
        refusals=(*_OF_ACCOUNTS, errors.LastSuperuser),
        status=204,
        detail="It cannot be undone. The reason stays in the audit log: it should name no person.",
    ),
    status_code=200,
)
async def remove_account(request: HttpRequest, account_id: FromPath[str]) -> AsgiResponse:
    await _act(request, account_id, use_cases(request).remove_account)
    return NO_CONTENT


@post(
    f"{ACCOUNT}/suspend",
    operation=operation(
        SuspendAccount,
        "Suspend an account, for a time or until it is reinstated",
        (ManagedAccountResponse,),
        body=SuspendAccountBody,
        refusals=(*_OF_ACCOUNTS, errors.LastSuperuser),
        detail="Its sessions and codes end at once.",
    ),
)
async def suspend_account(request: HttpRequest, account_id: FromPath[str]) -> AsgiResponse:
    return await _change(request, account_id, await read_body(request, SuspendAccountBody), use_cases(request).suspend_account)


@post(
    f"{ACCOUNT}/reinstate",
    operation=_action_on_account(Reinstate, "End the suspension or the deactivation of an account", (ManagedAccountResponse,)),
)
async def reinstate_account(request: HttpRequest, account_id: FromPath[str]) -> AsgiResponse:
    return await _change(request, account_id, await read_optional_body(request, ActionBody), use_cases(request).reinstate)


@post(
    f"{ACCOUNT}/unlock",
    operation=_action_on_account(
        UnlockAccount,
        "Clear the limits that keep the owner of an account out",
        (DetailResponse,),
        detail="Those of its names and addresses, and not those of whole networks.",
    ),
)
async def unlock_account(request: HttpRequest, account_id: FromPath[str]) -> AsgiResponse:
    return _done(f"Limits in force that were lifted: {await _act(request, account_id, use_cases(request).unlock_account)}.")


@post(f"{ACCOUNT}/sign-out", operation=_action_on_account(SignOut, "End every session of an account", (DetailResponse,)))
async def sign_out_account(request: HttpRequest, account_id: FromPath[str]) -> AsgiResponse:
    return _done(f"Revoked: {await _act(request, account_id, use_cases(request).sign_out)}.")


@post(
    f"{ACCOUNT}/reset",
    operation=_action_on_account(
        SendReset,
        "Send the owner of an account a code to set a new password",
        (DetailResponse,),
        status=202,
        detail="To its email, for `/password/reset/`, as if the owner had asked for it.",
    ),
    status_code=202,
)
async def send_reset(request: HttpRequest, account_id: FromPath[str]) -> AsgiResponse:
    await _act(request, account_id, use_cases(request).send_reset)
    return AsgiResponse(202, DetailResponse("A code is sent to the email of the account."))


@patch(
    f"{ACCOUNT}/roles",
    operation=operation(
        SetRoles,
        "Set the flags and roles of an account",
        (ManagedAccountResponse,),
        body=SetRolesBody,
        refusals=(*_OF_ACCOUNTS, errors.LastSuperuser),
    ),
)
async def set_roles(request: HttpRequest, account_id: FromPath[str]) -> AsgiResponse:
    return await _change(request, account_id, await read_body(request, SetRolesBody), use_cases(request).set_roles)


@post(
    f"{ACCOUNT}/export",
    operation=_action_on_account(
        ExportAnyAccount,
        "Export everything that is kept about an account",
        media_type=ZIP,
        detail="A zip of JSON files and the image. The owner is notified.",
    ),
)
async def export_any_account(request: HttpRequest, account_id: FromPath[str]) -> AsgiPieces:
    pieces = await _act(request, account_id, use_cases(request).export_any_account)
    return await zip_file(pieces, f"account-{account_id}.zip")


@post(
    "/admin/addresses/release",
    operation=operation(
        ReleaseAddress,
        "Remove an unverified email or mobile from the account that has it",
        (ManagedAccountResponse,),
        body=ReleaseAddressBody,
        refusals=_OF_ACCOUNTS,
    ),
)
async def release_address(request: HttpRequest) -> AsgiResponse:
    body = await read_body(request, ReleaseAddressBody)
    account = await use_cases(request).release_address(operator=operator_of(request), caller=caller_of(request), **asdict(body))
    return _account(request, account)


async def _act(request: HttpRequest, account_id: str, act: Callable[..., Awaitable[Any]]) -> Any:
    body = await read_optional_body(request, ActionBody)
    return await act(operator=operator_of(request), account_id=_number(account_id), caller=caller_of(request), **asdict(body))


async def _change(
    request: HttpRequest, account_id: str, body: Struct, change: Callable[..., Awaitable[Account]]
) -> AsgiResponse:
    account = await change(
        operator=operator_of(request), account_id=_number(account_id), caller=caller_of(request), **asdict(body)
    )
    return _account(request, account)


def _account(request: HttpRequest, account: Account) -> AsgiResponse:
    vestibule = use_cases(request)
    return AsgiResponse(200, managed_account(account, vestibule.settings, vestibule.blocking.clock()))


def _done(detail: str) -> AsgiResponse:
    return AsgiResponse(200, DetailResponse(detail))


def _number(account_id: str) -> int:
    """Raises `NoSuchAccount` for a text that is the id of no account, as ids are written."""
    is_number = account_id.isascii() and account_id.isdigit() and account_id[0] != "0" and len(account_id) <= len(str(MAX_ID))
    if not is_number or int(account_id) > MAX_ID:
        raise no_such_account()
    return int(account_id)
