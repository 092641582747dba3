"""The caller's own sessions: lists and revokes them."""

from litestar import delete, get, post
from litestar.params import FromPath

from ....application import Identity, Session
from ....domain import errors
from ...account_response import utc
from ..authentication import authenticate, authenticate_optional
from ..dependencies import HttpRequest, caller_of, use_cases
from ..openapi import Auth, Operation
from ..request_body import read_optional_body
from ..request_schemas import LogOutBody
from ..responses import NO_CONTENT, AsgiResponse, DetailResponse, SessionListResponse, SessionResponse


@get("/sessions", operation=Operation("Sessions", "List the caller's own sessions", (SessionListResponse,), auth=Auth.REQUIRED))
async def list_sessions(request: HttpRequest) -> AsgiResponse:
    identity = await authenticate(request)
    sessions = await use_cases(request).list_sessions(identity=identity)
    return AsgiResponse(200, SessionListResponse([_session_response(session, identity) for session in sessions]))


@delete(
    "/sessions",
    operation=Operation("Sessions", "Revoke all own sessions but that of this call", (DetailResponse,), auth=Auth.REQUIRED),
    status_code=200,
)
async def revoke_other_sessions(request: HttpRequest) -> AsgiResponse:
    identity = await authenticate(request)
    revoked = await use_cases(request).revoke_other_sessions(identity=identity, caller=caller_of(request))
    return AsgiResponse(200, DetailResponse(f"Revoked: {revoked}."))


@delete(
    "/sessions/{session_id:str}",
    operation=Operation(
        "Sessions",
        "Revoke one of the caller's own sessions",
        (DetailResponse,),
        refusals=(errors.NoSuchSession,),
        auth=Auth.REQUIRED,
    ),
    status_code=200,
)
async def revoke_session(request: HttpRequest, session_id: FromPath[str]) -> AsgiResponse:
    identity = await authenticate(request)
    await use_cases(request).revoke_session(identity=identity, session_id=session_id, caller=caller_of(request))
    return AsgiResponse(200, DetailResponse("The session is revoked."))


@post(
    "/logout",
    operation=Operation(
        "Sessions",
        "Log out: revoke the session of the access token, or of a refresh token",
        status=204,
        body=LogOutBody,
        is_body_optional=True,
        refusals=(errors.InvalidInput, errors.NotAuthenticated, errors.InvalidToken),
        auth=Auth.OPTIONAL,
        detail="With `refresh` it succeeds whatever that token is worth (RFC 7009), and an invalid access token is ignored.",
    ),
)
async def logout(request: HttpRequest) -> AsgiResponse:
    body = await read_optional_body(request, LogOutBody)
    identity = await (authenticate(request) if body.refresh is None else authenticate_optional(request))
    await use_cases(request).log_out(identity=identity, refresh=body.refresh, caller=caller_of(request))
    return NO_CONTENT


def _session_response(session: Session, identity: Identity) -> SessionResponse:
    return SessionResponse(
        id=session.id,
        created_at=utc(session.created_at),
        refreshed_at=utc(session.refreshed_at),
        expires_at=utc(session.expires_at),
        address=session.ip_address,
        agent=session.user_agent,
        current=session.id == identity.session_id,
    )
