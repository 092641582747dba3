"""Lists revoked sessions, for services that verify access tokens offline."""

from urllib.parse import parse_qs

from litestar import get

from ....domain import errors
from ..authentication import bearer_token
from ..dependencies import HttpRequest, use_cases
from ..middleware.revocation_clients import PATH, sends_secret
from ..openapi import Auth, Operation
from ..responses import AsgiResponse, RevocationsResponse


@get(
    PATH,
    operation=Operation(
        "Service",
        "List revoked sessions",
        (RevocationsResponse,),
        detail="Those whose access tokens may not have expired yet, revoked by log-out, a changed or reset password, …",
        refusals=(errors.InvalidInput,),
        auth=Auth.REVOCATIONS_SECRET,
        query=(("after", "`after` of an earlier response; without it the list begins with the oldest."),),
    ),
)
async def list_revocations(request: HttpRequest) -> AsgiResponse:
    vestibule = use_cases(request)
    if bearer_token(request.scope["headers"]) is None:
        raise errors.NotAuthenticated
    if not sends_secret(request.scope, vestibule.settings.revocations_secret):
        raise errors.InvalidToken
    after = parse_qs(request.scope["query_string"].decode("latin-1")).get("after")
    ended = await vestibule.list_revoked_sessions(after=after[-1] if after else None)
    body = RevocationsResponse(sessions=list(ended.session_ids), after=ended.after, more=ended.has_more, seconds=ended.seconds)
    return AsgiResponse(200, body)
