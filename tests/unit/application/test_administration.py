"""The use cases of operators for the accounts of others."""

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

import jwt
import pytest
from tests.support.world import CALLER, OTHER_PASSWORD, BusyDatabase, World, outcome

from vestibule.application import (
    MISSING,
    PERMISSIONS,
    Account,
    AlreadyTaken,
    Caller,
    EventType,
    Identity,
    InvalidCode,
    InvalidCredentials,
    InvalidInput,
    InvalidToken,
    LastSuperuser,
    LoginNotFresh,
    NoSuchAccount,
    NotPermitted,
    Operator,
    RateLimited,
    Role,
    Suspension,
    Unavailable,
)
from vestibule.domain.rate_limits import Limits, RateLimit
from vestibule.entrypoints.facade import USE_CASES

COMMAND_LINE = Operator(name="command line (ada)")
HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def world() -> World:
    return World()


def operator(world: World, username: str = "boss", **flags: Any) -> Operator:
    """An operator with a fresh login; a superuser by default."""
    account = world.create_account(username, email=f"{username}@staff.example.com")
    world.alter(account, **(flags or {"is_superuser": True}))
    return Operator(identity=world.log_in_as(username))


def account_of(someone: Operator) -> Account:
    assert someone.identity
    return someone.identity.account


def notices(world: World, address: str) -> list[str]:
    return [message.values["what"] for message in world.messages_to(address) if message.template == "notice"]


CHANGES: dict[str, Callable[..., Any]] = {
    "suspend_account": lambda world, **more: world.suspend_account(**{"reason": "spam"} | more),
    "reinstate": lambda world, **more: world.reinstate(**more),
    "unlock_account": lambda world, **more: world.unlock_account(**more),
    "sign_out": lambda world, **more: world.sign_out(**more),
    "edit_account": lambda world, **more: world.edit_account(name="Other", **more),
    "set_roles": lambda world, **more: world.set_roles(roles=["editor"], **more),
    "send_reset": lambda world, **more: world.send_reset(**more),
    "export_any_account": lambda world, **more: world.export_any_account(**more),
    "remove_account": lambda world, **more: world.remove_account(**more),
}
STAFF_CHANGES = ("suspend_account", "reinstate", "unlock_account", "sign_out")
every_change = pytest.mark.parametrize("name", CHANGES)


# --- who may ----------------------------------------------------------------------------------------------------------


def test_every_use_case_with_an_operator_has_a_permission() -> None:
    with_operator = {
        declared.use_case.__name__
        for declared in USE_CASES.values()
        if "operator" in signature(declared.use_case.__call__).parameters  # type: ignore[operator]  # of a class
    }
    assert with_operator == set(PERMISSIONS)


@every_change
def test_superuser_and_program_may_do_everything(world: World, name: str) -> None:
    for someone in (operator(world), COMMAND_LINE):
        ann = world.create_account(f"ann{len(someone.name)}")
        CHANGES[name](world, operator=someone, account_id=ann.id)


@every_change
def test_staff_change_others_within_their_role_only(world: World, name: str) -> None:
    staff, ann = operator(world, is_staff=True), world.create_account("ann")
    given = outcome(partial(CHANGES[name], world, operator=staff, account_id=ann.id))
    assert isinstance(given, NotPermitted) is (name not in STAFF_CHANGES)


@pytest.mark.parametrize("name", STAFF_CHANGES)
@pytest.mark.parametrize("flags", [{"is_staff": True}, {"is_superuser": True}])
def test_staff_change_neither_staff_nor_superusers(world: World, name: str, flags: Any) -> None:
    staff, other, _ = operator(world, is_staff=True), operator(world, "other", **flags), operator(world, "third")
    change = partial(CHANGES[name], world, operator=staff, account_id=account_of(other).id)
    assert isinstance(outcome(change), NotPermitted)
    assert world.now(account_of(other)).is_active


