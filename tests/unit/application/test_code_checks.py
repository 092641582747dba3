from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.support.world import CALLER, OTHER_PASSWORD, PASSWORD, PNG, World, concurrently, outcome, wrong

from vestibule.application import AddressNotVerified, Caller, InvalidCode, InvalidInput, IssuedProof, RequestedCode, TokenSet
from vestibule.domain.account import AddressKind
from vestibule.domain.events import EventType
from vestibule.domain.rate_limits import Limits

ANN = "ann@mail.example.com"
EVE = "eve@mail.example.com"
MOBILE = "9999999999"
ELSEWHERE = replace(CALLER, ip_address="203.0.113.9")


def verify(world: World, destination: str, code: str, **more: Any) -> Any:
    return outcome(lambda: world.verify_code(destination=destination, verify_otp=code, **more))


def log_in(world: World, destination: str, code: str, **more: Any) -> Any:
    return outcome(lambda: world.log_in_by_code(destination=destination, verify_otp=code, **more))


def request(world: World, destination: str, **more: Any) -> Any:
    return outcome(lambda: world.request_code(destination=destination, **more))


# --- lifetime and attempts --------------------------------------------------------------------------------------------


def test_code_has_six_digits_and_its_message_repeats_the_reference() -> None:
    world = World()

    sent = world.request_code(destination=ANN)

    [outgoing] = world.messages_to(ANN)
    assert outgoing.values["reference"] == sent.reference
    assert len(outgoing.values["code"]) == 6
    assert outgoing.values["code"].isdigit()
    assert outgoing.values["minutes"] == "5"


def test_code_length_is_configurable() -> None:
    world = World(otp_length=10)

    assert isinstance(verify(world, ANN, world.send(ANN)), IssuedProof)
    assert len(world.code_for(ANN)) == 10


@pytest.mark.parametrize(("seconds", "minutes"), [(60, "1"), (119, "1"), (600, "10")])
def test_lifetime_of_a_code_is_a_setting_and_its_message_promises_no_more(seconds: int, minutes: str) -> None:
    world = World(otp_seconds=seconds)
    first = world.send(ANN)
    assert world.messages_to(ANN)[0].values["minutes"] == minutes
    world.clock.advance(seconds - 1)
    assert isinstance(verify(world, ANN, first), IssuedProof)
    world.clock.advance(60)
    second = world.send(ANN)
    world.clock.advance(seconds)
    assert isinstance(verify(world, ANN, second), InvalidCode)


@pytest.mark.parametrize(("after", "right"), [(299, True), (300, False)])
def test_code_expires_after_five_minutes(after: int, right: bool) -> None:
    world = World()
    code = world.send(ANN)

    world.clock.advance(after)

    assert isinstance(verify(world, ANN, code), IssuedProof) is right


def test_verification_says_which_kind_of_address_the_code_was_sent_to() -> None:
    world = World()
    world.request_code(destination=MOBILE, email=ANN)

    by_mail, by_sms = world.verify_code(destination=MOBILE, verify_otp=world.code_for(ANN)), world.code_for(MOBILE)

    assert by_mail.kind is AddressKind.EMAIL
    assert world.verify_code(destination=MOBILE, verify_otp=by_sms).kind is AddressKind.MOBILE


def test_used_code_is_refused() -> None:
    world = World()
    code = world.send(ANN)

    assert isinstance(verify(world, ANN, code), IssuedProof)
    assert isinstance(verify(world, ANN, code), InvalidCode)
    assert isinstance(log_in(world, ANN, code), InvalidCode)


@pytest.mark.parametrize(("misses", "right"), [(4, True), (5, False)])
def test_code_is_refused_after_five_wrong_codes_from_the_network_that_asked(misses: int, right: bool) -> None:
    world = World()
    code = world.send(ANN, caller=CALLER)

    for _ in range(misses):
        assert isinstance(verify(world, ANN, wrong(code), caller=CALLER), InvalidCode)

    assert isinstance(verify(world, ANN, code, caller=CALLER), IssuedProof) is right


