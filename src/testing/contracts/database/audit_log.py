"""The audit log: searches, and reading in order."""

from typing import Any

from ....application.ports import AuditQuery, Database
from ....domain.events import Caller, Event, EventType
from .builders import NOW, events, read_in_order, with_events


class AuditLogContract:
    """The audit log: searches, and reading in order."""

    def test_events_are_kept_in_order(self, database: Database) -> None:
        caller = Caller(ip_address="192.0.2.1", user_agent="Browser/1", request_id="request")
        happened = [
            Event(type=EventType.LOGGED_IN, occurred_at=NOW, account_id=7, session_id="s", caller=caller, detail="password"),
            Event(type=EventType.LOGIN_FAILED, occurred_at=NOW - 1),
        ]
        with database.begin() as tx:
            for event in happened:
                tx.audit_log.add(event)
        assert events(database) == happened

    def test_event_with_an_unstorable_user_agent_is_added(self, database: Database) -> None:
        with database.begin() as tx:
            tx.audit_log.add(Event(type=EventType.LOGGED_IN, occurred_at=NOW, caller=Caller(user_agent="\ud800 and \0")))
        assert len(events(database)) == 1

    def test_events_are_found_by_account_type_caller_and_time_in_pages(self, database: Database) -> None:
        happened = [
            Event(type=EventType.REGISTERED, occurred_at=NOW, account_id=1, caller=Caller("192.0.2.1", "a phone", "request")),
            Event(type=EventType.LOGIN_FAILED, occurred_at=NOW + 1, caller=Caller("192.0.2.2"), detail="unknown"),
            Event(
                type=EventType.LOGGED_IN, occurred_at=NOW + 2, account_id=1, session_id="session", caller=Caller("192.0.2.1")
            ),
            Event(type=EventType.LOGGED_IN, occurred_at=NOW + 3, account_id=2),
        ]
        with database.begin() as tx:
            for event in happened:
                tx.audit_log.add(event)

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

    def test_last_position_is_that_of_the_newest_event(self, database: Database) -> None:
        assert database.audit_log.last_position() == 0
        with_events(database, 1, 2)
        *_, (newest, _) = database.audit_log.find(AuditQuery(), limit=10)
        assert database.audit_log.last_position() == newest
        assert read_in_order(database, newest) == []
        with_events(database, 3)
        assert read_in_order(database, newest) == [3]
        assert database.audit_log.last_position() > newest

    def test_events_are_read_in_order_after_any_position(self, database: Database) -> None:
        with_events(database, 1, 2, 3)
        assert read_in_order(database) == [1, 2, 3]
        [(first, _), *_] = database.audit_log.read_stable_after(0, NOW, limit=1)
        assert read_in_order(database, first) == [2, 3]
        assert read_in_order(database, limit=2) == [1, 2]
        with_events(database, 4)
        assert read_in_order(database, first + 2) == [4]
        assert read_in_order(database, first + 3) == []
