"""Invitations: proofs of addresses that are sent ahead."""

from functools import partial
from typing import Any

import pytest
from tests.support.world import CALLER, PASSWORD, BusyDatabase, World, outcome

from vestibule.application import (
    InvalidCode,
    InvalidInput,
    InvitationRequired,
    NoSuchInvitation,
    RateLimited,
    RegistrationClosed,
    TokenSet,
)
from vestibule.domain.events import EventType
from vestibule.domain.rate_limits import DAY

EMAIL, MOBILE = "ann@mail.example.com", "+49 170 1234567"
ANN: dict[str, Any] = {"username": "ann", "name": "Ann Somebody", "email": EMAIL, "password": PASSWORD}
BY_CODE: dict[str, Any] = {"name": "Ann Somebody", "email": EMAIL, "mobile": MOBILE}


@pytest.fixture
def world() -> World:
    return World(registration="invited")


def token(world: World, address: str = EMAIL) -> str:
    """The token of the newest invitation of the address."""
    return [message for message in world.messages_to(address) if message.template == "invitation"][-1].values["token"]


def invited(world: World, address: str = EMAIL, **more: Any) -> str:
    world.invite(address=address, **more)
    return token(world, address)


def by_code(world: World, address: str = EMAIL) -> Any:
    world.clock.advance(60)
    world.request_registration_code(**BY_CODE)
    return outcome(partial(world.register_or_log_in, **BY_CODE, verify_otp=world.code_for(address)))


def details(world: World, event: EventType) -> list[tuple[int | None, str]]:
    return [(found.account_id, found.detail) for found in world.events(event)]


# --- registering ------------------------------------------------------------------------------------------------------


def test_invitation_registers_once_with_a_verified_address(world: World) -> None:
    proof = invited(world)
    world.clock.advance(days=6)

    account = world.register(**ANN, proofs=(proof,))

    assert (account.email_verified, account.ever_verified) == (True, True)
    assert details(world, EventType.REGISTERED) == [(account.id, "invited")]
    assert list(world.list_invitations()) == []
    again = outcome(partial(world.register, **ANN | {"username": "eve"}, proofs=(proof,)))
    assert isinstance(again, InvalidInput)
    assert set(again.errors) == {"proofs"}


@pytest.mark.parametrize("address", [EMAIL, MOBILE])
def test_invited_address_registers_by_a_code(world: World, address: str) -> None:
    world.invite(address=address)

    tokens = by_code(world, address)

    assert isinstance(tokens, TokenSet)
    assert tokens.created
    [(_, detail)] = details(world, EventType.REGISTERED)
    assert detail == "invited"
    assert list(world.list_invitations()) == []


def test_code_of_the_other_address_is_not_invited_and_the_invited_one_still_is(world: World) -> None:
    world.invite(address=EMAIL)
    world.request_registration_code(**BY_CODE)
    of_mobile, of_email = world.code_for(MOBILE), world.code_for(EMAIL)

    assert isinstance(outcome(partial(world.register_or_log_in, **BY_CODE, verify_otp=of_mobile)), InvitationRequired)
    assert isinstance(outcome(partial(world.register_or_log_in, **BY_CODE, verify_otp=of_mobile)), InvalidCode)
    assert world.register_or_log_in(**BY_CODE, verify_otp=of_email).created


def test_proof_by_a_code_counts_for_an_invited_address(world: World) -> None:
    world.invite(address=EMAIL)

    account = world.register(**ANN, proofs=(world.verify_address(EMAIL),))

    assert account.email_verified
    assert list(world.list_invitations()) == []


def test_stranger_is_refused_before_accounts_are_looked_up(world: World) -> None:
    world.register(**ANN, proofs=(invited(world),))
    stranger = ANN | {"email": "eve@mail.example.com"}

    for call in (
        partial(world.register, **stranger),
        partial(world.register, **stranger, proofs=(world.verify_address("eve@mail.example.com"),)),
        partial(by_code, World(registration="invited")),
    ):
        refusal = outcome(call)
        assert isinstance(refusal, InvitationRequired), refusal
        assert "invitation" in refusal.detail


