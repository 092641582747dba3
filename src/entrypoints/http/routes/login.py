"""Logs in with a password, and refreshes tokens."""

from litestar import post

from ....domain import errors
from ..dependencies import HttpRequest, caller_of, use_cases
from ..openapi import Operation
from ..request_body import read_body
from ..request_schemas import LoginBody, RefreshBody
from ..responses import AsgiResponse, TokenSetResponse, token_response


@post(
    "/login",
    operation=Operation(
        "Login",
        "Log in with a password",
        (TokenSetResponse,),
        body=LoginBody,
        refusals=(errors.InvalidInput, errors.InvalidCredentials),
        detail="`username` holds a username, an email or a mobile.",
    ),
)
async def login(request: HttpRequest) -> AsgiResponse:
    body = await read_body(request, LoginBody)
    tokens = await use_cases(request).log_in(username=body.username, password=body.password, caller=caller_of(request))
    return token_response(200, tokens)


@post(
    "/refresh-token",
    operation=Operation(
        "Login",
        "Get a new token set for a refresh token",
        (TokenSetResponse,),
        body=RefreshBody,
        refusals=(errors.InvalidInput, errors.InvalidRefreshToken),
        detail="Each refresh token is valid once; the response holds its successor. Reuse of one revokes the session.",
    ),
)
async def refresh_token(request: HttpRequest) -> AsgiResponse:
    body = await read_body(request, RefreshBody)
    tokens = await use_cases(request).refresh(refresh=body.refresh, caller=caller_of(request))
    return token_response(200, tokens)