def test_five_wrong_codes_from_all_other_networks_end_the_code_for_them_and_not_for_the_one_that_asked() -> None:
    world = World()
    code = world.send(ANN, caller=CALLER)

    for number in range(5):
        other = replace(CALLER, ip_address=f"203.0.113.{number}")
        assert isinstance(verify(world, ANN, wrong(code), caller=other), InvalidCode)

    assert isinstance(verify(world, ANN, code, caller=ELSEWHERE), InvalidCode)
    for _ in range(4):
        assert isinstance(verify(world, ANN, wrong(code), caller=CALLER), InvalidCode)
    assert isinstance(verify(world, ANN, code, caller=CALLER), IssuedProof)


def test_wrong_codes_from_the_network_that_asked_leave_five_to_the_others() -> None:
    world = World()
    code = world.send(ANN, caller=CALLER)

    for _ in range(5):
        verify(world, ANN, wrong(code), caller=CALLER)

    assert isinstance(verify(world, ANN, code, caller=CALLER), InvalidCode)
    assert isinstance(verify(world, ANN, code, caller=ELSEWHERE), IssuedProof)


def test_number_of_wrong_codes_is_a_setting() -> None:
    world = World(limits=Limits(wrong_codes_per_code=1))
    code = world.send(ANN)

    verify(world, ANN, wrong(code))

    assert isinstance(verify(world, ANN, code), InvalidCode)


def test_newer_code_replaces_an_older_one() -> None:
    world = World()
    older = world.send(ANN)
    world.clock.advance(60)
    newer = world.send(ANN)

    assert isinstance(verify(world, ANN, older), InvalidCode)
    assert isinstance(verify(world, ANN, newer), IssuedProof)


def test_newer_code_has_five_attempts_of_its_own() -> None:
    world = World()
    for _ in range(5):
        verify(world, ANN, wrong(world.send(ANN) if not world.messages_to(ANN) else world.code_for(ANN)))
    world.clock.advance(60)

    assert isinstance(verify(world, ANN, world.send(ANN)), IssuedProof)


def test_code_is_refused_for_another_purpose() -> None:
    world = World()
    pair: dict[str, Any] = {"name": "Ann", "email": ANN, "mobile": MOBILE}
    world.request_registration_code(**pair)
    code = world.code_for(ANN)
    assert isinstance(verify(world, ANN, code), InvalidCode)
    assert isinstance(log_in(world, ANN, code), InvalidCode)

    world.clock.advance(60)
    other = world.send(ANN)
    assert isinstance(outcome(lambda: world.register_or_log_in(**pair, verify_otp=other)), InvalidCode)
    assert isinstance(outcome(lambda: world.register_or_log_in(**pair, verify_otp=code)), TokenSet)


ARABIC = {48 + number: 0x0660 + number for number in range(10)}


@pytest.mark.parametrize(
    "paste",
    [
        lambda code: f" {code}\n",
        lambda code: f"{code[:3]} {code[3:]}",
        lambda code: f"{code[:3]}\u2011{code[3:]}",
        lambda code: f"\u202a{code[:2]}\u200b{code[2:]}\u202c",
        lambda code: code.translate(ARABIC),
    ],
    ids=["trimmed", "space", "dash", "invisible", "Arabic digits"],
)
def test_pasted_code_is_read(paste: Callable[[str], str]) -> None:
    world = World()
    code = world.send(ANN)

    assert isinstance(verify(world, ANN, f"x{paste(code)}"), InvalidCode)
    assert isinstance(verify(world, ANN, paste(code)), IssuedProof)


def test_every_failed_verification_is_the_same_refusal() -> None:
    world = World()
    never_sent = verify(world, EVE, "123456")
    code = world.send(ANN)
    missed = verify(world, ANN, wrong(code))
    for _ in range(4):
        verify(world, ANN, wrong(code))
    exhausted = verify(world, ANN, code)
    world.clock.advance(300)
    expired = verify(world, ANN, code)

    seen = {(type(refusal), refusal.detail) for refusal in (never_sent, missed, exhausted, expired)}

    assert seen == {(InvalidCode, InvalidCode.title)}


def test_missing_and_invalid_fields_are_named_and_count_no_attempt() -> None:
    world = World()
    for call in (world.verify_code, world.log_in_by_code):
        with pytest.raises(InvalidInput) as caught:
            call(destination="nobody@", verify_otp=" ")
        assert {*caught.value.errors} == {"destination", "verify_otp"}
    assert world.events() == []


