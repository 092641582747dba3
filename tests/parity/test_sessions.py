"""Refresh tokens; sessions, which are listed and revoked."""

import pytest
from tests.support.account_builders import ANN, OTHER_REGISTRATION, REGISTRATION, invalid, logged_in, notices, proof, tokens
from tests.support.interfaces import Interface, Refused, SessionView, Tokens
from tests.support.world import OTHER_PASSWORD, World

DAY = 86_400
INVALID_REFRESH_TOKEN, INVALID_TOKEN = Refused("invalid-refresh-token"), Refused("invalid-token")


def refreshed(interface: Interface, current: Tokens) -> Tokens:
    successor = interface.refresh(refresh=current.refresh_token)
    assert isinstance(successor, Tokens), successor
    return successor


def test_refresh_returns_a_successor(interface: Interface) -> None:
    first = logged_in(interface)
    second = refreshed(interface, first)
    assert (second.session, second.refresh_token != first.refresh_token) == (first.session, True)
    assert isinstance(interface.account(second.token), dict)


def test_refresh_token_is_not_stored(interface: Interface, world: World) -> None:
    own = refreshed(interface, logged_in(interface))
    with world.database.begin() as tx:
        stored = tx.sessions.lock(own.session)
    assert stored is not None
    secret = own.refresh_token.rpartition(".")[2]
    assert secret not in str(stored)


def test_lost_refresh_can_be_retried_for_30_seconds(interface: Interface, world: World) -> None:
    first = logged_in(interface)
    second = refreshed(interface, first)
    world.clock.advance(30)
    third = refreshed(interface, first)
    assert interface.refresh(refresh=second.refresh_token) == INVALID_REFRESH_TOKEN
    refreshed(interface, third)


def test_each_retry_has_a_new_successor_which_retires_the_one_before_and_ends_nothing(interface: Interface) -> None:
    first = logged_in(interface)
    successors = [refreshed(interface, first) for _ in range(3)]
    assert len({successor.refresh_token for successor in successors}) == 3
    for retired in successors[:-1]:
        assert interface.refresh(refresh=retired.refresh_token) == INVALID_REFRESH_TOKEN
    assert isinstance(interface.account(successors[-1].token), dict)
    refreshed(interface, successors[-1])


def test_retired_refresh_token_ends_the_session_once_another_was_used(interface: Interface) -> None:
    first = logged_in(interface)
    retired, used = refreshed(interface, first), refreshed(interface, first)
    last = refreshed(interface, used)
    assert interface.refresh(refresh=retired.refresh_token) == INVALID_REFRESH_TOKEN
    assert interface.refresh(refresh=last.refresh_token) == INVALID_REFRESH_TOKEN
    assert interface.account(last.token) == INVALID_TOKEN


@pytest.mark.parametrize("reuse", ["previous after 30 seconds", "previous after its successor", "retired"])
def test_refresh_token_reuse_notifies_the_owner_once_and_ends_no_other_session(
    reuse: str, interface: Interface, world: World
) -> None:
    interface.register(**REGISTRATION, proofs=[proof(interface, ANN)])
    other, first = tokens(interface), tokens(interface)
    reused, successor = refreshed(interface, first), refreshed(interface, first)
    if reuse == "previous after 30 seconds":
        reused = first
        world.clock.advance(31)
    else:
        refreshed(interface, successor)
        reused = reused if reuse == "retired" else first
    for _ in range(2):
        assert interface.refresh(refresh=reused.refresh_token) == INVALID_REFRESH_TOKEN
    assert notices(world, ANN) == ["refresh_reused"]
    assert isinstance(interface.account(other.token), dict)


def test_refresh_token_reuse_revokes_the_session(interface: Interface, world: World) -> None:
    first = logged_in(interface)
    second = refreshed(interface, first)
    world.clock.advance(31)
    assert interface.refresh(refresh=first.refresh_token) == INVALID_REFRESH_TOKEN
    assert interface.refresh(refresh=second.refresh_token) == INVALID_REFRESH_TOKEN
    assert interface.account(second.token) == INVALID_TOKEN


def test_refresh_token_reuse_after_its_successor_revokes_the_session_at_once(interface: Interface) -> None:
    first = logged_in(interface)
    third = refreshed(interface, refreshed(interface, first))
    assert interface.refresh(refresh=first.refresh_token) == INVALID_REFRESH_TOKEN
    assert interface.account(third.token) == INVALID_TOKEN


def test_malformed_refresh_token_is_refused(interface: Interface) -> None:
    own = logged_in(interface)
    for text in ("junk", own.token, own.refresh_token[:-1], own.session, "é"):
        assert interface.refresh(refresh=text) == INVALID_REFRESH_TOKEN
    assert interface.refresh() == invalid("refresh")
    refreshed(interface, own)