@every_change
def test_account_without_a_role_may_do_nothing(world: World, name: str) -> None:
    customer, ann = operator(world, is_staff=False), world.create_account("ann")
    assert isinstance(outcome(partial(CHANGES[name], world, operator=customer, account_id=ann.id)), NotPermitted)
    for read in (world.find_accounts, world.find_events, world.find_messages, world.summarize):
        with pytest.raises(NotPermitted):
            read(operator=customer)
    with pytest.raises(NotPermitted):
        world.read_account(operator=customer, account_id=ann.id)


@every_change
def test_no_operator_changes_the_own_account(world: World, name: str) -> None:
    root, _ = operator(world), operator(world, "other")
    change = partial(CHANGES[name], world, operator=root, account_id=account_of(root).id)
    assert isinstance(outcome(change), NotPermitted)


@every_change
def test_changes_want_a_fresh_login_or_the_password(world: World, name: str) -> None:
    root, ann = operator(world), world.create_account("ann")
    world.clock.advance(HOUR + 1)
    change = partial(CHANGES[name], world, operator=root, account_id=ann.id)
    assert isinstance(outcome(change), LoginNotFresh)
    assert isinstance(outcome(partial(change, current_password="wrong")), InvalidCredentials)
    change(current_password="a sea of green glass")


@every_change
def test_operator_is_checked_as_they_are_now(world: World, name: str) -> None:
    root, ann = operator(world), world.create_account("ann")
    change = partial(CHANGES[name], world, operator=root, account_id=ann.id)
    world.alter(account_of(root), is_superuser=False, is_staff=False)
    assert isinstance(outcome(change), NotPermitted)
    assert root.identity
    world.log_out(identity=root.identity)
    assert isinstance(outcome(change), InvalidToken)


@every_change
def test_unknown_account_is_refused(world: World, name: str) -> None:
    given = outcome(partial(CHANGES[name], world, operator=COMMAND_LINE, account_id=99))
    assert isinstance(given, NoSuchAccount)
    assert isinstance(outcome(partial(world.read_account, operator=COMMAND_LINE, account_id=99)), NoSuchAccount)


@every_change
def test_events_name_actor_and_reason(world: World, name: str) -> None:
    root = operator(world)
    for number, someone in enumerate((root, COMMAND_LINE)):
        ann = world.create_account(f"ann{number}")
        if name == "reinstate":
            world.alter(ann, is_active=False)
        CHANGES[name](world, operator=someone, account_id=ann.id, reason="as asked", caller=CALLER)
        last = [event for event in world.events() if event.account_id == ann.id][-1]
        assert (last.actor, last.reason) == (someone.actor, "as asked")
    assert (root.actor, COMMAND_LINE.actor) == ("account 1", "command line (ada)")


@pytest.mark.parametrize("reason", ["x" * 501, "two\nlines", 7])
@every_change
def test_bad_reasons_are_refused(world: World, name: str, reason: Any) -> None:
    ann = world.create_account("ann")
    given = outcome(partial(CHANGES[name], world, operator=COMMAND_LINE, account_id=ann.id, reason=reason))
    assert isinstance(given, InvalidInput)
    assert set(given.errors) == {"reason"}
    assert world.now(ann) == ann


# --- the last superuser -----------------------------------------------------------------------------------------------


def removals(world: World, account: Account) -> dict[str, Callable[[], Any]]:
    by: Any = {"operator": COMMAND_LINE, "account_id": account.id}
    return {
        "demotion": partial(world.set_roles, **by, is_superuser=False),
        "suspension": partial(world.suspend_account, **by, reason="spam"),
        "removal": partial(world.remove_account, **by),
        "deactivation": partial(world.set_active, identifier=account.username.text, active=False),
        "own deletion": lambda: world.delete_account(identity=world.log_in_as(account.username.text)),
    }


@pytest.mark.parametrize("kind", ["demotion", "suspension", "removal", "deactivation", "own deletion"])
def test_last_superuser_stays(world: World, kind: str) -> None:
    first, second = account_of(operator(world)), account_of(operator(world, "second"))
    world.alter(second, is_active=False)
    assert isinstance(outcome(removals(world, first)[kind]), LastSuperuser)
    world.alter(second, is_active=True, deletion_due_at=world.clock() + DAY)
    assert isinstance(outcome(removals(world, first)[kind]), LastSuperuser)
    assert world.now(first) == first
    world.alter(second, deletion_due_at=None)
    removals(world, first)[kind]()
    assert isinstance(outcome(removals(world, second)[kind]), LastSuperuser)


