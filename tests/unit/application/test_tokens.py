from dataclasses import replace
from typing import Any

import jwt
import pytest
from tests.support.world import CALLER, OTHER_PASSWORD, PASSWORD, World, concurrently, outcome

from vestibule.application import Identity, InvalidInput, InvalidRefreshToken, InvalidToken, NotAuthenticated, TokenSet
from vestibule.application.tokens import DRF_USER_CLAIMS, TOKEN_CLAIMS
from vestibule.domain.account import Username
from vestibule.domain.events import EventType

DAY = 86_400


def world_with_tokens(**settings: int) -> tuple[World, TokenSet]:
    world = World(**settings)
    world.create_account("ann")
    return world, world.log_in(username="ann", password=PASSWORD)


def refresh(world: World, tokens: TokenSet) -> Any:
    return outcome(lambda: world.refresh(refresh=tokens.refresh_token, caller=CALLER))


# --- access tokens ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [None, ""])
def test_missing_token_differs_from_an_invalid_one(nothing: str | None) -> None:
    assert isinstance(outcome(lambda: World().authenticate(nothing)), NotAuthenticated)
    assert isinstance(outcome(lambda: World().authenticate("junk")), InvalidToken)


def test_token_with_the_longest_claims_is_accepted() -> None:
    world = World(token_claims=tuple(TOKEN_CLAIMS), token_algorithm="RS256")
    account = world.create_account("ann", email=f"{'a' * 64}@{'b' * 60}.example.org", mobile="+442079460958")
    world.alter(account, name="\U0001d504" * 500, username=Username("\U0001d504" * 150, "ann"))
    world.alter(account, roles=tuple(f"{number:050}" for number in range(20)))
    tokens = world.log_in(username="ann", password=PASSWORD)
    assert len(tokens.access_token) > 4096
    assert world.identity(tokens).account.id == account.id


def test_clients_of_drf_user_get_its_claims_and_keep_their_refresh_token() -> None:
    world = World(compatibility="drf-user", token_claims=("roles", "name"))
    account = world.create_account("ann", mobile="+442079460958")
    tokens = world.log_in(username="ann", password=PASSWORD)
    claims = jwt.decode(tokens.access_token, options={"verify_signature": False})
    assert {name: claims[name] for name in (*DRF_USER_CLAIMS, "roles")} == {
        "token_type": "access",
        "user_id": account.id,
        "username": "ann",
        "email": "ann@mail.example.com",
        "mobile": "+442079460958",
        "name": "Ann Somebody",
        "is_admin": False,
        "roles": [],
    }
    for _ in range(3):
        world.clock.advance(60)
        again = refresh(world, tokens)
        assert world.is_signed_in(again)
        assert world.tokens.verify_refresh(again.refresh_token) == world.tokens.verify_refresh(tokens.refresh_token)
    assert [event.type for event in world.events(EventType.REFRESHED, EventType.REFRESH_REUSED)] == [EventType.REFRESHED] * 3


def test_authenticate_many_equals_authenticate_for_each() -> None:
    world = World()
    ann, bob = world.create_account("ann"), world.create_account("bob")
    hers, his = world.log_in(username="ann", password=PASSWORD), world.log_in(username="bob", password=PASSWORD)
    ended = world.log_in(username="bob", password=PASSWORD)
    world.revoke_session(identity=world.identity(ended), session_id=ended.session)
    first, missing, second, junk, last = world.authenticate_many(
        [hers.access_token, None, his.access_token, "junk", ended.access_token]
    )
    assert first == Identity(ann, hers.session, world.clock())
    assert second == Identity(bob, his.session, world.clock())
    assert isinstance(missing, NotAuthenticated)
    assert isinstance(junk, InvalidToken)
    assert isinstance(last, InvalidToken)
    assert [type(refusal) for refusal in world.authenticate_many(["", "junk"])] == [NotAuthenticated, InvalidToken]


def test_token_authenticates_the_current_account_and_when_the_session_began() -> None:
    world, tokens = world_with_tokens()
    account = world.identity(tokens).account
    changed, began_at = world.alter(account, name="Ann Other"), world.clock()
    world.clock.advance(100)
    tokens = refresh(world, tokens)
    world.clock.advance(100)

    assert world.identity(tokens) == Identity(changed, tokens.session, began_at)


def test_access_token_expires_after_its_lifetime() -> None:
    world, tokens = world_with_tokens()
    world.clock.advance(tokens.expires_in - 1)
    assert world.is_signed_in(tokens)

    world.clock.advance(1)
    assert not world.is_signed_in(tokens)