def test_bad_fields_of_a_stranger_are_named_and_taken_ones_are_not(world: World) -> None:
    world.register(**ANN, proofs=(invited(world),))

    refusal = outcome(partial(world.register, **ANN | {"email": "eve@", "password": "x"}, proofs=("junk",)))

    assert isinstance(refusal, InvalidInput)
    assert set(refusal.errors) == {"email", "password", "proofs"}


def test_invitation_of_another_address_is_no_proof(world: World) -> None:
    refusal = outcome(partial(world.register, **ANN, proofs=(invited(world, "eve@mail.example.com"),)))

    assert isinstance(refusal, InvalidInput)
    assert set(refusal.errors) == {"proofs"}


def test_expired_invitation_is_worth_nothing(world: World) -> None:
    proof = invited(world, days=2)
    world.clock.advance(days=2)

    assert isinstance(outcome(partial(world.register, **ANN, proofs=(proof,))), InvalidInput)
    assert isinstance(by_code(world), InvitationRequired)
    assert list(world.list_invitations()) == []


def test_invitation_verifies_where_registration_is_open_too() -> None:
    world = World(email_validation=True)

    account = world.register(**ANN, proofs=(invited(world),))

    assert account.email_verified
    assert details(world, EventType.REGISTERED) == [(account.id, "invited")]


def test_invitation_takes_an_address_that_is_unverified_elsewhere() -> None:
    world = World()
    squatter = world.register(**ANN | {"username": "eve"})

    account = world.register(**ANN, proofs=(invited(world),))

    assert account.email
    assert world.now(squatter).email is None


def test_invitation_is_a_proof_in_a_change() -> None:
    world = World()
    world.register(**ANN)

    changed = world.change_account(
        identity=world.log_in_as("ann"), email="new@mail.example.com", proofs=(invited(world, "new@mail.example.com"),)
    )

    assert changed.email_verified
    assert list(world.list_invitations()) == []


@pytest.mark.parametrize("registration", ["invited", "open"])
def test_invitation_that_is_revoked_during_the_hashing_does_not_register(registration: str) -> None:
    database = BusyDatabase()
    world = World(database=database, registration=registration)
    proof = invited(world)
    database.meanwhile = [lambda: None, partial(world.revoke_invitation, address=EMAIL)]

    refusal = outcome(partial(world.register, **ANN, proofs=(proof,)))

    assert isinstance(refusal, InvalidInput)
    assert set(refusal.errors) == {"proofs"}
    assert world.events(EventType.REGISTERED) == []


def test_account_logs_in_by_code_without_an_invitation(world: World) -> None:
    world.invite(address=EMAIL)
    assert by_code(world).created
    again = by_code(world)
    assert (again.created, world.events(EventType.REGISTERED) != []) == (False, True)


# --- inviting ---------------------------------------------------------------------------------------------------------


def test_invitation_is_stored_without_its_token_and_recorded(world: World) -> None:
    invitation = world.invite(address=EMAIL, caller=CALLER)

    [waiting] = world.messages
    assert (waiting.template, waiting.recipient, waiting.expires_at) == ("invitation", EMAIL, invitation.expires_at)
    assert invitation.expires_at == world.clock() + 7 * DAY
    assert invitation.invited_by is None
    proof = token(world)
    assert proof not in repr((waiting, invitation, invitation.digest, invitation.id))
    [event] = world.events(EventType.INVITED)
    assert (event.account_id, event.detail, event.caller) == (None, "email", CALLER)


def test_account_that_invites_is_recorded(world: World) -> None:
    world.register(**ANN, proofs=(invited(world),))
    ann = world.log_in_as("ann")

    invitation = world.invite(address=MOBILE, identity=ann)
    guest = world.register(
        **ANN | {"username": "eve", "email": "eve@mail.example.com"}, mobile=MOBILE, proofs=(token(world, MOBILE),)
    )

    assert invitation.invited_by == ann.account.id
    assert details(world, EventType.INVITED)[-1] == (ann.account.id, "mobile")
    assert details(world, EventType.REGISTERED)[-1] == (guest.id, f"invited by {ann.account.id}")


def test_operator_who_invites_and_revokes_is_recorded(world: World) -> None:
    world.invite(address=MOBILE, actor="command line (ada)")
    world.revoke_invitation(address=MOBILE, actor="command line (bob)")
    [sent], [ended] = world.events(EventType.INVITED), world.events(EventType.INVITATION_REVOKED)
    assert (sent.actor, ended.actor) == ("command line (ada)", "command line (bob)")


