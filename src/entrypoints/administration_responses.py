"""JSON documents for operators, as their members. None has a hash, a token, a code or the text of a message."""

from datetime import UTC, datetime
from typing import Any

from ..application import Account, AccountDetails, Event, ServiceSummary, Session
from ..application.search import account_state
from .settings import Settings

Members = dict[str, Any]


def managed_account(account: Account, settings: Settings, now: float) -> Members:
    suspension = account.suspension
    return {
        "id": account.id,
        "username": account.username.text,
        "name": account.name,
        "email": account.email.text if account.email else None,
        "mobile": account.mobile.text if account.mobile else None,
        "is_superuser": account.is_superuser,
        "is_staff": account.is_staff,
        "profile_image": f"{settings.url}{settings.api_prefix}/images/{account.image}" if account.image else None,
        "email_verified": account.email_verified,
        "mobile_verified": account.mobile_verified,
        "has_password": account.password_hash is not None,
        "roles": list(account.roles),
        "state": account_state(account, now).value,
        "created_at": _utc(account.created_at),
        "suspended_at": _utc(suspension.since) if suspension else None,
        "suspended_until": _utc(suspension.until) if suspension else None,
        "suspension_reason": suspension.reason if suspension else None,
        "deletion_due_at": _utc(account.deletion_due_at),
    }


def account_details(details: AccountDetails, settings: Settings, now: float) -> Members:
    return managed_account(details.account, settings, now) | {
        "recovery_addresses": [
            {"address": one.address.text, "replaced_at": _utc(one.replaced_at), "expires_at": _utc(one.expires_at)}
            for one in details.account.recovery_addresses
        ],
        "sessions": [_session(session) for session in details.sessions],
        "logins": [_session(session) for session in details.logins],
        "limits": [
            {"policy": one.policy, "limit": str(one.limit), "retry_after": one.retry_after, "network": one.network}
            for one in details.limits
        ],
    }


def event(position: int, event: Event) -> Members:
    return {
        "id": position,
        "type": event.type.value,
        "occurred_at": _iso(round(event.occurred_at, 3)),
        "account_id": event.account_id,
        "session_id": event.session_id,
        "ip_address": event.caller.ip_address,
        "user_agent": event.caller.user_agent,
        "request_id": event.caller.request_id,
        "detail": event.detail,
        "actor": event.actor,
        "reason": event.reason,
    }


def summary(made: ServiceSummary) -> Members:
    return {
        "accounts": made.accounts,
        "days": [
            {
                "date": f"{datetime.fromtimestamp(day.begins_at, UTC):%Y-%m-%d}",
                "registrations": day.registrations,
                "logins": day.logins,
                "failed_logins": day.failed_logins,
            }
            for day in made.days
        ],
        "outbox": [
            {"channel": one.channel.value, "due": one.due, "due_since": _utc(one.due_since), "failed": one.failed}
            for one in made.outbox
        ],
    }


def _session(session: Session) -> Members:
    return {
        "id": session.id,
        "created_at": _utc(session.created_at),
        "refreshed_at": _utc(session.refreshed_at),
        "expires_at": _utc(session.expires_at),
        "revoked_at": _utc(session.revoked_at),
        "ip_address": session.ip_address,
        "user_agent": session.user_agent,
        "device": session.device,
    }


def _utc(timestamp: float | None) -> str | None:
    """Returns the time to the second."""
    return None if timestamp is None else _iso(round(timestamp))


def _iso(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat().replace("+00:00", "Z")
