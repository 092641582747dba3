"""One-time codes: asked for, and brought back to verify, to log in or to register."""

from typing import Any

from litestar import post

from ....application import AccountMismatch, Caller, InvalidCode, InvalidInput
from ...async_facade import AsyncVestibule
from ..authentication import perhaps_authenticated
from ..dependencies import Call, use_cases
from ..middleware.request_context import caller_of
from ..operations import Login, described
from ..request_body import read
from ..request_schemas import CodeBody, RegisterOrLogInBody
from ..responses import Answer, ProvenAnswer, SentAnswer, TokenAnswer, sent_answer, token_answer

_CONDITIONS = (InvalidInput, InvalidCode)


@post(
    "/otp",
    opt=described(
        "Codes",
        "Ask for a code, verify by it, or log in by it",
        SentAnswer,
        ProvenAnswer,
        TokenAnswer,
        status=201,
        body=CodeBody,
        refusals=_CONDITIONS,
        login=Login.TAKEN,
        detail="Without `verify_otp` a code is sent. With it the address is proven; with `is_login` too, its account is logged "
        "in to. A verification with the account's own access token keeps what was set there before.",
    ),
)
async def otp(request: Call) -> Answer:
    vestibule = use_cases(request)
    fields = await read(request, CodeBody, digits=vestibule.settings.otp_length)
    caller, login = caller_of(request), fields["is_login"]
    # What is no flag goes the way of a send, whose use case names it beside every other fault.
    if _is_absent(fields["verify_otp"]) or not isinstance(login, bool | None):
        del fields["verify_otp"]
        return sent_answer(await vestibule.request_code(**fields, caller=caller))
    del fields["email"], fields["is_login"]
    if login:
        return token_answer(201, await vestibule.log_in_by_code(**fields, caller=caller))
    return await _verify(request, vestibule, fields, caller)


async def _verify(request: Call, vestibule: AsyncVestibule, fields: dict[str, Any], caller: Caller) -> Answer:
    identity = await perhaps_authenticated(request, vestibule)
    proven = await vestibule.verify_code(**fields, identity=identity, caller=caller)
    return Answer(201, ProvenAnswer("This address is proven.", proven.proof))


@post(
    "/otpreglogin",
    opt=described(
        "Codes",
        "Register or log in by a code",
        SentAnswer,
        TokenAnswer,
        status=201,
        body=RegisterOrLogInBody,
        refusals=(*_CONDITIONS, AccountMismatch),
        detail="Without `verify_otp` a code is sent to the email and another to the mobile; either may come back.",
    ),
)
async def otpreglogin(request: Call) -> Answer:
    vestibule = use_cases(request)
    fields = await read(request, RegisterOrLogInBody, digits=vestibule.settings.otp_length)
    caller = caller_of(request)
    if _is_absent(fields["verify_otp"]):
        del fields["verify_otp"]
        return sent_answer(await vestibule.request_registration_code(**fields, caller=caller))
    return token_answer(201, await vestibule.register_or_log_in(**fields, caller=caller))


def _is_absent(code: Any) -> bool:
    return code is None or (isinstance(code, str) and not code.strip())