def test_request_names_every_invalid_field() -> None:
    world = World()

    with pytest.raises(InvalidInput) as caught:
        world.request_code(destination="12", email="nobody", is_login="yes")  # type: ignore[arg-type]  # Python callers may be wrong

    assert {*caught.value.errors} == {"destination", "email", "is_login"}
    assert world.messages == ()


@pytest.mark.parametrize("nothing", [None, ""])
def test_optional_fields_may_be_none_or_empty(nothing: Any) -> None:
    assert isinstance(request(World(), MOBILE, email=nothing, is_login=None), RequestedCode)


def test_one_of_two_concurrent_uses_of_a_code_succeeds() -> None:
    world = World()
    world.create_account("ann")
    code = world.send(ANN)

    answers = concurrently([lambda: world.log_in_by_code(destination=ANN, verify_otp=code) for _ in range(8)])

    assert [type(answer) for answer in answers].count(TokenSet) == 1
    assert [type(answer) for answer in answers].count(InvalidCode) == 7


def test_at_most_five_of_20_concurrent_wrong_codes_are_compared() -> None:
    world = World()
    code = world.send(ANN)

    answers = concurrently([lambda: world.verify_code(destination=ANN, verify_otp=wrong(code)) for _ in range(20)])

    assert {type(answer) for answer in answers} == {InvalidCode}
    assert world.database.rate_limits.get([wrong_codes_key(world, ANN)])[0].hits == 5
    assert isinstance(verify(world, ANN, code), InvalidCode)


def test_wrong_code_without_a_code_to_guess_is_not_counted_for_the_address() -> None:
    """Otherwise a stranger could use up an address's wrong codes without any code."""
    world = World()
    for number in range(40):
        verify(world, ANN, "123456", caller=Caller(f"198.51.100.{number}"))

    assert isinstance(verify(world, ANN, world.send(ANN)), IssuedProof)


def wrong_codes_key(world: World, destination: str) -> str:
    """The key of the window of wrong codes for the address from unknown networks."""
    return f"wrong-codes:{world.codes.keyed_digest(world.address(destination).key)}:others"


# --- effects of a verification on accounts ----------------------------------------------------------------------------


def test_verified_address_opens_its_account_and_clears_nothing() -> None:
    world = World()
    account = world.create_account("ann", proofs=(world.verify_address(ANN),))
    tokens = world.log_in(username="ann", password=PASSWORD)

    again = world.log_in_with_code(ANN)

    assert world.now(account) == account
    assert again.session != tokens.session
    assert (again.created, again.cleared, again.recovered) == (False, (), False)
    assert world.is_signed_in(again)
    assert world.events(EventType.ACCOUNT_CLAIMED) == []


def test_code_from_an_account_that_never_had_a_verified_address_clears_what_its_maker_left() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    impostor = world.log_in(username="ann", password=PASSWORD)
    world.upload_image(identity=world.identity(impostor), profile_image=PNG)

    tokens = world.log_in_with_code(ANN)

    after = world.now(account)
    assert tokens.cleared == ("password", "sessions", "mobile", "image")
    assert (after.password_hash, after.mobile, after.image) == (None, None, None)
    assert (after.email_verified, after.ever_verified) == (True, True)
    assert not world.is_signed_in(impostor)
    assert not world.can_log_in("ann")
    assert world.identity(tokens).account == after
    assert [event.account_id for event in world.events(EventType.ACCOUNT_CLAIMED)] == [account.id]


def test_networks_known_before_a_claim_are_forgotten() -> None:
    world = World()
    world.create_account("ann")
    world.log_in(username="ann", password=PASSWORD, caller=ELSEWHERE)
    assert knows(world, ELSEWHERE)

    log_in(world, ANN, world.send(ANN), caller=CALLER)

    assert (knows(world, ELSEWHERE), knows(world, CALLER)) == (False, True)


def knows(world: World, caller: Caller) -> bool:
    """Returns whether Ann's account knows the network of the caller."""
    return world.database.accounts.holder(world.address(ANN), caller.ip_address, world.clock()).knows_network