def test_account_that_becomes_a_superuser_meanwhile_is_checked_again() -> None:
    database = BusyDatabase()
    world = World(database=database)
    ann = world.create_account("ann")
    database.meanwhile = [lambda: world.alter(ann, is_superuser=True)]
    assert isinstance(
        outcome(partial(world.suspend_account, operator=COMMAND_LINE, account_id=ann.id, reason="x")), LastSuperuser
    )


# --- suspension -------------------------------------------------------------------------------------------------------


def test_suspended_account_is_refused_like_an_inactive_one_until_its_time_has_come(world: World) -> None:
    ann = world.create_account("ann")
    identity = world.log_in_as("ann")
    until = world.clock() + 7 * DAY

    after = world.suspend_account(operator=COMMAND_LINE, account_id=ann.id, reason="spam", until=until)

    assert after.suspension == Suspension(since=world.clock(), until=until, reason="spam")
    assert not world.is_signed_in_as(identity)
    world.clock.advance(7 * DAY - 61)
    assert isinstance(outcome(partial(world.log_in_with_code, "ann@mail.example.com")), InvalidCode)
    assert isinstance(outcome(partial(world.log_in_as, "ann")), InvalidCredentials)
    assert [event.detail for event in world.events(EventType.LOGIN_FAILED)] == ["suspended"]
    world.clock.advance(1)
    assert world.log_in_as("ann").account == world.now(ann) == ann
    assert [event.account_id for event in world.events(EventType.SUSPENSION_LIFTED)] == [ann.id]
    assert world.can_log_in("ann")
    assert len(world.events(EventType.SUSPENSION_LIFTED)) == 1


def test_code_lifts_a_suspension_that_is_over(world: World) -> None:
    ann = world.create_account("ann")
    world.verify_address("ann@mail.example.com", world.log_in_as("ann"))
    world.suspend_account(operator=COMMAND_LINE, account_id=ann.id, reason="spam", until=world.clock() + HOUR)
    world.clock.advance(HOUR)
    tokens = world.log_in_with_code("ann@mail.example.com")
    assert world.is_signed_in(tokens)
    assert world.now(ann).is_active


def test_purge_lifts_suspensions_that_are_over(world: World) -> None:
    over, later, endless, deactivated = (world.create_account(name) for name in ("ann", "bob", "eve", "joe"))
    for account, until in ((over, HOUR), (later, 2 * HOUR), (endless, None)):
        ends = None if until is None else world.clock() + until
        world.suspend_account(operator=COMMAND_LINE, account_id=account.id, reason="spam", until=ends)
    world.set_active(identifier="joe", active=False)
    world.clock.advance(HOUR)
    world.purge()
    assert [world.now(one).is_active for one in (over, later, endless, deactivated)] == [True, False, False, False]
    assert [(event.account_id, event.actor) for event in world.events(EventType.SUSPENSION_LIFTED)] == [(over.id, None)]


def test_purge_leaves_an_account_that_was_suspended_anew_meanwhile() -> None:
    database = BusyDatabase()
    world = World(database=database)
    ann = world.create_account("ann")
    world.suspend_account(operator=COMMAND_LINE, account_id=ann.id, reason="spam", until=world.clock() + 1)
    world.clock.advance(1)
    database.meanwhile = [
        lambda: None,
        lambda: world.suspend_account(operator=COMMAND_LINE, account_id=ann.id, reason="more", until=world.clock() + HOUR),
    ]
    world.purge()
    assert not world.now(ann).is_active
    assert world.events(EventType.SUSPENSION_LIFTED) == []


@pytest.mark.parametrize("until", [0.0, 1_800_000_000.0, "tomorrow"])
def test_suspension_ends_in_the_future(world: World, until: Any) -> None:
    ann = world.create_account("ann")
    bad: dict[str, Any] = {"reason": "", "until": until, "notifies": "perhaps"}
    given = outcome(partial(world.suspend_account, operator=COMMAND_LINE, account_id=ann.id, **bad))
    assert isinstance(given, InvalidInput)
    assert set(given.errors) == set(bad)