def test_session_expires_after_14_idle_days(interface: Interface, world: World) -> None:
    own = logged_in(interface)
    world.clock.advance(days=14, seconds=-1)
    own = refreshed(interface, own)
    world.clock.advance(days=14)
    assert interface.refresh(refresh=own.refresh_token) == INVALID_REFRESH_TOKEN


def test_session_expires_after_30_days(interface: Interface, world: World) -> None:
    own = logged_in(interface)
    for _ in range(29):
        world.clock.advance(days=1)
        own = refreshed(interface, own)
    world.clock.advance(days=1)
    assert interface.refresh(refresh=own.refresh_token) == INVALID_REFRESH_TOKEN


def test_sessions_list_address_and_user_agent(interface: Interface, world: World) -> None:
    first = logged_in(interface)
    interface.register(**OTHER_REGISTRATION)
    tokens(interface, "eve", OTHER_PASSWORD)
    world.clock.advance(1)
    interface.address, interface.agent = "203.0.113.9", "another test"
    own = tokens(interface)
    assert interface.sessions(own.token) == [
        SessionView(own.session, "203.0.113.9", "another test", current=True),
        SessionView(first.session, "198.51.100.7", "a test", current=False),
    ]


def test_session_is_ended_only_by_its_owner(interface: Interface) -> None:
    other, own = logged_in(interface), tokens(interface)
    interface.register(**OTHER_REGISTRATION)
    eve = tokens(interface, "eve", OTHER_PASSWORD)
    assert interface.end_session(eve.token, other.session) == Refused("no-such-session")
    assert interface.end_session(own.token, "unheard-of") == Refused("no-such-session")
    assert interface.end_session(own.token, other.session) is None
    assert interface.end_session(own.token, other.session) == Refused("no-such-session")
    assert (interface.account(other.token), interface.refresh(refresh=other.refresh_token)) == (
        INVALID_TOKEN,
        INVALID_REFRESH_TOKEN,
    )
    assert isinstance(interface.account(own.token), dict)


def test_ending_other_sessions_keeps_the_current_one(interface: Interface) -> None:
    others = [logged_in(interface), tokens(interface)]
    own = tokens(interface)
    assert interface.end_others(own.token) == 2
    assert [interface.account(other.token) for other in others] == [INVALID_TOKEN, INVALID_TOKEN]
    assert isinstance(interface.account(own.token), dict)


def test_logout_ends_the_session(interface: Interface) -> None:
    own = logged_in(interface)
    assert interface.log_out(own.token) is None
    assert interface.log_out(own.token) == INVALID_TOKEN
    assert interface.refresh(refresh=own.refresh_token) == INVALID_REFRESH_TOKEN


def test_logout_by_any_refresh_token_ends_its_session(interface: Interface) -> None:
    unused, current, replaced, other = logged_in(interface), *(tokens(interface) for _ in range(3))
    successors = [interface.refresh(refresh=one.refresh_token) for one in (current, replaced)]
    for presented in (unused, successors[0], replaced):
        assert interface.log_out(refresh=presented.refresh_token) is None
    for ended in (unused, *successors):
        assert interface.account(ended.token) == INVALID_TOKEN
        assert interface.refresh(refresh=ended.refresh_token) == INVALID_REFRESH_TOKEN
    assert isinstance(interface.account(other.token), dict)


def test_logout_by_a_refresh_token_succeeds_whatever_it_is_worth(interface: Interface) -> None:
    own = logged_in(interface)
    for worthless in ("junk", own.token, "x" * 5000):
        assert interface.log_out(refresh=worthless) is None
    assert isinstance(interface.account(own.token), dict)
    for _ in range(2):
        assert interface.log_out(refresh=own.refresh_token) is None
    assert interface.account(own.token) == INVALID_TOKEN
    assert interface.log_out("junk", refresh=own.refresh_token) is None, "a call by refresh token needs no access token"


def test_logout_by_both_tokens_ends_both_sessions(interface: Interface) -> None:
    first, second = logged_in(interface), tokens(interface)
    assert interface.log_out(first.token, refresh=second.refresh_token) is None
    assert [interface.account(one.token) for one in (first, second)] == [INVALID_TOKEN] * 2


def test_logout_needs_a_token_and_a_refresh_token_is_text(interface: Interface) -> None:
    own = logged_in(interface)
    assert interface.log_out() == Refused("not-authenticated")
    assert interface.log_out(refresh=None) == Refused("not-authenticated")
    assert interface.log_out(refresh=7) == Refused("invalid-input", frozenset({"refresh"}))
    assert isinstance(interface.account(own.token), dict)


def test_deactivation_revokes_sessions(interface: Interface, world: World) -> None:
    own = logged_in(interface)
    world.set_active(identifier=str(REGISTRATION["username"]), active=False)
    assert (interface.account(own.token), interface.refresh(refresh=own.refresh_token)) == (
        INVALID_TOKEN,
        INVALID_REFRESH_TOKEN,
    )