@pytest.mark.parametrize(("days", "is_known"), [(29.9, True), (30, False)])
def test_network_is_known_for_30_days_after_a_session_began_there(days: float, is_known: bool) -> None:
    world = World()
    world.create_account("ann")
    world.log_in(username="ann", password=PASSWORD, caller=CALLER)

    world.clock.advance(days=days)

    assert knows(world, CALLER) is is_known
    assert not knows(world, ELSEWHERE)


def test_network_of_callers_without_an_address_is_never_known() -> None:
    world = World()
    world.create_account("ann")
    nowhere = Caller("")

    world.log_in(username="ann", password=PASSWORD, caller=nowhere)

    assert not knows(world, nowhere)


def test_claiming_an_account_revokes_codes_to_the_claimed_address_alone() -> None:
    """A code to the other address, which leaves the account, may be another person's."""
    world = World()
    world.create_account("ann", mobile=MOBILE)
    pair: dict[str, Any] = {"name": "Ann", "email": ANN, "mobile": "8888888888"}
    world.request_registration_code(**pair)
    registering, dropped = world.code_for(ANN), world.send(MOBILE)
    world.log_in_with_code(ANN)

    assert isinstance(outcome(lambda: world.register_or_log_in(**pair, verify_otp=registering)), InvalidCode)
    assert isinstance(verify(world, MOBILE, dropped), IssuedProof)


def test_second_code_login_clears_nothing() -> None:
    world = World()
    world.create_account("ann")
    first = world.log_in_with_code(ANN)

    world.log_in_with_code(ANN)

    assert world.is_signed_in(world.refresh(refresh=first.refresh_token))


def test_verification_with_the_accounts_login_marks_its_address_and_clears_nothing() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    tokens = world.log_in(username="ann", password=PASSWORD)

    world.verify_address(ANN, world.identity(tokens))

    assert world.now(account) == replace(account, email_verified=True, ever_verified=True)
    world.log_in_with_code(ANN)
    assert world.is_signed_in(world.refresh(refresh=tokens.refresh_token))
    assert world.can_log_in("ann")
    [event] = world.events(EventType.ADDRESS_VERIFIED)
    assert (event.account_id, event.detail) == (account.id, "email")


def test_verification_with_a_login_gives_the_account_no_address() -> None:
    world = World()
    account = world.create_account("ann")

    proof = world.verify_address(EVE, world.log_in_as("ann"))

    assert world.now(account) == account
    assert world.create_account("eve", proofs=(proof,)).email_verified


def test_verification_of_a_verified_address_gives_another_proof_and_records_nothing() -> None:
    world = World()
    world.create_account("ann", proofs=(world.verify_address(ANN),))

    assert world.verify_address(ANN, world.log_in_as("ann"))

    assert len(world.events(EventType.ADDRESS_VERIFIED)) == 1


def test_verification_without_a_login_concerns_no_account() -> None:
    world = World()
    account = world.create_account("ann")
    impostor = world.log_in(username="ann", password=PASSWORD)

    assert world.verify_address(ANN)

    assert world.now(account) == account
    assert world.is_signed_in(world.refresh(refresh=impostor.refresh_token))
    assert world.can_log_in("ann")
    assert world.log_in_with_code(ANN).cleared == ("password", "sessions")
    assert not world.can_log_in("ann")


def test_address_that_was_verified_again_without_a_login_keeps_the_account() -> None:
    """Verified with the login, password changed, mobile added and verified, and the email verified a second time without it."""
    world = World()
    world.create_account("ann")
    tokens = world.log_in(username="ann", password=PASSWORD)
    identity = world.identity(tokens)
    world.verify_address(ANN)
    world.verify_address(ANN, identity)
    world.change_account(identity=identity, mobile=MOBILE, password=OTHER_PASSWORD)
    world.verify_address(MOBILE, identity)
    account = world.now(identity.account)
    world.verify_address(ANN)

    assert world.log_in_with_code(ANN).cleared == ()

    assert world.now(account) == account
    assert world.is_signed_in_as(identity)
    assert world.can_log_in("ann", OTHER_PASSWORD)


def test_holder_of_a_mistyped_mobile_does_not_get_the_account() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    world.verify_address(MOBILE)  # by the holder of the number
    world.verify_address(ANN, world.log_in_as("ann"))
    before = world.now(account)
    world.clock.advance(60)

    refusal = log_in(world, MOBILE, world.send(MOBILE))

    assert isinstance(refusal, AddressNotVerified)
    assert world.now(account) == before
    assert world.can_log_in("ann")