def test_owner_is_notified_and_learns_the_reason_only_if_the_operator_says_so(world: World) -> None:
    ann = world.create_account("ann")
    world.verify_address("ann@mail.example.com", world.log_in_as("ann"))
    suspend = partial(world.suspend_account, operator=COMMAND_LINE, account_id=ann.id, reason="spam", caller=CALLER)
    suspend(notifies=False)
    suspend()
    suspend(until=world.clock() + HOUR, tells_reason=True)
    sent = [one.values for one in world.messages_to("ann@mail.example.com") if one.values.get("what") == "account_suspended"]
    assert [(values.get("until"), values.get("reason"), "network" in values) for values in sent] == [
        (None, None, False),
        ("2027-01-15 09:01 UTC", "spam", False),
    ]


def test_reinstated_account_opens_at_once_and_its_owner_is_notified(world: World) -> None:
    ann = world.create_account("ann")
    world.verify_address("ann@mail.example.com", world.log_in_as("ann"))
    verified = world.now(ann)
    world.suspend_account(operator=COMMAND_LINE, account_id=ann.id, reason="spam")
    assert world.reinstate(operator=COMMAND_LINE, account_id=ann.id) == world.now(ann) == verified
    assert world.reinstate(operator=COMMAND_LINE, account_id=ann.id) == verified
    assert world.can_log_in("ann")
    assert notices(world, "ann@mail.example.com") == ["account_suspended", "account_reinstated"]
    assert len(world.events(EventType.REINSTATED)) == 1


@pytest.mark.parametrize("active", [True, False])
def test_activation_and_deactivation_end_a_suspension(world: World, active: bool) -> None:
    ann = world.create_account("ann")
    world.suspend_account(operator=COMMAND_LINE, account_id=ann.id, reason="spam", until=world.clock() + HOUR)
    world.set_active(identifier="ann", active=active)
    assert (world.now(ann).is_active, world.now(ann).suspension) == (active, None)
    world.clock.advance(HOUR)
    assert world.can_log_in("ann") is active


# --- unlocking and signing out ----------------------------------------------------------------------------------------


def test_unlocking_clears_the_counters_that_keep_the_owner_out(world: World) -> None:
    ann, details = world.create_account("ann"), partial(world.read_account, operator=COMMAND_LINE)
    for _ in range(5):
        outcome(partial(world.log_in, username="ANN", password="wrong", caller=CALLER))
    assert isinstance(outcome(partial(world.log_in_as, "ann", caller=CALLER)), RateLimited)
    world.request_code(destination="ann@mail.example.com", caller=CALLER)
    found = {(one.policy, one.network) for one in details(account_id=ann.id).limits}
    assert found == {("failed-logins", CALLER.ip_address), ("codes", None)}

    assert world.unlock_account(operator=COMMAND_LINE, account_id=ann.id) == 2

    assert details(account_id=ann.id).limits == []
    world.log_in_as("ann", caller=CALLER)
    world.request_code(destination="ann@mail.example.com", caller=CALLER)