def test_token_of_an_inactive_account_is_refused_at_once() -> None:
    world, tokens = world_with_tokens()
    world.alter(world.identity(tokens).account, is_active=False)

    assert not world.is_signed_in(tokens)
    assert isinstance(refresh(world, tokens), InvalidRefreshToken)


def test_token_of_a_revoked_session_is_refused_at_once() -> None:
    world, tokens = world_with_tokens()
    with world.database.begin() as tx:
        tx.sessions.revoke_all(world.identity(tokens).account.id, world.clock())

    assert not world.is_signed_in(tokens)
    assert isinstance(refresh(world, tokens), InvalidRefreshToken)


# --- refresh tokens ---------------------------------------------------------------------------------------------------


def test_refresh_token_is_rotated_and_the_session_continues() -> None:
    world, tokens = world_with_tokens()
    world.clock.advance(301)

    again = refresh(world, tokens)

    assert again.session == tokens.session
    assert again.refresh_token != tokens.refresh_token
    assert world.is_signed_in(again)
    [event] = world.events(EventType.REFRESHED)
    assert (event.session_id, event.account_id, event.caller) == (tokens.session, world.identity(again).account.id, CALLER)


def test_previous_refresh_token_gets_a_new_successor_for_30_seconds() -> None:
    world, tokens = world_with_tokens()
    lost = refresh(world, tokens)
    world.clock.advance(30)

    again = refresh(world, tokens)

    assert again.refresh_token != lost.refresh_token
    assert again.session == lost.session
    assert isinstance(refresh(world, again), TokenSet)


def test_new_successor_retires_the_one_before_which_ends_nothing() -> None:
    world, tokens = world_with_tokens()
    retired, successor = refresh(world, tokens), refresh(world, tokens)
    events = world.events()

    assert isinstance(refresh(world, retired), InvalidRefreshToken)

    assert world.is_signed_in(successor)
    assert world.events() == events
    assert isinstance(refresh(world, successor), TokenSet)


def test_retired_refresh_token_ends_the_session_once_another_was_used() -> None:
    world, tokens = world_with_tokens()
    retired, successor = refresh(world, tokens), refresh(world, tokens)
    latest = refresh(world, successor)

    assert isinstance(refresh(world, retired), InvalidRefreshToken)

    assert not world.is_signed_in(latest)
    assert len(world.events(EventType.REFRESH_REUSED)) == 1


@pytest.mark.parametrize("is_owner_first", [True, False])
def test_thief_and_owner_who_repeat_a_refresh_token_part_and_one_of_them_is_noticed(is_owner_first: bool) -> None:
    """A thief who shows the previous token within the 30 seconds gets no token that the owner has."""
    world, tokens = world_with_tokens()
    world.verify_address("ann@mail.example.com", world.identity(tokens))
    owners, thiefs = refresh(world, tokens), refresh(world, tokens)
    assert owners.refresh_token != thiefs.refresh_token

    first, second = (owners, thiefs) if is_owner_first else (thiefs, owners)
    answers = refresh(world, first), refresh(world, second)

    if is_owner_first:  # the owner asks again with the previous token, as after a lost response
        assert isinstance(answers[0], InvalidRefreshToken)
        assert isinstance(refresh(world, tokens), InvalidRefreshToken)
    else:
        assert isinstance(answers[1], InvalidRefreshToken)
    assert not any(world.is_signed_in(issued) for issued in (owners, thiefs))
    notices = [message.values["what"] for message in world.messages_to("ann@mail.example.com") if "what" in message.values]
    assert notices == ["refresh_reused"]


def test_previous_refresh_token_ends_the_session_once_a_successor_was_used() -> None:
    world, tokens = world_with_tokens()
    latest = refresh(world, refresh(world, tokens))

    assert isinstance(refresh(world, tokens), InvalidRefreshToken)
    assert not world.is_signed_in(latest)


def test_previous_refresh_token_after_30_seconds_revokes_the_session() -> None:
    world, tokens = world_with_tokens()
    successor = refresh(world, tokens)
    world.clock.advance(31)

    assert isinstance(refresh(world, tokens), InvalidRefreshToken)

    assert not world.is_signed_in(successor)
    assert isinstance(refresh(world, successor), InvalidRefreshToken)
    assert len(world.events(EventType.REFRESH_REUSED)) == 1


def test_refresh_token_reuse_revokes_no_other_session() -> None:
    world, tokens = world_with_tokens()
    other = world.log_in(username="ann", password=PASSWORD)
    refresh(world, refresh(world, tokens))
    refresh(world, tokens)

    assert world.is_signed_in(other)


