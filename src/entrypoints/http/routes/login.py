"""Logging in with a password, and staying logged in."""

from litestar import post

from ....application import InvalidCredentials, InvalidInput, InvalidRefreshToken
from ..dependencies import Call, use_cases
from ..middleware.request_context import caller_of
from ..operations import described
from ..request_body import read
from ..request_schemas import LoginBody, RefreshBody
from ..responses import Answer, TokenAnswer, token_answer


@post(
    "/login",
    opt=described(
        "Login",
        "Log in with a password",
        TokenAnswer,
        body=LoginBody,
        refusals=(InvalidInput, InvalidCredentials),
        detail="`username` holds a username, an email or a mobile.",
    ),
)
async def login(request: Call) -> Answer:
    vestibule = use_cases(request)
    fields = await read(request, LoginBody)
    return token_answer(200, await vestibule.log_in(**fields, caller=caller_of(request)))


@post(
    "/refresh-token",
    opt=described(
        "Login",
        "Get a new token set for a refresh token",
        TokenAnswer,
        body=RefreshBody,
        refusals=(InvalidInput, InvalidRefreshToken),
        detail="Each refresh token is good once; the answer holds its successor. Using a spent one ends the session.",
    ),
)
async def refresh_token(request: Call) -> Answer:
    vestibule = use_cases(request)
    fields = await read(request, RefreshBody)
    return token_answer(200, await vestibule.refresh(**fields, caller=caller_of(request)))