def test_limits_of_every_kind_are_shown_and_cleared() -> None:
    once = (RateLimit(1, DAY),)
    world = World(
        limits=Limits(
            failed_logins_in_a_row=2,
            failed_logins_per_identity=once,
            failed_logins_per_identity_and_network=once,
            codes_per_destination_and_network=once,
            codes_per_destination_from_unknown_networks=once,
            codes_per_destination_from_known_networks=once,
            wrong_codes_per_destination_from_unknown_networks=once,
            wrong_codes_per_destination_from_known_networks=once,
            taken_values_per_account=once,
        )
    )
    ann, bob, own = world.create_account("ann"), world.create_account("bob"), "ann@mail.example.com"
    identity, elsewhere = world.log_in_as("ann", caller=CALLER), Caller("203.0.113.9")
    world.verify_address(own, identity)
    world.unlock_account(operator=COMMAND_LINE, account_id=ann.id)
    outcome(partial(world.change_account, identity=identity, username="bob"))
    for caller in (CALLER, elsewhere):
        world.request_code(destination=own, caller=caller)
        outcome(partial(world.verify_code, destination=own, verify_otp="0", caller=caller))
        outcome(partial(world.log_in, username="ann", password="wrong", caller=caller))

    found = [(one.policy, one.network) for one in world.read_account(operator=COMMAND_LINE, account_id=ann.id).limits]

    assert sorted(found, key=str) == sorted(
        [
            ("failed-logins-in-a-row", None),
            ("failed-logins", CALLER.ip_address),
            ("failed-logins", elsewhere.ip_address),
            ("failed-logins", None),
            ("codes", CALLER.ip_address),
            ("codes", elsewhere.ip_address),
            ("codes", None),
            ("codes", None),
            ("wrong-codes", None),
            ("wrong-codes", None),
            ("taken-values", None),
        ],
        key=str,
    )
    assert world.read_account(operator=COMMAND_LINE, account_id=bob.id).limits == []
    assert world.unlock_account(operator=COMMAND_LINE, account_id=ann.id) == len(found)
    assert world.read_account(operator=COMMAND_LINE, account_id=ann.id).limits == []


def test_operator_ends_every_session(world: World) -> None:
    ann = world.create_account("ann")
    sessions = [world.log_in_as("ann") for _ in range(2)]
    assert world.sign_out(operator=COMMAND_LINE, account_id=ann.id) == 2
    assert not any(map(world.is_signed_in_as, sessions))
    assert world.can_log_in("ann")


def test_details_have_active_sessions_and_latest_logins(world: World) -> None:
    ann = world.create_account("ann")
    world.log_out(identity=world.log_in_as("ann"))
    world.clock.advance(1)
    active = world.log_in_as("ann")
    details = world.read_account(operator=COMMAND_LINE, account_id=ann.id)
    assert details.account == ann
    assert [one.id for one in details.sessions] == [active.session_id]
    assert len(details.logins) == 2
    assert details.logins[0].id == active.session_id


# --- roles ------------------------------------------------------------------------------------------------------------


def test_roles_are_set_and_left(world: World) -> None:
    ann, set_roles = world.create_account("ann"), partial(world.set_roles, operator=COMMAND_LINE)
    assert set_roles(account_id=ann.id, is_staff=True, roles=["writer", " editor ", "writer"]).roles == ("editor", "writer")
    assert set_roles(account_id=ann.id) == world.now(ann)
    assert world.now(ann).is_staff
    assert set_roles(account_id=ann.id, roles=[]).roles == ()
    details = [event.detail for event in world.events(EventType.ROLES_CHANGED)]
    assert details == ["is_staff:true is_superuser:false roles:editor,writer", "is_staff:true is_superuser:false roles:"]


def test_superuser_is_staff(world: World) -> None:
    operator(world)
    ann, set_roles = world.create_account("ann"), partial(world.set_roles, operator=COMMAND_LINE)
    assert set_roles(account_id=ann.id, is_superuser=True).is_staff
    given = outcome(partial(set_roles, account_id=ann.id, is_staff=False))
    assert isinstance(given, InvalidInput)
    demoted = set_roles(account_id=ann.id, is_staff=False, is_superuser=False)
    assert (demoted.is_staff, demoted.is_superuser) == (False, False)


@pytest.mark.parametrize(
    "given",
    [
        {"roles": ["Editor"]},
        {"roles": ["a b"]},
        {"roles": ["x" * 51]},
        {"roles": "editor"},
        {"roles": ["é"]},
        {"roles": [str(number) for number in range(21)]},
        {"is_staff": "yes"},
        {"is_superuser": 1},
    ],
)
def test_bad_roles_are_refused(world: World, given: Any) -> None:
    ann = world.create_account("ann")
    refused = outcome(partial(world.set_roles, operator=COMMAND_LINE, account_id=ann.id, **given))
    assert isinstance(refused, InvalidInput)
    assert set(refused.errors) == set(given)


def test_access_tokens_carry_the_roles() -> None:
    world = World(token_claims=("roles",))
    ann = world.create_account("ann")
    world.set_roles(operator=COMMAND_LINE, account_id=ann.id, roles=["editor"])
    tokens = world.log_in(username="ann", password="a sea of green glass")
    assert jwt.decode(tokens.access_token, options={"verify_signature": False})["roles"] == ["editor"]


