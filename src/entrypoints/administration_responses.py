"""Schemas of what operators see. None has a hash, a token, a code or the text of a message."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from ..application import (
    Account,
    AccountDetails,
    AccountPage,
    AccountState,
    Event,
    EventPage,
    MessagePage,
    OutboxEntry,
    ServiceSummary,
    Session,
)
from ..application.search import account_state
from .account_response import AccountResponse, account_fields, utc
from .settings import Settings

Time = Annotated[datetime, Meta(tz=True)]
Cursor = Annotated[str | None, Meta(description="For the next page; null after the last one.")]
IpAddress = Annotated[str | None, Meta(description="The caller's IP address; of IPv6 its /64 network.")]


class ManagedAccountResponse(AccountResponse):
    """An account, as operators see it."""

    roles: list[str]
    state: Annotated[
        str,
        Meta(
            description="Whether it can be logged in to. A suspension that is over counts as active.",
            extra_json_schema={"enum": [state.value for state in AccountState]},
        ),
    ]
    created_at: Time
    suspended_at: Time | None
    suspended_until: Annotated[Time | None, Meta(description="Null for a suspension without an end, or for none.")]
    suspension_reason: str | None
    deletion_due_at: Annotated[Time | None, Meta(description="A login before then cancels the deletion.")]


class ManagedAccountListResponse(Struct):
    """A page of accounts. It may have few, or none, although others follow."""

    accounts: list[ManagedAccountResponse]
    cursor: Cursor


class RecoveryAddressResponse(Struct):
    """A verified address that was replaced or removed; a code from it undoes that change."""

    address: str
    replaced_at: Time
    expires_at: Annotated[Time | None, Meta(description="Null until the address that replaced it is verified.")]


class StartedSessionResponse(Struct):
    """A session."""

    id: str
    created_at: Annotated[Time, Meta(description="The time of the login.")]
    refreshed_at: Annotated[Time, Meta(description="The time of its last token set.")]
    expires_at: Time
    revoked_at: Time | None
    ip_address: IpAddress
    user_agent: str | None
    device: Annotated[str | None, Meta(description="The browser and the system.")]


class LimitInForceResponse(Struct):
    """A limit that refuses calls now."""

    policy: Annotated[str, Meta(description="The name of the limit.", examples=["failed-logins"])]
    limit: Annotated[str, Meta(examples=["5/5min"])]
    retry_after: Annotated[int, Meta(description="Seconds until it lets a call pass.")]
    network: Annotated[
        str | None, Meta(description="The network of the callers whom it refuses; null where it refuses others.")
    ]


class ManagedAccountDetailsResponse(ManagedAccountResponse):
    """An account with its sessions and limits: why its owner cannot log in."""

    recovery_addresses: list[RecoveryAddressResponse]
    sessions: Annotated[list[StartedSessionResponse], Meta(description="The active ones, the newest first.")]
    logins: Annotated[list[StartedSessionResponse], Meta(description="The latest 20 sessions, ended ones too.")]
    limits: Annotated[list[LimitInForceResponse], Meta(description="The longest wait first.")]


class EventResponse(Struct):
    """An event of the audit log."""

    id: int
    type: Annotated[str, Meta(examples=["login_failed"])]
    occurred_at: Time
    account_id: int | None
    session_id: str | None
    ip_address: IpAddress
    user_agent: str | None
    request_id: str | None
    detail: str
    actor: Annotated[
        str | None, Meta(description="The operator; null for callers and for the service itself.", examples=["account 1"])
    ]
    reason: Annotated[str | None, Meta(description="The operator's reason.")]


class EventListResponse(Struct):
    """A page of events, the newest first. It may have few, or none, although others follow."""

    events: list[EventResponse]
    cursor: Cursor


class MessageResponse(Struct):
    """A message that waits or has failed, without its text. Of a damaged one the unknown fields are null."""

    id: str
    state: Annotated[str, Meta(extra_json_schema={"enum": ["waiting", "due", "sending", "failed", "damaged"]})]
    failure_reason: str | None
    channel: Annotated[str | None, Meta(examples=["email"])] = None
    recipient: Annotated[str | None, Meta(description="Null for one that is not sent, for an address without an account.")] = (
        None
    )
    template: Annotated[str | None, Meta(examples=["code"])] = None
    account_id: int | None = None
    failed_attempts: int | None = None
    due_at: Annotated[Time | None, Meta(description="Of the next attempt, or the end of the present one.")] = None
    expires_at: Time | None = None


class MessageListResponse(Struct):
    """A page of messages, the oldest first."""

    messages: list[MessageResponse]
    cursor: Cursor


class SummaryDayResponse(Struct):
    """A day in UTC."""

    date: date
    registrations: Annotated[int, Meta(description="Accounts that were created, without those deleted since.")]
    logins: int
    failed_logins: int


class BacklogResponse(Struct):
    """The waiting messages of a channel."""

    channel: str
    due: int
    due_since: Annotated[Time | None, Meta(description="Since when the oldest is due.")]
    failed: Annotated[int, Meta(description="Those that failed permanently.")]


class SummaryResponse(Struct):
    """The numbers of a week."""

    accounts: int
    days: Annotated[list[SummaryDayResponse], Meta(description="The last seven, the latest first.")]
    outbox: list[BacklogResponse]


def managed_account(account: Account, settings: Settings, now: float) -> ManagedAccountResponse:
    return ManagedAccountResponse(**_managed_fields(account, settings, now))


def managed_accounts(page: AccountPage, settings: Settings, now: float) -> ManagedAccountListResponse:
    return ManagedAccountListResponse([managed_account(account, settings, now) for account in page.accounts], page.cursor)


def account_details(details: AccountDetails, settings: Settings, now: float) -> ManagedAccountDetailsResponse:
    account = details.account
    return ManagedAccountDetailsResponse(
        **_managed_fields(account, settings, now),
        recovery_addresses=[
            RecoveryAddressResponse(one.address.text, utc(one.replaced_at), _utc(one.expires_at))
            for one in account.recovery_addresses
        ],
        sessions=[_session(session) for session in details.sessions],
        logins=[_session(session) for session in details.logins],
        limits=[LimitInForceResponse(one.policy, str(one.limit), one.retry_after, one.network) for one in details.limits],
    )


def events(page: EventPage) -> EventListResponse:
    return EventListResponse([event_response(*one) for one in page.events], None if page.cursor is None else str(page.cursor))


def messages(page: MessagePage, now: float) -> MessageListResponse:
    return MessageListResponse(
        [message_response(entry, now) for entry in page.entries], None if page.cursor is None else str(page.cursor)
    )


def summary(made: ServiceSummary) -> SummaryResponse:
    days = [SummaryDayResponse(utc(begin).date(), *counts) for begin, *counts in made.days]
    outbox = [BacklogResponse(one.channel.value, one.due, _utc(one.due_since), one.failed) for one in made.outbox]
    return SummaryResponse(made.accounts, days, outbox)


def _managed_fields(account: Account, settings: Settings, now: float) -> dict[str, Any]:
    suspension = account.suspension
    return account_fields(account, settings) | {
        "roles": list(account.roles),
        "state": account_state(account, now).value,
        "created_at": utc(account.created_at),
        "suspended_at": utc(suspension.since) if suspension else None,
        "suspended_until": _utc(suspension.until) if suspension else None,
        "suspension_reason": suspension.reason if suspension else None,
        "deletion_due_at": _utc(account.deletion_due_at),
    }


def _session(session: Session) -> StartedSessionResponse:
    return StartedSessionResponse(
        id=session.id,
        created_at=utc(session.created_at),
        refreshed_at=utc(session.refreshed_at),
        expires_at=utc(session.expires_at),
        revoked_at=_utc(session.revoked_at),
        ip_address=session.ip_address,
        user_agent=session.user_agent,
        device=session.device,
    )


def event_response(position: int, event: Event) -> EventResponse:
    return EventResponse(
        id=position,
        type=event.type.value,
        occurred_at=datetime.fromtimestamp(round(event.occurred_at, 3), UTC),
        account_id=event.account_id,
        session_id=event.session_id,
        ip_address=event.caller.ip_address,
        user_agent=event.caller.user_agent,
        request_id=event.caller.request_id,
        detail=event.detail,
        actor=event.actor,
        reason=event.reason,
    )


def message_response(entry: OutboxEntry, now: float) -> MessageResponse:
    message, state, reason = entry.message, entry.state(now), entry.failure_reason
    if not entry.is_readable:
        return MessageResponse(id=message.id, state=state, failure_reason=reason)
    return MessageResponse(
        id=message.id,
        channel=message.channel.value,
        recipient=message.recipient,
        template=message.template,
        account_id=message.account_id,
        state=state,
        failed_attempts=message.failed_attempts,
        failure_reason=reason,
        due_at=_utc(entry.due_at),
        expires_at=utc(message.expires_at),
    )


def _utc(timestamp: float | None) -> datetime | None:
    return None if timestamp is None else utc(timestamp)