def test_session_expires_after_14_idle_days() -> None:
    world, tokens = world_with_tokens()
    world.clock.advance(14 * DAY - 1)
    tokens = refresh(world, tokens)
    assert isinstance(tokens, TokenSet)

    world.clock.advance(14 * DAY)
    assert isinstance(refresh(world, tokens), InvalidRefreshToken)


def test_session_expires_after_30_days() -> None:
    world, tokens = world_with_tokens()
    for _ in range(30):
        assert isinstance(tokens, TokenSet)
        world.clock.advance(DAY - 1)
        tokens = refresh(world, tokens)

    world.clock.advance(30)
    assert isinstance(refresh(world, tokens), InvalidRefreshToken)
    assert not world.is_signed_in(tokens)


def test_lifetimes_of_tokens_and_sessions_are_settings() -> None:
    world, tokens = world_with_tokens(access_seconds=600, session_idle_days=2, session_days=3)
    assert tokens.expires_in == 600
    world.clock.advance(599)
    assert world.is_signed_in(tokens)
    world.clock.advance(1)
    assert not world.is_signed_in(tokens)

    world.clock.advance(2 * DAY - 601)
    tokens = refresh(world, tokens)
    assert isinstance(tokens, TokenSet)
    world.clock.advance(DAY + 1)
    assert isinstance(refresh(world, tokens), InvalidRefreshToken)

    tokens = world.log_in(username="ann", password=PASSWORD)
    world.clock.advance(2 * DAY)
    assert isinstance(refresh(world, tokens), InvalidRefreshToken)


@pytest.mark.parametrize("text", ["junk", "vst_rt_", "vst_rt_AAAA"])
def test_malformed_refresh_token_is_refused(text: str) -> None:
    world, _ = world_with_tokens()
    events = world.events()

    assert isinstance(outcome(lambda: world.refresh(refresh=text)), InvalidRefreshToken)
    assert world.events() == events


def test_refresh_token_of_a_missing_session_is_refused() -> None:
    world, _ = world_with_tokens()

    assert isinstance(outcome(lambda: world.refresh(refresh=world.tokens.issue_refresh("nowhere", 0))), InvalidRefreshToken)


@pytest.mark.parametrize("nothing", [None, "", 7])
def test_missing_refresh_token_is_an_invalid_field(nothing: Any) -> None:
    refusal = outcome(lambda: World().refresh(refresh=nothing))

    assert isinstance(refusal, InvalidInput)
    assert {*refusal.errors} == {"refresh"}


def test_refresh_token_is_trimmed() -> None:
    world, tokens = world_with_tokens()

    assert isinstance(refresh(world, replace(tokens, refresh_token=f" {tokens.refresh_token}\n")), TokenSet)


def test_concurrent_refreshes_by_one_token_get_successors_of_which_the_last_continues() -> None:
    world, tokens = world_with_tokens()

    answers = concurrently([lambda: world.refresh(refresh=tokens.refresh_token) for _ in range(8)])

    assert len({answer.refresh_token for answer in answers}) == 8
    assert [type(refresh(world, answer)) for answer in answers].count(TokenSet) == 1


# --- session limit ----------------------------------------------------------------------------------------------------


def test_session_101_revokes_the_oldest() -> None:
    world, oldest = world_with_tokens()
    world.clock.advance(1)
    second = world.log_in(username="ann", password=PASSWORD)
    for _ in range(99):
        world.clock.advance(3)  # 30 logins a minute are accepted
        world.log_in(username="ann", password=PASSWORD)

    assert not world.is_signed_in(oldest)
    assert world.is_signed_in(second)
    [event] = world.events(EventType.SESSION_REVOKED)
    assert (event.session_id, event.detail, event.occurred_at) == (oldest.session, "oldest", world.clock())


def test_with_one_session_at_most_a_login_ends_the_one_before() -> None:
    world, first = world_with_tokens(max_sessions=1)
    second = world.log_in(username="ann", password=PASSWORD)

    assert not world.is_signed_in(first)
    assert isinstance(refresh(world, first), InvalidRefreshToken)
    assert isinstance(refresh(world, second), TokenSet)


def test_change_of_password_revokes_all_other_sessions() -> None:
    world, tokens = world_with_tokens()
    other = world.log_in(username="ann", password=PASSWORD)

    world.change_account(identity=world.identity(tokens), password=OTHER_PASSWORD)

    assert world.is_signed_in(tokens)
    assert not world.is_signed_in(other)
    assert isinstance(refresh(world, other), InvalidRefreshToken)
    assert isinstance(refresh(world, tokens), TokenSet)
