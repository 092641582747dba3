"""Refresh tokens that turn, and sessions seen and ended."""

from tests.support.account_builders import ADA, OTHER, invalid, logged_in, tokens
from tests.support.interfaces import Door, Refused, Shown, Tokens
from tests.support.world import OTHER_PASSWORD, World

DAY = 86_400
SPENT, ENDED = Refused("invalid-refresh-token"), Refused("invalid-token")


def turned(door: Door, held: Tokens) -> Tokens:
    found = door.refresh(refresh=held.refresh_token)
    assert isinstance(found, Tokens), found
    return found


def test_a_refresh_token_is_answered_with_its_successor(door: Door) -> None:
    first = logged_in(door)
    second = turned(door, first)
    assert (second.session, second.refresh_token != first.refresh_token) == (first.session, True)
    assert isinstance(door.account(second.token), dict)


def test_an_answer_that_was_lost_is_given_again_for_30_seconds(door: Door, world: World) -> None:
    first = logged_in(door)
    second = turned(door, first)
    world.clock.advance(30)
    assert turned(door, first).refresh_token == second.refresh_token
    turned(door, second)


def test_a_refresh_token_used_again_ends_the_session(door: Door, world: World) -> None:
    first = logged_in(door)
    second = turned(door, first)
    world.clock.advance(31)
    assert door.refresh(refresh=first.refresh_token) == SPENT
    assert door.refresh(refresh=second.refresh_token) == SPENT
    assert door.account(second.token) == ENDED


def test_one_used_after_its_successor_ends_the_session_at_once(door: Door) -> None:
    first = logged_in(door)
    third = turned(door, turned(door, first))
    assert door.refresh(refresh=first.refresh_token) == SPENT
    assert door.account(third.token) == ENDED


def test_what_is_no_refresh_token_is_refused(door: Door) -> None:
    own = logged_in(door)
    for text in ("junk", own.token, own.refresh_token[:-1], own.session, "é"):
        assert door.refresh(refresh=text) == SPENT
    assert door.refresh() == invalid("refresh")
    turned(door, own)


def test_a_session_ends_after_14_idle_days(door: Door, world: World) -> None:
    own = logged_in(door)
    world.clock.advance(days=14, seconds=-1)
    own = turned(door, own)
    world.clock.advance(days=14)
    assert door.refresh(refresh=own.refresh_token) == SPENT


def test_a_session_ends_after_30_days_however_busy(door: Door, world: World) -> None:
    own = logged_in(door)
    for _ in range(29):
        world.clock.advance(days=1)
        own = turned(door, own)
    world.clock.advance(days=1)
    assert door.refresh(refresh=own.refresh_token) == SPENT


def test_people_see_their_own_sessions_and_who_began_them(door: Door, world: World) -> None:
    first = logged_in(door)
    door.register(**OTHER)
    tokens(door, "eve", OTHER_PASSWORD)
    world.clock.advance(1)
    door.address, door.agent = "203.0.113.9", "another test"
    own = tokens(door)
    assert door.sessions(own.token) == [
        Shown(own.session, "203.0.113.9", "another test", current=True),
        Shown(first.session, "198.51.100.7", "a test", current=False),
    ]


def test_a_session_is_ended_by_its_holder_alone(door: Door) -> None:
    other, own = logged_in(door), tokens(door)
    door.register(**OTHER)
    eve = tokens(door, "eve", OTHER_PASSWORD)
    assert door.end_session(eve.token, other.session) == Refused("no-such-session")
    assert door.end_session(own.token, "unheard-of") == Refused("no-such-session")
    assert door.end_session(own.token, other.session) is None
    assert door.end_session(own.token, other.session) == Refused("no-such-session")
    assert (door.account(other.token), door.refresh(refresh=other.refresh_token)) == (ENDED, SPENT)
    assert isinstance(door.account(own.token), dict)


def test_all_others_are_ended_and_the_one_that_asks_stays(door: Door) -> None:
    others = [logged_in(door), tokens(door)]
    own = tokens(door)
    assert door.end_others(own.token) == 2
    assert [door.account(one.token) for one in others] == [ENDED, ENDED]
    assert isinstance(door.account(own.token), dict)


def test_who_logs_out_is_logged_out(door: Door) -> None:
    own = logged_in(door)
    assert door.log_out(own.token) is None
    assert door.log_out(own.token) == ENDED
    assert door.refresh(refresh=own.refresh_token) == SPENT


def test_an_inactive_account_has_no_session(door: Door, world: World) -> None:
    own = logged_in(door)
    world.set_active(who=str(ADA["username"]), active=False)
    assert (door.account(own.token), door.refresh(refresh=own.refresh_token)) == (ENDED, SPENT)
