"""One's own account."""

from litestar import get, patch, put

from ....application import AlreadyTaken, InvalidInput
from ..authentication import authenticated
from ..dependencies import Call, use_cases
from ..middleware.request_context import caller_of
from ..operations import Login, described
from ..request_body import read
from ..request_schemas import ChangeAccountBody, ReplaceAccountBody
from ..responses import AccountAnswer, Answer, account_answer


@get("/account", opt=described("Account", "Read one's own account", AccountAnswer, login=Login.NEEDED))
async def read_account(request: Call) -> Answer:
    vestibule = use_cases(request)
    identity = await authenticated(request, vestibule)
    return account_answer(200, identity.account, vestibule.settings)


@put(
    "/account",
    opt=described(
        "Account",
        "Replace every field of one's own account",
        AccountAnswer,
        body=ReplaceAccountBody,
        refusals=(InvalidInput, AlreadyTaken),
        login=Login.NEEDED,
        detail="A new password ends all other sessions.",
    ),
)
async def replace_account(request: Call) -> Answer:
    vestibule = use_cases(request)
    identity = await authenticated(request, vestibule)
    fields = await read(request, ReplaceAccountBody)
    account = await vestibule.replace_account(identity=identity, **fields, caller=caller_of(request))
    return account_answer(200, account, vestibule.settings)


@patch(
    "/account",
    opt=described(
        "Account",
        "Change some fields of one's own account",
        AccountAnswer,
        body=ChangeAccountBody,
        refusals=(InvalidInput, AlreadyTaken),
        login=Login.NEEDED,
        detail="A new password ends all other sessions.",
    ),
)
async def change_account(request: Call) -> Answer:
    vestibule = use_cases(request)
    identity = await authenticated(request, vestibule)
    fields = await read(request, ChangeAccountBody)
    account = await vestibule.change_account(identity=identity, **fields, caller=caller_of(request))
    return account_answer(200, account, vestibule.settings)