# --- resets and edits -------------------------------------------------------------------------------------------------


def test_owner_sets_a_new_password_with_the_code_that_the_operator_sent(world: World) -> None:
    ann, email = world.create_account("ann"), "ann@mail.example.com"
    world.verify_address(email, world.log_in_as("ann"))
    world.clock.advance(60)
    world.send_reset(operator=COMMAND_LINE, account_id=ann.id)
    world.reset_password(email=email, otp=world.code_for(email), password=OTHER_PASSWORD)
    assert world.can_log_in("ann", OTHER_PASSWORD)


def test_reset_wants_an_email(world: World) -> None:
    ann = world.create_account("ann")
    world.alter(ann, email=None)
    given = outcome(partial(world.send_reset, operator=COMMAND_LINE, account_id=ann.id))
    assert isinstance(given, InvalidInput)
    assert world.events(EventType.RESET_SENT) == []


def test_reset_within_the_cooldown_is_refused_and_not_recorded(world: World) -> None:
    ann = world.create_account("ann")
    world.request_code(destination="ann@mail.example.com")
    assert isinstance(outcome(partial(world.send_reset, operator=COMMAND_LINE, account_id=ann.id)), RateLimited)
    assert world.events(EventType.RESET_SENT) == []


def test_operator_edits_fields(world: World) -> None:
    ann = world.create_account("ann", mobile="9999999991")
    edit = partial(world.edit_account, operator=COMMAND_LINE, account_id=ann.id)
    after = edit(username="anna", name="Anna", email="anna@mail.example.com", mobile="9999999992")
    assert after == world.now(ann)
    texts = (after.username.text, after.name, after.email and after.email.text, after.mobile and after.mobile.text)
    assert texts == ("anna", "Anna", "anna@mail.example.com", "9999999992")
    assert (after.email_verified, after.mobile_verified) == (False, False)
    assert edit() == edit(username="anna", mobile=MISSING) == after
    assert edit(mobile=None).mobile is None
    changed = [event.type for event in world.events() if event.actor]
    assert changed == [
        EventType.USERNAME_CHANGED,
        EventType.NAME_CHANGED,
        EventType.EMAIL_CHANGED,
        EventType.MOBILE_CHANGED,
        EventType.MOBILE_CHANGED,
    ]


def test_operator_puts_the_address_of_a_stolen_account_back(world: World) -> None:
    own, thiefs = "ann@mail.example.com", "eve@mail.example.com"
    ann = world.create_account("ann")
    identity = world.log_in_as("ann")
    world.verify_address(own, identity)
    world.change_account(identity=identity, email=thiefs)
    world.verify_address(thiefs, identity)

    after = world.edit_account(operator=COMMAND_LINE, account_id=ann.id, email=own, vouches=True)

    assert (after.email and after.email.text, after.email_verified, after.recovery_addresses) == (own, True, ())
    assert world.owner(thiefs) is None
    assert notices(world, thiefs)[-1] == "email_changed"
    assert notices(world, own)[-1] == "email_changed"
    verified = [event for event in world.events(EventType.ADDRESS_VERIFIED) if event.actor]
    assert [(event.detail, event.actor) for event in verified] == [("email", COMMAND_LINE.actor)]


def test_replaced_verified_address_recovers_the_account_unless_the_operator_vouches(world: World) -> None:
    ann, own = world.create_account("ann", mobile="9999999991"), "ann@mail.example.com"
    world.verify_address(own, world.log_in_as("ann"))
    after = world.edit_account(operator=COMMAND_LINE, account_id=ann.id, email="new@mail.example.com")
    assert [kept.address.text for kept in after.recovery_addresses] == [own]
    vouched = world.edit_account(operator=COMMAND_LINE, account_id=ann.id, mobile="9999999991", vouches=True)
    assert vouched.mobile_verified


