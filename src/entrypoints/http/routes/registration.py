"""Registering, and asking whether one could."""

from litestar import post

from ....application import AlreadyTaken, InvalidInput
from ..dependencies import Call, use_cases
from ..middleware.request_context import caller_of
from ..operations import described
from ..request_body import read
from ..request_schemas import CheckUniqueBody, RegisterBody
from ..responses import AccountAnswer, Answer, UniqueAnswer, account_answer


@post(
    "/register",
    opt=described(
        "Registration",
        "Register a new account",
        AccountAnswer,
        status=201,
        body=RegisterBody,
        refusals=(InvalidInput, AlreadyTaken),
    ),
)
async def register(request: Call) -> Answer:
    vestibule = use_cases(request)
    fields = await read(request, RegisterBody)
    account = await vestibule.register(**fields, caller=caller_of(request))
    return account_answer(201, account, vestibule.settings)


@post(
    "/isunique",
    opt=described(
        "Registration",
        "Ask whether a username, email or mobile is free",
        UniqueAnswer,
        body=CheckUniqueBody,
        refusals=(InvalidInput,),
    ),
)
async def isunique(request: Call) -> Answer:
    vestibule = use_cases(request)
    fields = await read(request, CheckUniqueBody)
    return Answer(200, UniqueAnswer(await vestibule.check_unique(**fields, caller=caller_of(request))))