def test_verification_with_the_login_of_another_account_equals_one_without() -> None:
    world = World()
    account = world.create_account("ann")
    world.create_account("eve")

    world.verify_address(ANN, world.log_in_as("eve"))

    assert world.now(account) == account


def test_verification_with_a_revoked_session_equals_one_without() -> None:
    world = World()
    account = world.create_account("ann")
    identity = world.log_in_as("ann")
    with world.database.begin() as tx:
        tx.sessions.revoke_all(account.id, world.clock())

    world.verify_address(ANN, identity)

    assert world.now(account) == account


def test_code_login_with_the_accounts_own_login_clears_nothing() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    identity = world.log_in_as("ann")

    tokens = log_in(world, ANN, world.send(ANN), identity=identity)

    assert tokens.cleared == ()
    assert world.now(account) == replace(account, email_verified=True, ever_verified=True)
    assert world.is_signed_in_as(identity)


def test_code_login_with_a_revoked_session_clears_as_without_a_login() -> None:
    world = World()
    world.create_account("ann")
    identity = world.log_in_as("ann")
    world.revoke_session(identity=identity, session_id=identity.session_id)

    assert log_in(world, ANN, world.send(ANN), identity=identity).cleared == ("password",)


def test_unverified_address_next_to_a_verified_one_opens_nothing_and_gets_a_proof() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(MOBILE),))
    world.clock.advance(61)
    code = world.send(ANN)

    refusal = log_in(world, ANN, code)

    assert isinstance(refusal, AddressNotVerified)
    assert world.now(account) == account
    assert isinstance(log_in(world, ANN, code), InvalidCode), "the code is used"
    assert world.create_account("eve", email=ANN, proofs=(refusal.proof,)).email_verified


def test_login_verifies_a_second_address() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(MOBILE),))

    world.verify_address(ANN, world.log_in_as("ann"))

    assert world.now(account) == replace(account, email_verified=True)
    assert world.is_signed_in(world.log_in_with_code(ANN))


def test_recovery_address_undoes_the_change_and_the_token_set_says_so() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(ANN),))
    thief = world.log_in_as("ann")
    world.change_account(identity=thief, email=EVE, mobile="8888888888")
    world.verify_address(EVE, thief)

    tokens = world.log_in_with_code(ANN)

    assert (tokens.recovered, tokens.cleared) == (True, ("password", "sessions"))
    assert world.now(account) == replace(account, password_hash=None)
    assert not world.is_signed_in_as(thief)
    assert isinstance(log_in(world, EVE, world.send(EVE)), InvalidCode)


def test_right_code_that_cannot_log_in_counts_as_a_failed_attempt() -> None:
    world = World()
    code = world.send(ANN)

    for _ in range(5):
        assert isinstance(log_in(world, ANN, code), InvalidCode)

    assert isinstance(verify(world, ANN, code), InvalidCode)
    assert len(world.events(EventType.CODE_REFUSED)) == 6


def test_code_login_to_an_inactive_account_is_refused() -> None:
    world = World()
    account = world.alter(world.create_account("ann"), is_active=False)

    assert isinstance(log_in(world, ANN, world.send(ANN)), InvalidCode)
    assert world.now(account) == account


def test_code_events_are_recorded() -> None:
    world = World()
    world.create_account("ann")
    world.request_code(destination=ANN, caller=CALLER)
    log_in(world, ANN, wrong(world.code_for(ANN)), caller=CALLER)
    log_in(world, ANN, world.code_for(ANN), caller=CALLER)

    happened = [event.type for event in world.events() if event.caller == CALLER]

    assert happened == [
        EventType.CODE_SENT,
        EventType.CODE_REFUSED,
        EventType.CODE_ACCEPTED,
        EventType.ACCOUNT_CLAIMED,
        EventType.ADDRESS_VERIFIED,
        EventType.LOGGED_IN,
    ]
    assert world.events(EventType.LOGGED_IN)[0].detail == "code:email"


