"""The audit log: searches, and reading in order."""

from dataclasses import replace
from typing import Any

from ....application.ports import AuditQuery, Database
from ....domain.events import Caller, Event, EventType
from .builders import NOW, events, registered, with_events


class AuditLogContract:
    """The audit log: searches, and reading in order."""

    def test_events_are_kept_in_order(self, database: Database) -> None:
        caller = Caller(ip_address="192.0.2.1", user_agent="Browser/1", request_id="request")
        full = Event(type=EventType.LOGGED_IN, occurred_at=NOW, account_id=7, session_id="s", caller=caller, detail="password")
        earlier = Event(type=EventType.LOGIN_FAILED, occurred_at=NOW - 1)
        with_events(database, full, earlier)
        assert events(database) == [full, earlier]
        with_events(database, replace(full, caller=Caller(user_agent="\ud800 and \0")))
        assert len(events(database)) == 3

    def test_events_are_found_by_account_type_caller_and_time_in_pages(self, database: Database) -> None:
        phone = Caller("192.0.2.1")
        happened = [
            replace(registered(1), caller=Caller("192.0.2.1", "a phone", "request")),
            Event(type=EventType.LOGIN_FAILED, occurred_at=NOW + 1, caller=Caller("192.0.2.2"), detail="unknown"),
            Event(type=EventType.LOGGED_IN, occurred_at=NOW + 2, account_id=1, session_id="session", caller=phone),
            Event(type=EventType.LOGGED_IN, occurred_at=NOW + 3, account_id=2),
        ]
        with_events(database, *happened)

        def found(limit: int = 10, **wanted: Any) -> list[Event]:
            return [event for _, event in database.audit_log.find(AuditQuery(**wanted), limit=limit)]

        assert found() == happened
        assert found(account_id=1) == [happened[0], happened[2]]
        assert found(type=EventType.LOGGED_IN) == happened[2:]
        assert found(ip_address="192.0.2.2") == [happened[1]]
        assert found(since=NOW + 1, until=NOW + 3) == happened[1:3]
        assert found(account_id=1, type=EventType.LOGGED_IN, ip_address="192.0.2.1", since=NOW) == [happened[2]]
        positions = [position for position, _ in database.audit_log.find(AuditQuery(), limit=2)]
        assert positions == sorted(positions)
        assert found(after=positions[-1]) == happened[2:]

    def test_events_are_read_in_order_after_any_position(self, database: Database) -> None:
        def accounts(after: int, limit: int = 9) -> list[int | None]:
            return [event.account_id for _, event in database.audit_log.read_stable_after(after, NOW, limit=limit)]

        assert database.audit_log.last_position() == 0
        with_events(database, registered(1), registered(2), registered(3))
        first, _, last = (position for position, _ in database.audit_log.find(AuditQuery(), limit=9))
        assert database.audit_log.last_position() == last
        assert [accounts(0), accounts(0, limit=2), accounts(first), accounts(last)] == [[1, 2, 3], [1, 2], [2, 3], []]
        with_events(database, registered(4))
        assert database.audit_log.last_position() > last
        assert [accounts(last), accounts(last + 1)] == [[4], []]