def test_newer_invitation_replaces_the_earlier_one(world: World) -> None:
    first = invited(world)
    second = invited(world)

    assert len(list(world.list_invitations())) == 1
    assert isinstance(outcome(partial(world.register, **ANN, proofs=(first,))), InvalidInput)
    assert world.register(**ANN, proofs=(second,)).email_verified


def test_link_is_that_of_the_setting_with_the_token() -> None:
    world = World(invitation_url="https://app.example.org/join#{token}")
    world.invite(address=EMAIL)

    [message] = world.messages_to(EMAIL)

    assert message.values["link"] == f"https://app.example.org/join#{message.values['token']}"


@pytest.mark.parametrize("days", [0, 366, True, "7", 1.5])
def test_bad_days_and_address_are_named_at_once(world: World, days: Any) -> None:
    refusal = outcome(partial(world.invite, address="ann@", days=days))

    assert isinstance(refusal, InvalidInput)
    assert set(refusal.errors) == {"address", "days"}
    assert world.messages == ()


def test_address_that_an_account_has_verified_is_not_invited(world: World) -> None:
    world.register(**ANN, proofs=(invited(world),))

    refusal = outcome(partial(world.invite, address=EMAIL))

    assert isinstance(refusal, InvalidInput)
    assert refusal.codes == {"address": ["taken"]}


def test_address_that_no_account_may_get_is_not_invited() -> None:
    world = World(registration="invited", email_domains="example.org")

    refusal = outcome(partial(world.invite, address=EMAIL))

    assert isinstance(refusal, InvalidInput)
    assert refusal.codes == {"address": ["domain-not-accepted"]}


def test_no_invitation_is_sent_where_registration_is_closed() -> None:
    world = World(registration="closed")

    assert isinstance(outcome(partial(world.invite, address=EMAIL)), RegistrationClosed)
    assert world.messages == ()


def test_address_gets_ten_invitations_and_notices_a_day(world: World) -> None:
    for _ in range(10):
        world.invite(address=EMAIL)

    refusal = outcome(partial(world.invite, address="Ann@Mail.Example.com"))

    assert isinstance(refusal, RateLimited)
    assert refusal.policy == "notices"
    world.invite(address="eve@mail.example.com")


# --- listing and revoking ---------------------------------------------------------------------------------------------


def test_open_invitations_are_listed_by_address(world: World) -> None:
    for address in ("b@mail.example.com", MOBILE, "a@mail.example.com"):
        world.invite(address=address)

    assert [one.address.text for one in world.list_invitations()] == ["a@mail.example.com", "b@mail.example.com", MOBILE]


def test_revoked_invitation_is_worth_nothing_and_is_not_sent(world: World) -> None:
    world.invite(address=EMAIL)

    revoked = world.revoke_invitation(address="ANN@mail.example.com", caller=CALLER)

    assert revoked.address.text == EMAIL
    assert world.messages_to(EMAIL) == []
    assert isinstance(by_code(world), InvitationRequired)
    [event] = world.events(EventType.INVITATION_REVOKED)
    assert (event.account_id, event.detail, event.caller) == (None, "email", CALLER)
    assert isinstance(outcome(partial(world.revoke_invitation, address=EMAIL)), NoSuchInvitation)
    assert isinstance(outcome(partial(world.revoke_invitation, address="x")), InvalidInput)


def test_account_that_revokes_is_recorded(world: World) -> None:
    world.register(**ANN, proofs=(invited(world),))
    ann = world.log_in_as("ann")
    world.invite(address=MOBILE)

    world.revoke_invitation(address=MOBILE, identity=ann)

    assert details(world, EventType.INVITATION_REVOKED) == [(ann.account.id, "mobile")]


# --- with an account --------------------------------------------------------------------------------------------------


def test_deleted_account_takes_its_invitations_with_it() -> None:
    world = World(deletion_days=0)
    world.register(**ANN, proofs=(invited(world),))
    ann = world.log_in_as("ann")
    world.invite(address=MOBILE, identity=ann)
    world.invite(address="eve@mail.example.com")

    world.delete_account(identity=ann)

    assert [one.address.text for one in world.list_invitations()] == ["eve@mail.example.com"]