def test_last_code_of_an_email_over_its_limit_stays_valid() -> None:
    world = World(otp_cooldown=1)
    world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(ANN),))
    for _ in range(5):
        world.clock.advance(2)
        world.request_code(destination=MOBILE)
    last = world.code_for(ANN)
    world.clock.advance(2)
    world.request_code(destination=MOBILE)
    assert world.code_for(ANN) == last, "five companion mails a day: the sixth request sends none"

    assert world.verify_code(destination=ANN, verify_otp=last).proof


# --- limits of known and of unknown networks --------------------------------------------------------------------------

AT_HOME = Caller("192.0.2.1")


def world_with_ann() -> World:
    """A world with the account of Ann, whose email is verified and who has logged in at home."""
    world = World()
    world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(ANN),))
    world.log_in(username="ann", password=PASSWORD, caller=AT_HOME)
    world.clock.advance(60)
    return world


def guess_from_strange_networks(world: World, destination: str, attempts: int) -> None:
    """Wrong codes for the destination, five a code, each from another network; advances the clock."""
    for number in range(attempts):
        if number % 5 == 0:
            world.clock.advance(3600)
            request(world, destination)
        caller = Caller(f"198.51.100.{number}")
        assert isinstance(verify(world, destination, wrong(world.code_for(destination)), caller=caller), InvalidCode)
    world.clock.advance(3600)


def test_wrong_codes_of_strangers_do_not_shut_known_networks_out() -> None:
    world = world_with_ann()
    guess_from_strange_networks(world, ANN, 30)

    code = world.send(ANN, caller=AT_HOME)

    assert isinstance(log_in(world, ANN, code, caller=ELSEWHERE), InvalidCode)
    assert isinstance(log_in(world, ANN, code, caller=AT_HOME), TokenSet)


def test_wrong_codes_of_strangers_do_not_shut_the_owner_out_of_a_login_by_mobile() -> None:
    """The companion mail goes to an email whose wrong codes from known networks are counted apart, too."""
    world = world_with_ann()
    guess_from_strange_networks(world, ANN, 30)

    request(world, MOBILE, caller=AT_HOME)

    assert isinstance(log_in(world, MOBILE, world.code_for(ANN), caller=AT_HOME), TokenSet)


def test_known_networks_have_ten_wrong_codes_a_day_together() -> None:
    world = world_with_ann()
    other_home = replace(AT_HOME, ip_address="192.0.2.2")
    world.log_in(username="ann", password=PASSWORD, caller=other_home)
    for home in (AT_HOME, other_home):
        code = world.send(ANN, caller=home)
        for _ in range(5):
            assert isinstance(verify(world, ANN, wrong(code), caller=home), InvalidCode)
        world.clock.advance(60)

    assert isinstance(verify(world, ANN, world.send(ANN, caller=AT_HOME), caller=AT_HOME), InvalidCode)
    assert isinstance(verify(world, ANN, world.send(ANN, caller=ELSEWHERE), caller=ELSEWHERE), IssuedProof)
    world.clock.advance(86_400)
    assert isinstance(verify(world, ANN, world.send(ANN, caller=AT_HOME), caller=AT_HOME), IssuedProof)


def test_codes_asked_for_from_known_and_unknown_networks_do_not_replace_each_other() -> None:
    world = world_with_ann()
    hers = world.send(ANN, caller=AT_HOME)
    world.clock.advance(1)
    strangers = world.send(ANN, caller=ELSEWHERE)
    assert hers != strangers

    assert isinstance(verify(world, ANN, hers, caller=AT_HOME), IssuedProof)
    assert isinstance(verify(world, ANN, strangers, caller=AT_HOME), IssuedProof)


def test_newer_code_of_a_known_network_replaces_its_older_one() -> None:
    world = world_with_ann()
    older = world.send(ANN, caller=AT_HOME)
    world.clock.advance(60)
    world.send(ANN, caller=AT_HOME)

    assert isinstance(verify(world, ANN, older, caller=AT_HOME), InvalidCode)


def test_end_of_wrong_codes_is_recorded_once() -> None:
    world = world_with_ann()

    guess_from_strange_networks(world, ANN, 30)
    verify(world, ANN, "123456", caller=ELSEWHERE)

    assert [event.detail for event in world.events(EventType.RATE_LIMITED)] == ["codes"]