def test_vouching_takes_an_unverified_address_and_no_other(world: World) -> None:
    ann, bob = world.create_account("ann"), world.create_account("bob", mobile="9999999991")
    edit = partial(world.edit_account, operator=COMMAND_LINE, account_id=ann.id)
    assert isinstance(outcome(partial(edit, mobile="9999999991")), AlreadyTaken)
    assert isinstance(outcome(partial(edit, username="BOB")), AlreadyTaken)
    edit(mobile="9999999991", vouches=True)
    assert world.now(bob).mobile is None
    [released] = world.events(EventType.ADDRESS_RELEASED)
    assert (released.account_id, released.actor) == (bob.id, COMMAND_LINE.actor)
    world.verify_address("bob@mail.example.com", world.log_in_as("bob"))
    assert isinstance(outcome(partial(edit, email="bob@mail.example.com", vouches=True)), AlreadyTaken)


def test_last_verified_address_is_not_removed(world: World) -> None:
    ann = world.create_account("ann", mobile="9999999991")
    world.verify_address("9999999991", world.log_in_as("ann"))
    assert isinstance(outcome(partial(world.edit_account, operator=COMMAND_LINE, account_id=ann.id, mobile=None)), InvalidInput)


def test_every_bad_field_of_an_edit_is_named(world: World) -> None:
    ann = world.create_account("ann")
    bad = {"username": "a@b", "name": "\n", "email": "nowhere", "mobile": "x", "vouches": "yes"}
    given = outcome(partial(world.edit_account, operator=COMMAND_LINE, account_id=ann.id, **bad))  # type: ignore[arg-type]  # on purpose
    assert isinstance(given, InvalidInput)
    assert set(given.errors) == {"username", "email", "mobile", "vouches"}


def test_edit_ends_the_open_codes_of_the_account(world: World) -> None:
    ann, own = world.create_account("ann"), "ann@mail.example.com"
    world.verify_address(own, world.log_in_as("ann"))
    world.clock.advance(60)
    code = world.send(own, is_login=True)
    world.edit_account(operator=COMMAND_LINE, account_id=ann.id, name="Other")
    assert isinstance(outcome(partial(world.log_in_by_code, destination=own, verify_otp=code)), InvalidCode)


# --- removal ----------------------------------------------------------------------------------------------------------


def test_removed_account_is_gone_at_once(world: World) -> None:
    ann = world.create_account("ann")
    world.verify_address("ann@mail.example.com", world.log_in_as("ann"))
    world.remove_account(operator=COMMAND_LINE, account_id=ann.id, reason="asked by letter")
    assert world.database.accounts.get(ann.id) is None
    assert notices(world, "ann@mail.example.com") == ["account_deleted"]
    deleted = world.events(EventType.ACCOUNT_DELETED)
    assert [(event.actor, event.reason) for event in deleted] == [(COMMAND_LINE.actor, "asked by letter")]


def test_removal_that_the_database_interrupts_is_completed_by_the_purge() -> None:
    database = BusyDatabase()
    world = World(database=database)
    ann = world.create_account("ann")

    def fail() -> None:
        raise Unavailable

    database.meanwhile = [lambda: None, fail]
    world.remove_account(operator=COMMAND_LINE, account_id=ann.id)
    assert not world.can_log_in("ann")
    assert world.now(ann).id == ann.id
    world.purge()
    assert world.database.accounts.get(ann.id) is None


@pytest.mark.parametrize("name", ["suspend_account", "remove_account", "sign_out"])
def test_account_that_goes_meanwhile_is_refused(name: str) -> None:
    database = BusyDatabase()
    world = World(database=database)
    ann = world.create_account("ann")
    database.meanwhile = [lambda: world.remove_account(operator=COMMAND_LINE, account_id=ann.id)]
    assert isinstance(outcome(partial(CHANGES[name], world, operator=COMMAND_LINE, account_id=ann.id)), NoSuchAccount)


def test_identity_is_the_operators_own(world: World) -> None:
    staff = operator(world, is_staff=True)
    assert isinstance(staff.identity, Identity)
    assert staff.may("FindAccounts")
    assert not staff.may("SetRoles")
    assert COMMAND_LINE.may("SetRoles")
    assert PERMISSIONS["SetRoles"].role is Role.SUPERUSER
