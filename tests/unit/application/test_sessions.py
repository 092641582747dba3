from dataclasses import replace
from functools import partial

import pytest
from tests.support.world import CALLER, PASSWORD, World, concurrently

from vestibule.application import InvalidInput, InvalidToken, NoSuchSession, NotAuthenticated
from vestibule.application.sessions import MAX_REVOKED
from vestibule.domain.events import EventType
from vestibule.domain.session import Session

LAPTOP = replace(CALLER, user_agent="a laptop")
PHONE = replace(CALLER, user_agent="a phone")


def test_active_sessions_are_listed_newest_first_with_their_callers() -> None:
    world = World()
    world.create_account("ann")
    first = world.log_in(username="ann", password=PASSWORD, caller=LAPTOP)
    world.clock.advance(10)
    second = world.log_in(username="ann", password=PASSWORD, caller=PHONE)

    sessions = world.list_sessions(identity=world.identity(first))

    assert [(session.id, session.ip_address, session.user_agent) for session in sessions] == [
        (second.session, CALLER.ip_address, "a phone"),
        (first.session, CALLER.ip_address, "a laptop"),
    ]


def test_sessions_of_another_account_are_invisible() -> None:
    world = World()
    world.create_account("ann")
    world.create_account("bob")
    ann, bob = world.log_in(username="ann", password=PASSWORD), world.log_in(username="bob", password=PASSWORD)

    assert [session.id for session in world.list_sessions(identity=world.identity(bob))] == [bob.session]
    with pytest.raises(NoSuchSession):
        world.revoke_session(identity=world.identity(bob), session_id=ann.session)
    assert world.is_signed_in(ann)


def test_revoked_session_is_refused_at_once_and_cannot_be_revoked_again() -> None:
    world = World()
    world.create_account("ann")
    here, there = world.log_in(username="ann", password=PASSWORD), world.log_in(username="ann", password=PASSWORD)
    identity = world.identity(here)

    world.revoke_session(identity=identity, session_id=there.session)

    assert (world.is_signed_in(here), world.is_signed_in(there)) == (True, False)
    for gone in (there.session, "no such id"):
        with pytest.raises(NoSuchSession):
            world.revoke_session(identity=identity, session_id=gone)
    assert [event.session_id for event in world.events(EventType.SESSION_REVOKED)] == [there.session]


def test_log_out_revokes_the_current_session() -> None:
    world = World()
    world.create_account("ann")
    tokens = world.log_in(username="ann", password=PASSWORD)

    world.revoke_session(identity=world.identity(tokens), session_id=tokens.session)

    assert not world.is_signed_in(tokens)
    assert [event.session_id for event in world.events(EventType.LOGGED_OUT)] == [tokens.session]


def test_log_out_of_an_ended_session_changes_nothing() -> None:
    world = World()
    world.create_account("ann")
    tokens = world.log_in(username="ann", password=PASSWORD, caller=PHONE)
    identity = world.identity(tokens)

    world.log_out(identity=identity, refresh=tokens.refresh_token, caller=LAPTOP)
    world.log_out(identity=identity)
    world.log_out(refresh=tokens.refresh_token)

    (event,) = world.events(EventType.LOGGED_OUT)
    assert (event.account_id, event.session_id, event.caller) == (identity.account.id, tokens.session, LAPTOP)


def test_log_out_needs_an_identity_or_a_refresh_token() -> None:
    for nothing in ({}, {"refresh": None}, {"refresh": " "}):
        with pytest.raises(NotAuthenticated):
            World().log_out(**nothing)


def test_all_other_sessions_are_revoked_and_the_current_one_stays() -> None:
    world = World()
    world.create_account("ann")
    tokens = [world.log_in(username="ann", password=PASSWORD) for _ in range(3)]

    assert world.revoke_other_sessions(identity=world.identity(tokens[1])) == 2

    assert [world.is_signed_in(token_set) for token_set in tokens] == [False, True, False]
    assert [event.detail for event in world.events(EventType.SESSION_REVOKED)] == ["others:2"]


