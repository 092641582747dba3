"""Resets a password by a code."""

from litestar import post

from ....application import CodeEffects
from ....domain import errors
from ..authentication import authenticate_optional
from ..dependencies import HttpRequest, caller_of, use_cases
from ..openapi import Auth, Operation
from ..request_body import read_body
from ..request_schemas import ResetPasswordBody
from ..responses import AsgiResponse, PasswordResetResponse


@post(
    "/password/reset",
    operation=Operation(
        "Password",
        "Set a new password by a code",
        (PasswordResetResponse,),
        status=202,
        body=ResetPasswordBody,
        refusals=(errors.InvalidInput, errors.InvalidCode, errors.AddressNotVerified),
        auth=Auth.OPTIONAL,
        detail="`/otp/` sends the code. A reset revokes every session of the account. With the account's own access token "
        "nothing is cleared.",
    ),
)
async def reset_password(request: HttpRequest) -> AsgiResponse:
    effects = await reset_by_code(request)
    return AsgiResponse(202, PasswordResetResponse("The password is changed.", effects.cleared, effects.recovered))


async def reset_by_code(request: HttpRequest) -> CodeEffects:
    """Sets the password of the body by its code."""
    vestibule = use_cases(request)
    body = await read_body(request, ResetPasswordBody, code_length=vestibule.settings.code_length)
    identity = await authenticate_optional(request)
    return await vestibule.reset_password(
        email=body.email, otp=body.otp, password=body.password, identity=identity, caller=caller_of(request)
    )
