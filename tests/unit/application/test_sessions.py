from dataclasses import replace
from functools import partial

import pytest
from tests.world import PASSWORD, SOMEWHERE, World, together

from vestibule.application import InvalidToken, NoSuchSession
from vestibule.domain.events import What

LAPTOP = replace(SOMEWHERE, agent="a laptop")
PHONE = replace(SOMEWHERE, agent="a phone")


def test_living_sessions_are_listed_the_newest_first_with_who_began_them() -> None:
    world = World()
    world.person("ann")
    first = world.log_in(username="ann", password=PASSWORD, caller=LAPTOP)
    world.clock.move(10)
    second = world.log_in(username="ann", password=PASSWORD, caller=PHONE)

    sessions = world.list_sessions(identity=world.identity(first))

    assert [(one.id, one.address, one.agent) for one in sessions] == [
        (second.session, SOMEWHERE.address, "a phone"),
        (first.session, SOMEWHERE.address, "a laptop"),
    ]


def test_nobody_sees_or_ends_the_sessions_of_another() -> None:
    world = World()
    world.person("ann")
    world.person("bob")
    ann, bob = world.log_in(username="ann", password=PASSWORD), world.log_in(username="bob", password=PASSWORD)

    assert [one.id for one in world.list_sessions(identity=world.identity(bob))] == [bob.session]
    with pytest.raises(NoSuchSession):
        world.end_session(identity=world.identity(bob), session_id=ann.session)
    assert world.is_signed_in(ann)


def test_a_session_that_was_ended_is_refused_at_once_and_ends_but_once() -> None:
    world = World()
    world.person("ann")
    here, there = world.log_in(username="ann", password=PASSWORD), world.log_in(username="ann", password=PASSWORD)
    identity = world.identity(here)

    world.end_session(identity=identity, session_id=there.session)

    assert (world.is_signed_in(here), world.is_signed_in(there)) == (True, False)
    for gone in (there.session, "no such id"):
        with pytest.raises(NoSuchSession):
            world.end_session(identity=identity, session_id=gone)
    assert [event.session_id for event in world.events(What.SESSION_ENDED)] == [there.session]


def test_logging_out_ends_the_session_that_asks() -> None:
    world = World()
    world.person("ann")
    tokens = world.log_in(username="ann", password=PASSWORD)

    world.end_session(identity=world.identity(tokens), session_id=tokens.session)

    assert not world.is_signed_in(tokens)
    assert [event.session_id for event in world.events(What.LOGGED_OUT)] == [tokens.session]


def test_all_others_end_and_the_one_that_asks_goes_on() -> None:
    world = World()
    world.person("ann")
    tokens = [world.log_in(username="ann", password=PASSWORD) for _ in range(3)]

    assert world.end_session.others(identity=world.identity(tokens[1])) == 2

    assert [world.is_signed_in(one) for one in tokens] == [False, True, False]
    assert [event.note for event in world.events(What.SESSION_ENDED)] == ["others:2"]


def test_who_was_thrown_out_meanwhile_throws_out_nobody() -> None:
    world = World()
    world.person("ann")
    tokens = world.log_in(username="ann", password=PASSWORD)
    owner, thief = world.identity(tokens), world.sign_in("ann")
    world.end_session.others(identity=owner)

    with pytest.raises(InvalidToken):
        world.end_session.others(identity=thief)
    with pytest.raises(InvalidToken):
        world.end_session(identity=thief, session_id=owner.session_id)
    assert world.is_signed_in(tokens)


def test_of_two_who_throw_each_other_out_at_once_one_stays() -> None:
    world = World()
    world.person("ann")
    tokens = [world.log_in(username="ann", password=PASSWORD) for _ in range(2)]

    identities = [world.identity(one) for one in tokens]

    together([partial(world.end_session.others, identity=identity) for identity in identities])

    assert [world.is_signed_in(one) for one in tokens].count(True) == 1
