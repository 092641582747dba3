"""Calls of operators for the service as a whole: audit log, outbox, summary."""

from litestar import delete, get, post
from litestar.params import FromPath
from msgspec.structs import asdict

from ....application import DropMessages, FindEvents, FindMessages, RetryMessages, Summarize
from ....domain import errors
from ...administration_responses import EventListResponse, MessageListResponse, SummaryResponse, events, messages, summary
from ..authentication import operator_of
from ..dependencies import HttpRequest, caller_of, use_cases
from ..request_body import read_optional_body, read_query
from ..request_schemas import ActionBody, FindEventsQuery, FindMessagesQuery
from ..responses import NO_CONTENT, AsgiResponse, DetailResponse
from .administration import operation


@get(
    "/admin/audit",
    operation=operation(
        FindEvents,
        "Read the audit log",
        (EventListResponse,),
        query=FindEventsQuery,
        refusals=(errors.InvalidInput,),
        detail="Go on with `cursor` until it is null.",
    ),
)
async def find_events(request: HttpRequest) -> AsgiResponse:
    query = read_query(request, FindEventsQuery)
    page = await use_cases(request).find_events(operator=operator_of(request), caller=caller_of(request), **asdict(query))
    return AsgiResponse(200, events(page))


@get(
    "/admin/outbox",
    operation=operation(
        FindMessages,
        "List messages that wait or have failed",
        (MessageListResponse,),
        query=FindMessagesQuery,
        refusals=(errors.InvalidInput,),
        detail="Never with their text or a code.",
    ),
)
async def find_messages(request: HttpRequest) -> AsgiResponse:
    vestibule, query = use_cases(request), read_query(request, FindMessagesQuery)
    page = await vestibule.find_messages(operator=operator_of(request), caller=caller_of(request), **asdict(query))
    return AsgiResponse(200, messages(page, vestibule.blocking.clock()))


@post(
    "/admin/outbox/retry",
    operation=operation(
        RetryMessages,
        "Make all messages that have failed once or more due now",
        (DetailResponse,),
        body=ActionBody,
        is_body_optional=True,
    ),
)
async def retry_messages(request: HttpRequest) -> AsgiResponse:
    return AsgiResponse(200, DetailResponse(f"Due now: {await _retry(request, None)}."))


@delete(
    "/admin/outbox",
    operation=operation(
        DropMessages, "Delete all messages that failed permanently", (DetailResponse,), body=ActionBody, is_body_optional=True
    ),
    status_code=200,
)
async def drop_failed_messages(request: HttpRequest) -> AsgiResponse:
    return AsgiResponse(200, DetailResponse(f"Deleted: {await _drop(request, None)}."))


@post(
    "/admin/outbox/{message_id:str}/retry",
    operation=operation(
        RetryMessages,
        "Make a message due now",
        (DetailResponse,),
        body=ActionBody,
        is_body_optional=True,
        refusals=(errors.NoSuchMessage, errors.NotRetryable),
    ),
)
async def retry_message(request: HttpRequest, message_id: FromPath[str]) -> AsgiResponse:
    await _retry(request, [message_id])
    return AsgiResponse(200, DetailResponse("The message is due now."))


@delete(
    "/admin/outbox/{message_id:str}",
    operation=operation(
        DropMessages,
        "Delete a message without sending it",
        status=204,
        body=ActionBody,
        is_body_optional=True,
        refusals=(errors.NoSuchMessage,),
    ),
    status_code=200,
)
async def drop_message(request: HttpRequest, message_id: FromPath[str]) -> AsgiResponse:
    await _drop(request, [message_id])
    return NO_CONTENT


@get(
    "/admin/summary",
    operation=operation(Summarize, "Count accounts, logins and waiting messages of the last seven days", (SummaryResponse,)),
)
async def summarize(request: HttpRequest) -> AsgiResponse:
    made = await use_cases(request).summarize(operator=operator_of(request), caller=caller_of(request))
    return AsgiResponse(200, summary(made))


async def _retry(request: HttpRequest, ids: list[str] | None) -> int:
    body = await read_optional_body(request, ActionBody)
    return await use_cases(request).retry_messages(
        ids, operator=operator_of(request), caller=caller_of(request), **asdict(body)
    )


async def _drop(request: HttpRequest, ids: list[str] | None) -> int:
    body = await read_optional_body(request, ActionBody)
    return await use_cases(request).drop_messages(ids, operator=operator_of(request), caller=caller_of(request), **asdict(body))
