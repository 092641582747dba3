"""Resets a password by a code."""

from litestar import post

from ....domain import errors
from ..dependencies import HttpRequest, caller_of, use_cases
from ..openapi import Operation
from ..request_body import read_body
from ..request_schemas import ResetPasswordBody
from ..responses import AsgiResponse, DetailResponse


@post(
    "/password/reset",
    operation=Operation(
        "Password",
        "Set a new password by a code",
        (DetailResponse,),
        status=202,
        body=ResetPasswordBody,
        refusals=(errors.InvalidInput, errors.InvalidCode),
        detail="`/otp/` sends the code. A reset revokes every session of the account.",
    ),
)
async def reset_password(request: HttpRequest) -> AsgiResponse:
    vestibule = use_cases(request)
    body = await read_body(request, ResetPasswordBody, code_length=vestibule.settings.otp_length)
    await vestibule.reset_password(email=body.email, otp=body.otp, password=body.password, caller=caller_of(request))
    return AsgiResponse(202, DetailResponse("The password is changed."))
