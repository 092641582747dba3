"""A new password for who has lost the old one."""

from litestar import post

from ....application import InvalidCode, InvalidInput
from ..dependencies import Call, UseCases
from ..middleware.request_context import caller_of
from ..operations import described
from ..request_body import read
from ..request_schemas import ResetPasswordBody
from ..responses import Answer, DetailAnswer


@post(
    "/password/reset",
    opt=described(
        "Password",
        "Set a new password by a code",
        DetailAnswer,
        status=202,
        body=ResetPasswordBody,
        refusals=(InvalidInput, InvalidCode),
        detail="Ask `/otp/` for the code. A reset ends every session of the account.",
    ),
)
async def reset_password(request: Call, vestibule: UseCases) -> Answer:
    fields = await read(request, ResetPasswordBody, digits=vestibule.settings.otp_length)
    await vestibule.reset_password(**fields, caller=caller_of(request))
    return Answer(202, DetailAnswer("The password is changed."))
