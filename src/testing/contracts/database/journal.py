"""The journal: asked, and followed."""

from typing import Any

from ....application.ports import Database, Query
from ....domain.events import Caller, Event, What
from .given import NOW, events, followed, journalled


class JournalContract:
    """The journal: asked, and followed."""

    def test_the_journal_keeps_what_happened_in_its_order(self, database: Database) -> None:
        caller = Caller(address="192.0.2.1", agent="Browser/1", request_id="request")
        happened = [
            Event(what=What.LOGGED_IN, at=NOW, account_id=7, session_id="s", caller=caller, note="password"),
            Event(what=What.LOGIN_FAILED, at=NOW - 1),
        ]
        with database.begin() as tx:
            for event in happened:
                tx.journal.add(event)
        assert events(database) == happened

    def test_a_caller_whose_agent_cannot_be_written_down_stops_nothing(self, database: Database) -> None:
        with database.begin() as tx:
            tx.journal.add(Event(what=What.LOGGED_IN, at=NOW, caller=Caller(agent="\ud800 and \0")))
        assert len(events(database)) == 1

    def test_the_journal_is_asked_by_account_kind_caller_and_time_and_goes_on_where_it_stopped(
        self, database: Database
    ) -> None:
        happened = [
            Event(what=What.REGISTERED, at=NOW, account_id=1, caller=Caller("192.0.2.1", "a phone", "request")),
            Event(what=What.LOGIN_FAILED, at=NOW + 1, caller=Caller("192.0.2.2"), note="unknown"),
            Event(what=What.LOGGED_IN, at=NOW + 2, account_id=1, session_id="session", caller=Caller("192.0.2.1")),
            Event(what=What.LOGGED_IN, at=NOW + 3, account_id=2),
        ]
        with database.begin() as tx:
            for event in happened:
                tx.journal.add(event)

        def found(most: int = 10, **wanted: Any) -> list[Event]:
            return [event for _, event in database.journal.find(Query(**wanted), most=most)]

        assert found() == happened
        assert found(account_id=1) == [happened[0], happened[2]]
        assert found(what=What.LOGGED_IN) == happened[2:]
        assert found(address="192.0.2.2") == [happened[1]]
        assert found(since=NOW + 1, until=NOW + 3) == happened[1:3]
        assert found(account_id=1, what=What.LOGGED_IN, address="192.0.2.1", since=NOW) == [happened[2]]
        positions = [position for position, _ in database.journal.find(Query(), most=2)]
        assert positions == sorted(positions)
        assert found(after=positions[-1]) == happened[2:]

    def test_the_journal_is_followed_in_order_from_any_position(self, database: Database) -> None:
        journalled(database, 1, 2, 3)
        assert followed(database) == [1, 2, 3]
        [(first, _), *_] = database.journal.follow(0, NOW, most=1)
        assert followed(database, first) == [2, 3]
        assert followed(database, most=2) == [1, 2]
        journalled(database, 4)
        assert followed(database, first + 2) == [4]
        assert followed(database, first + 3) == []
