"""One's own sessions."""

from datetime import UTC, datetime

from litestar import delete, get, post
from litestar.params import FromPath

from ....application import Identity, NoSuchSession, Session
from ..authentication import authenticated
from ..dependencies import Call, UseCases
from ..middleware.request_context import caller_of
from ..operations import Login, described
from ..responses import Answer, DetailAnswer, SessionAnswer, SessionsAnswer


@get("/sessions", opt=described("Sessions", "List one's own sessions", SessionsAnswer, login=Login.NEEDED))
async def list_sessions(request: Call, vestibule: UseCases) -> Answer:
    identity = await authenticated(request, vestibule)
    sessions = await vestibule.list_sessions(identity=identity)
    return Answer(200, SessionsAnswer([_shown(session, identity) for session in sessions]))


@delete(
    "/sessions",
    opt=described("Sessions", "End all one's own sessions but the one that asks", DetailAnswer, status=200, login=Login.NEEDED),
    status_code=200,
)
async def end_other_sessions(request: Call, vestibule: UseCases) -> Answer:
    identity = await authenticated(request, vestibule)
    ended = await vestibule.end_other_sessions(identity=identity, caller=caller_of(request))
    return Answer(200, DetailAnswer(f"Ended: {ended}."))


@delete(
    "/sessions/{session_id:str}",
    opt=described("Sessions", "End one of one's own sessions", DetailAnswer, refusals=(NoSuchSession,), login=Login.NEEDED),
    status_code=200,
)
async def end_session(request: Call, vestibule: UseCases, session_id: FromPath[str]) -> Answer:
    identity = await authenticated(request, vestibule)
    await vestibule.end_session(identity=identity, session_id=session_id, caller=caller_of(request))
    return Answer(200, DetailAnswer("The session has ended."))


@post("/logout", opt=described("Sessions", "Log out: end the session that asks", DetailAnswer, login=Login.NEEDED))
async def logout(request: Call, vestibule: UseCases) -> Answer:
    identity = await authenticated(request, vestibule)
    await vestibule.end_session(identity=identity, session_id=identity.session_id, caller=caller_of(request))
    return Answer(200, DetailAnswer("You are logged out."))


def _shown(session: Session, identity: Identity) -> SessionAnswer:
    return SessionAnswer(
        id=session.id,
        created_at=_time(session.created_at),
        refreshed_at=_time(session.refreshed_at),
        expires_at=_time(session.expires_at),
        address=session.address,
        agent=session.user_agent,
        current=session.id == identity.session_id,
    )


def _time(moment: float) -> datetime:
    return datetime.fromtimestamp(round(moment), UTC)
