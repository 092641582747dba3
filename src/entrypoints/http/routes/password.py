"""Resets a password by a code."""

from litestar import post

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
    vestibule = use_cases(request)
    body = await read_body(request, ResetPasswordBody, code_length=vestibule.settings.otp_length)
    identity = await authenticate_optional(request)
    effects = await vestibule.reset_password(
        email=body.email, otp=body.otp, password=body.password, identity=identity, caller=caller_of(request)
    )
    detail = "The password is changed."
    return AsgiResponse(202, PasswordResetResponse(detail, effects.cleared, effects.recovered))