def test_session_revoked_meanwhile_revokes_no_other() -> None:
    world = World()
    world.create_account("ann")
    tokens = world.log_in(username="ann", password=PASSWORD)
    owner, thief = world.identity(tokens), world.log_in_as("ann")
    world.revoke_other_sessions(identity=owner)

    with pytest.raises(InvalidToken):
        world.revoke_other_sessions(identity=thief)
    with pytest.raises(InvalidToken):
        world.revoke_session(identity=thief, session_id=owner.session_id)
    assert world.is_signed_in(tokens)


def test_one_of_two_sessions_that_revoke_each_other_stays() -> None:
    world = World()
    world.create_account("ann")
    tokens = [world.log_in(username="ann", password=PASSWORD) for _ in range(2)]

    identities = [world.identity(token_set) for token_set in tokens]

    concurrently([partial(world.revoke_other_sessions, identity=identity) for identity in identities])

    assert [world.is_signed_in(token_set) for token_set in tokens].count(True) == 1


# --- revoked sessions -------------------------------------------------------------------------------------------------


def revoked_at(world: World, *offsets: float) -> list[str]:
    """Stores sessions revoked at these offsets, in seconds, from the world's clock; returns their ids."""
    account, now = world.create_account(f"somebody{world.new_id()}"), world.clock()
    sessions = [
        Session(
            id=world.new_id(),
            account_id=account.id,
            created_at=now,
            refreshed_at=now,
            expires_at=now + 1,
            revoked_at=now + offset,
        )
        for offset in offsets
    ]
    with world.database.begin() as tx:
        for session in sessions:
            tx.sessions.add(session, keep=10_000)
    return [session.id for session in sessions]


def test_revoked_sessions_are_listed_again_for_a_minute() -> None:
    world = World()
    (first,) = revoked_at(world, 0)
    response = world.list_revoked_sessions()
    assert (response.session_ids, response.has_more, response.seconds) == ([first], False, 330)
    world.clock.advance(59)
    (second,) = revoked_at(world, 0)
    response = world.list_revoked_sessions(after=response.after)
    assert response.session_ids == [first, second]
    world.clock.advance(61)
    response = world.list_revoked_sessions(after=response.after)
    assert response.session_ids == [first, second]
    assert world.list_revoked_sessions(after=response.after).session_ids == []


def test_late_or_skewed_revocation_is_listed() -> None:
    world = World()
    revoked_at(world, 0)
    response = world.list_revoked_sessions()
    (late,) = revoked_at(world, -59)
    assert late in world.list_revoked_sessions(after=response.after).session_ids


def test_revocation_older_than_every_token_is_not_listed() -> None:
    world = World()
    _, recent = revoked_at(world, -361, -359)
    assert world.list_revoked_sessions().session_ids == [recent]
    assert world.list_revoked_sessions(after="1.5_").session_ids == [recent]


def test_many_revocations_are_listed_in_pages() -> None:
    world = World()
    every = revoked_at(world, *[number / 100 for number in range(MAX_REVOKED + 1)])
    first = world.list_revoked_sessions()
    assert (first.session_ids, first.has_more) == (every[:-1], True)
    second = world.list_revoked_sessions(after=first.after)
    assert (second.session_ids, second.has_more) == (every[-1:], False)


def test_position_ahead_of_the_clock_starts_over() -> None:
    world = World()
    (early,) = revoked_at(world, 0)
    world.clock.advance(3600)
    response = world.list_revoked_sessions()
    world.clock.advance(-3600)
    assert response.session_ids == []
    assert world.list_revoked_sessions(after=response.after).session_ids == [early]


@pytest.mark.parametrize(
    "after", ["", "x", "1", "1e9_a", "-1_a", "1_a b", "1_" + "a" * 65, "\u0661_a", "1_a\n", "nan_", "inf_"]
)
def test_unknown_position_is_refused(after: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        World().list_revoked_sessions(after=after)
    assert list(refused.value.errors) == ["after"]
