"""Which sessions were ended, for services that check tokens offline. They show a secret that they share with this one."""

import hmac
from urllib.parse import parse_qs

from litestar import get
from litestar.types import HTTPScope

from ....application import InvalidInput, InvalidToken, NotAuthenticated
from ...settings import Settings
from ..authentication import bearer_token
from ..dependencies import Call, UseCases
from ..operations import Login, described
from ..responses import Answer, RevocationsAnswer

PATH = "/revocations"


class Followers:
    """Tells the calls of services that follow from others. They ask often, and many from one address: no limit is theirs."""

    def __init__(self, settings: Settings) -> None:
        self._secret = settings.revocations_secret
        prefixes = ("", settings.api_prefix) if self._secret else ()
        self._paths = frozenset(f"{prefix}{PATH}{slash}" for prefix in prefixes for slash in ("", "/"))

    def include(self, scope: HTTPScope) -> bool:
        return scope["path"] in self._paths and _shows(self._secret, scope)


def _shows(secret: str | None, scope: HTTPScope) -> bool:
    try:
        token = bearer_token(scope["headers"])
    except InvalidToken:
        return False
    return secret is not None and token is not None and hmac.compare_digest(token.encode(), secret.encode())


@get(
    PATH,
    opt=described(
        "Service",
        "Which sessions were ended",
        RevocationsAnswer,
        detail="Those whose tokens may be good yet, however they came to their end: log-out, a changed or reset password, …",
        refusals=(InvalidInput,),
        login=Login.FOLLOWER,
        query=(("after", "`after` of an earlier answer; everything where there is none."),),
    ),
)
async def list_revocations(request: Call, vestibule: UseCases) -> Answer:
    if bearer_token(request.scope["headers"]) is None:
        raise NotAuthenticated
    if not _shows(vestibule.settings.revocations_secret, request.scope):
        raise InvalidToken
    asked = parse_qs(request.scope["query_string"].decode("latin-1")).get("after")
    ended = await vestibule.list_ended_sessions(after=asked[-1] if asked else None)
    return Answer(
        200,
        RevocationsAnswer(sessions=list(ended.session_ids), after=ended.after, more=ended.has_more, seconds=ended.seconds),
    )
