"""Registering, and asking whether one could."""

from litestar import post

from ...application import AlreadyTaken, InvalidInput
from .answers import AccountAnswer, Answer, UniqueAnswer, account_answer
from .bodies import CheckUniqueBody, RegisterBody
from .describing import described
from .front import caller_of
from .given import Call, use_cases
from .reading import read


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
