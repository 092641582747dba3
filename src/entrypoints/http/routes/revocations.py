"""Lists revoked sessions, for services that verify access tokens offline."""

from litestar import get

from ....domain import errors
from ..authentication import bearer_token
from ..dependencies import HttpRequest, use_cases
from ..middleware.revocation_clients import PATH, sends_secret
from ..openapi import Auth, Operation
from ..request_body import read_query
from ..request_schemas import RevocationsQuery
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
        query=RevocationsQuery,
    ),
)
async def list_revocations(request: HttpRequest) -> AsgiResponse:
    vestibule = use_cases(request)
    if bearer_token(request.scope["headers"]) is None:
        raise errors.NotAuthenticated
    if not sends_secret(request.scope, vestibule.settings.revocations_secret):
        raise errors.InvalidToken
    ended = await vestibule.list_revoked_sessions(after=read_query(request, RevocationsQuery).after)
    body = RevocationsResponse(sessions=list(ended.session_ids), after=ended.after, more=ended.has_more, seconds=ended.seconds)
    return AsgiResponse(200, body)
