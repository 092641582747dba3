from dataclasses import replace
from typing import Any

import pytest
from tests.support.world import OTHER_PASSWORD, PASSWORD, SOMEWHERE, World, outcome, together, wrong

from vestibule.application import CodeSent, CodeVerified, InvalidCode, InvalidInput, RateLimited, TokenSet
from vestibule.domain.events import EventType

ANN = "ann@mail.example.com"
EVE = "eve@mail.example.com"
MOBILE = "9999999999"
ELSEWHERE = replace(SOMEWHERE, address="203.0.113.9")


def verify(world: World, destination: str, code: str, **more: Any) -> Any:
    return outcome(lambda: world.verify_code(destination=destination, verify_otp=code, **more))


def log_in(world: World, destination: str, code: str, **more: Any) -> Any:
    return outcome(lambda: world.log_in_by_code(destination=destination, verify_otp=code, **more))


def request(world: World, destination: str, **more: Any) -> Any:
    return outcome(lambda: world.request_code(destination=destination, **more))


def waits(answer: Any) -> int:
    assert isinstance(answer, RateLimited)
    return answer.retry_after


# --- the life of a code -----------------------------------------------------------------------------------------------


def test_a_code_has_six_digits_and_its_letter_repeats_the_reference() -> None:
    world = World()

    sent = world.request_code(destination=ANN)

    [letter] = world.messages_to(ANN)
    assert letter.values["reference"] == sent.reference
    assert len(letter.values["code"]) == 6
    assert letter.values["code"].isdigit()
    assert letter.values["minutes"] == "5"


def test_a_code_may_have_another_length() -> None:
    world = World(otp_length=10)

    assert isinstance(verify(world, ANN, world.send(ANN)), CodeVerified)
    assert len(world.code_for(ANN)) == 10


@pytest.mark.parametrize(("after", "right"), [(299, True), (300, False)])
def test_a_code_lives_five_minutes_to_the_second(after: int, right: bool) -> None:
    world = World()
    code = world.send(ANN)

    world.clock.advance(after)

    assert isinstance(verify(world, ANN, code), CodeVerified) is right


def test_a_spent_code_is_never_right_again() -> None:
    world = World()
    code = world.send(ANN)

    assert isinstance(verify(world, ANN, code), CodeVerified)
    assert isinstance(verify(world, ANN, code), InvalidCode)
    assert isinstance(log_in(world, ANN, code), InvalidCode)


@pytest.mark.parametrize(("misses", "right"), [(4, True), (5, False)])
def test_a_code_takes_five_wrong_guesses(misses: int, right: bool) -> None:
    world = World()
    code = world.send(ANN)

    for _ in range(misses):
        assert isinstance(verify(world, ANN, wrong(code)), InvalidCode)

    assert isinstance(verify(world, ANN, code), CodeVerified) is right


def test_a_newer_code_replaces_an_older_one() -> None:
    world = World()
    older = world.send(ANN)
    world.clock.advance(60)
    newer = world.send(ANN)

    assert isinstance(verify(world, ANN, older), InvalidCode)
    assert isinstance(verify(world, ANN, newer), CodeVerified)


def test_a_newer_code_takes_five_guesses_of_its_own() -> None:
    world = World()
    for _ in range(5):
        verify(world, ANN, wrong(world.send(ANN) if not world.messages_to(ANN) else world.code_for(ANN)))
    world.clock.advance(60)

    assert isinstance(verify(world, ANN, world.send(ANN)), CodeVerified)


def test_a_code_of_register_or_login_serves_only_there_and_the_other_way_round() -> None:
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


def test_a_code_is_right_with_spaces_around_it_and_in_ascii_digits_only() -> None:
    world = World()
    code = world.send(ANN)

    assert isinstance(verify(world, ANN, code.translate({48 + n: 0x0660 + n for n in range(10)})), InvalidCode)
    assert isinstance(verify(world, ANN, f" {code}\n"), CodeVerified)


def test_every_failure_to_verify_is_the_same_refusal() -> None:
    world = World()
    never_sent = verify(world, EVE, "123456")
    code = world.send(ANN)
    missed = verify(world, ANN, wrong(code))
    for _ in range(4):
        verify(world, ANN, wrong(code))
    exhausted = verify(world, ANN, code)
    world.clock.advance(300)
    expired = verify(world, ANN, code)

    seen = {(type(one), one.detail) for one in (never_sent, missed, exhausted, expired)}

    assert seen == {(InvalidCode, InvalidCode.title)}


def test_missing_and_bad_fields_are_named_and_no_guess_is_counted() -> None:
    world = World()
    for call in (world.verify_code, world.log_in_by_code):
        with pytest.raises(InvalidInput) as caught:
            call(destination="nobody@", verify_otp=" ")
        assert {*caught.value.errors} == {"destination", "verify_otp"}
    assert world.events() == []


def test_a_request_names_every_bad_field() -> None:
    world = World()

    with pytest.raises(InvalidInput) as caught:
        world.request_code(destination="12", email="nobody", is_login="yes")  # type: ignore[arg-type]  # Python callers may be wrong

    assert {*caught.value.errors} == {"destination", "email", "is_login"}
    assert world.messages == ()


@pytest.mark.parametrize("nothing", [None, ""])
def test_optional_fields_may_be_nothing(nothing: Any) -> None:
    assert isinstance(request(World(), MOBILE, email=nothing, is_login=None), CodeSent)


def test_of_two_uses_of_one_code_at_once_one_succeeds() -> None:
    world = World()
    world.create_account("ann")
    code = world.send(ANN)

    answers = together([lambda: world.log_in_by_code(destination=ANN, verify_otp=code) for _ in range(8)])

    assert [type(one) for one in answers].count(TokenSet) == 1
    assert [type(one) for one in answers].count(InvalidCode) == 7


def test_of_20_wrong_guesses_at_once_no_more_than_five_are_compared() -> None:
    world = World()
    code = world.send(ANN)

    answers = together([lambda: world.verify_code(destination=ANN, verify_otp=wrong(code)) for _ in range(20)])

    assert {type(one) for one in answers} == {InvalidCode}
    [key] = wrong_code_keys(world, ANN)
    assert len(world.database.rate_limits.get([key])[0].timestamps) == 5
    assert isinstance(verify(world, ANN, code), InvalidCode)


def wrong_code_keys(world: World, *destinations: str) -> list[str]:
    addresses = [world.address(destination) for destination in destinations]
    return [f"wrong-codes:{world.codes.keyed_digest(f'{one.kind}:{one.canonical}')}" for one in addresses]


# --- budgets ----------------------------------------------------------------------------------------------------------


def test_one_send_in_the_cooldown_and_at_its_end_another() -> None:
    world = World()
    world.send(ANN)
    world.clock.advance(20)

    assert waits(request(world, ANN)) == 40

    world.clock.advance(39)
    assert waits(request(world, ANN)) == 1
    world.clock.advance(1)
    assert isinstance(request(world, ANN), CodeSent)


def test_the_cooldown_can_be_set() -> None:
    world = World(otp_cooldown=7)
    world.send(ANN)

    assert waits(request(world, ANN)) == 7


def test_five_sends_an_hour() -> None:
    world = World()
    for _ in range(5):
        world.send(ANN)
        world.clock.advance(60)

    assert waits(request(world, ANN)) == 3300
    world.clock.advance(3299)
    assert waits(request(world, ANN)) == 1
    world.clock.advance(1)
    assert isinstance(request(world, ANN), CodeSent)


def test_ten_sends_a_day() -> None:
    world = World()
    for _ in range(10):
        world.send(ANN)
        world.clock.advance(3600)

    assert waits(request(world, ANN)) == 86_400 - 36_000
    world.clock.advance(86_400 - 36_000)
    assert isinstance(request(world, ANN), CodeSent)


def test_a_refused_send_sends_nothing_changes_nothing_and_leaves_the_code_good() -> None:
    world = World()
    code = world.send(ANN)
    events = world.events()

    request(world, ANN)

    assert len(world.messages_to(ANN)) == 1
    assert world.events() == events
    assert isinstance(verify(world, ANN, code), CodeVerified)


def test_both_flows_share_the_budget_of_an_address() -> None:
    world = World()
    world.send(ANN)

    refusal = outcome(lambda: world.request_registration_code(name="Ann", email=ANN, mobile=MOBILE))

    assert waits(refusal) == 60
    assert world.messages_to(MOBILE) == []
    assert isinstance(request(world, MOBILE), CodeSent)


def test_spellings_of_an_address_share_its_budget() -> None:
    world = World()
    world.send(ANN)

    assert waits(request(world, "ANN@Mail.EXAMPLE.com")) == 60


def test_a_day_takes_30_wrong_guesses_across_codes_flows_and_callers() -> None:
    world = World(otp_cooldown=1)
    for number in range(30):
        if number % 5 == 0:
            world.clock.advance(1300)
            if number == 15:
                world.request_registration_code(name="Ann", email=ANN, mobile=MOBILE)
            else:
                world.send(ANN)
        caller = replace(SOMEWHERE, address=f"198.51.100.{number}")
        if 15 <= number < 20:
            refusal = outcome(
                lambda: world.register_or_log_in(
                    name="Ann",
                    email=ANN,
                    mobile="8888888888",
                    verify_otp=wrong(world.code_for(ANN)),
                    caller=caller,  # noqa: B023
                )
            )
        else:
            refusal = verify(world, ANN, wrong(world.code_for(ANN)), caller=caller)
        assert isinstance(refusal, InvalidCode)
    world.clock.advance(1300)

    assert isinstance(verify(world, ANN, world.send(ANN), caller=ELSEWHERE), InvalidCode)

    world.clock.advance(86_400 - 6 * 1300)
    assert isinstance(verify(world, ANN, world.send(ANN), caller=ELSEWHERE), CodeVerified)


def test_an_address_takes_30_wrong_codes_in_five_minutes_from_one_caller_and_then_says_when() -> None:
    world = World()
    code = world.send(ANN)
    for number in range(30):
        assert isinstance(verify(world, f"person{number}@mail.example.com", "123456", caller=SOMEWHERE), InvalidCode)
        world.clock.advance(1)

    assert waits(verify(world, ANN, code, caller=SOMEWHERE)) == 270
    assert waits(log_in(world, ANN, code, caller=SOMEWHERE)) == 270
    assert isinstance(verify(world, EVE, "123456", caller=ELSEWHERE), InvalidCode)
    world.clock.advance(269)
    assert waits(verify(world, ANN, code, caller=SOMEWHERE)) == 1
    assert isinstance(verify(world, ANN, code, caller=ELSEWHERE), CodeVerified)
    world.clock.advance(1)
    assert isinstance(verify(world, ANN, code, caller=SOMEWHERE), InvalidCode)


def test_a_guess_that_the_caller_may_not_make_costs_the_code_nothing() -> None:
    world = World()
    for number in range(30):
        verify(world, f"person{number}@mail.example.com", "123456", caller=SOMEWHERE)
    code = world.send(ANN)
    for _ in range(10):
        assert isinstance(verify(world, ANN, wrong(code), caller=SOMEWHERE), RateLimited)

    assert isinstance(verify(world, ANN, code, caller=ELSEWHERE), CodeVerified)


def test_the_limit_of_wrong_codes_per_caller_can_be_lifted() -> None:
    world = World(rate_limits=False)

    answers = [verify(world, f"person{number}@mail.example.com", "123456", caller=SOMEWHERE) for number in range(40)]

    assert {type(one) for one in answers} == {InvalidCode}


# --- who gets a message, and who learns of it -------------------------------------------------------------------------


def test_a_login_code_for_a_stranger_is_not_sent_and_everything_else_is_the_same() -> None:
    world = World()
    world.create_account("ann")

    for destination in (ANN, EVE):
        assert isinstance(request(world, destination, is_login=True), CodeSent)
        assert waits(request(world, destination, is_login=True)) == 60
        assert isinstance(verify(world, destination, "123456"), InvalidCode)
    assert len(world.messages) == 2

    assert len(world.messages_to(ANN)) == 1
    assert world.messages_to(EVE) == []
    assert list(world.messages) == []


def test_a_decoy_is_never_right() -> None:
    """Not even for who could work out the code that was never sent."""
    world = World()
    world.request_code(destination=EVE, is_login=True)
    [message] = world.messages
    assert message.challenge is not None

    assert isinstance(verify(world, EVE, world.codes.code(*message.challenge)), InvalidCode)


def test_a_decoy_takes_guesses_like_a_code() -> None:
    world = World()
    world.request_code(destination=EVE, is_login=True)

    for _ in range(7):
        verify(world, EVE, "123456")

    [key] = wrong_code_keys(world, EVE)
    assert len(world.database.rate_limits.get([key])[0].timestamps) == 5


def test_a_message_goes_to_the_spelling_that_the_account_has() -> None:
    """On a server that tells ANN from ann, the one who typed it in capitals is somebody else."""
    world = World()
    world.create_account("ann", email="Ann@mail.example.com")

    world.request_code(destination="ANN@MAIL.example.com")
    world.clock.advance(60)
    world.request_registration_code(name="Ann", email="aNN@mail.example.com", mobile=MOBILE)

    assert len(world.messages_to("Ann@mail.example.com")) == 2
    assert len(world.notifier.messages) == 3


def test_an_sms_goes_to_the_number_without_its_separators() -> None:
    world = World(default_region="IN")

    world.request_code(destination="98765 43210")

    assert len(world.messages_to("+919876543210")) == 1


def test_a_message_to_nobodys_address_goes_to_the_spelling_that_was_asked_for() -> None:
    world = World()

    world.request_code(destination="Ann@MAIL.example.com")

    assert len(world.messages_to("Ann@MAIL.example.com")) == 1


def test_no_message_and_no_outbox_row_holds_a_name_or_a_code() -> None:
    world = World()
    world.request_registration_code(name="Visit evil.example now", email=ANN, mobile=MOBILE)

    stored = repr(world.messages)
    letters = [repr(dict(letter.values)) for letter in (*world.messages_to(ANN), *world.messages_to(MOBILE))]

    assert "evil" not in stored + "".join(letters)
    assert world.code_for(ANN) not in stored
    assert len(letters) == 2


# --- a mobile, and the mail beside it ---------------------------------------------------------------------------------


def test_for_a_mobile_the_mail_goes_to_its_owners_email_whatever_email_was_given() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE)

    sent = world.request_code(destination=MOBILE, email=EVE)

    assert world.messages_to(EVE) == []
    assert [letter.values["reference"] for letter in world.messages_to(ANN)] == [sent.reference]
    assert world.code_for(ANN) != world.code_for(MOBILE)


def test_for_a_mobile_that_nobody_owns_the_mail_goes_to_the_email_given() -> None:
    world = World()

    world.request_code(destination=MOBILE, email=EVE)

    assert world.code_for(EVE) != world.code_for(MOBILE)


def test_without_an_email_and_an_owner_only_the_sms_goes_out_and_the_answer_is_the_same() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE)

    assert isinstance(request(world, "8888888888"), CodeSent)
    assert isinstance(request(world, MOBILE), CodeSent)

    assert len(world.messages) == 4
    assert len(world.messages_to("8888888888")) == 1
    assert len(world.notifier.messages) == 3


def test_an_owner_without_an_email_gets_no_mail_anywhere_else() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE)
    world.log_in_with_code(MOBILE)
    world.clock.advance(60)
    seen = len(world.notifier.messages)

    world.request_code(destination=MOBILE, email=EVE)

    assert world.messages_to(EVE) == []
    assert len(world.notifier.messages) == seen + 1


def test_a_mobile_login_for_a_stranger_sends_neither_sms_nor_mail() -> None:
    world = World()

    assert isinstance(request(world, MOBILE, email=EVE, is_login=True), CodeSent)

    assert world.messages_to(EVE) == world.messages_to(MOBILE) == []


def test_either_code_logs_the_owner_of_a_mobile_in() -> None:
    for address in (MOBILE, ANN):
        world = World()
        account = world.create_account("ann", mobile=MOBILE)
        world.request_code(destination=MOBILE)

        tokens = world.log_in_by_code(destination=MOBILE, verify_otp=world.code_for(address))

        entered = world.identity(tokens).account
        assert entered.id == account.id
        assert [one.text for one in entered.addresses] == [address]
        assert (entered.email_verified, entered.mobile_verified) == (address == ANN, address == MOBILE)


def test_the_code_in_the_mail_proves_that_email_and_never_the_mobile() -> None:
    world = World(email_validation=True, mobile_validation=True)
    world.request_code(destination=MOBILE, email=EVE)

    proof = verify(world, MOBILE, world.code_for(EVE)).proof

    with pytest.raises(InvalidInput) as caught:
        world.create_account("eve", mobile=MOBILE, proofs=(proof,))
    assert {*caught.value.errors} == {"mobile"}


def test_the_code_in_the_mail_marks_the_owners_email_proven_and_not_the_mobile() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    world.request_code(destination=MOBILE)

    verify(world, MOBILE, world.code_for(ANN))

    assert (world.now(account).email_verified, world.now(account).mobile_verified) == (True, False)


def test_the_mail_beside_a_mobile_opens_nothing_for_who_is_not_its_owner() -> None:
    """Eve asked for the code before the mobile was anybody's."""
    world = World()
    world.request_code(destination=MOBILE, email=EVE)
    code = world.code_for(EVE)
    account = world.create_account("ann", mobile=MOBILE)

    assert isinstance(log_in(world, MOBILE, code), InvalidCode)
    assert world.now(account) == account


def test_an_unproven_email_beside_a_proven_mobile_gets_a_code_that_logs_nobody_in() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(MOBILE),))
    world.clock.advance(60)
    world.request_code(destination=MOBILE)

    assert isinstance(log_in(world, MOBILE, world.code_for(ANN)), InvalidCode)
    assert world.now(account) == account
    assert isinstance(log_in(world, MOBILE, world.code_for(MOBILE)), TokenSet)


def test_a_newer_send_to_a_mobile_replaces_both_codes_wherever_the_mail_went() -> None:
    world = World()
    world.request_code(destination=MOBILE, email=EVE)
    older = world.code_for(EVE)
    world.clock.advance(60)
    world.request_code(destination=MOBILE)

    assert isinstance(verify(world, MOBILE, older), InvalidCode)
    assert isinstance(verify(world, EVE, older), InvalidCode)


def test_a_wrong_guess_at_a_mobile_counts_at_both_codes() -> None:
    world = World()
    world.request_code(destination=MOBILE, email=EVE)
    codes = {world.code_for(MOBILE), world.code_for(EVE)}
    guess = next(text for text in ("000000", "000001", "000002") if text not in codes)
    for _ in range(5):
        verify(world, MOBILE, guess)

    assert [type(verify(world, MOBILE, code)) for code in codes] == [InvalidCode] * 2


def test_the_email_beside_a_mobile_has_its_own_budget_and_is_refused_beyond_it() -> None:
    world = World()
    world.send(EVE)
    world.clock.advance(10)

    assert waits(request(world, MOBILE, email=EVE)) == 50
    assert world.messages_to(MOBILE) == []
    world.clock.advance(50)
    assert isinstance(request(world, MOBILE, email=EVE), CodeSent)
    assert waits(request(world, EVE)) == 60


def test_the_email_given_cools_down_alike_whether_or_not_the_mobile_has_an_owner() -> None:
    for owned in (True, False):
        world = World()
        if owned:
            world.create_account("ann", mobile=MOBILE)
        world.request_code(destination=MOBILE, email=EVE)

        assert waits(request(world, EVE)) == 60


def test_an_owner_whose_email_has_had_its_share_is_passed_over_in_silence() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE)
    world.send(ANN)
    world.clock.advance(1)

    assert isinstance(request(world, MOBILE), CodeSent)

    assert len(world.messages_to(MOBILE)) == 1
    assert len(world.messages_to(ANN)) == 1
    world.clock.advance(59)
    assert isinstance(request(world, ANN), CodeSent)


def test_the_code_of_an_owner_who_was_passed_over_stays_good() -> None:
    """No newer one reached them that could have replaced it."""
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    code = world.send(ANN)
    world.clock.advance(1)

    world.request_code(destination=MOBILE)

    assert isinstance(log_in(world, MOBILE, code), InvalidCode)
    assert world.identity(log_in(world, ANN, code)).account.id == account.id


def test_mails_to_an_owner_count_in_the_budget_of_their_email_in_silence() -> None:
    """A 429 would tell whose email stands behind the mobile that was asked for just before."""
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    world.request_code(destination=MOBILE)
    code = world.code_for(ANN)

    assert isinstance(request(world, ANN), CodeSent)

    assert len(world.messages_to(ANN)) == 1
    assert world.identity(log_in(world, ANN, code)).account.id == account.id
    world.clock.advance(60)
    assert isinstance(request(world, ANN), CodeSent)
    assert len(world.messages_to(ANN)) == 2


def test_no_more_mail_reaches_an_owner_by_their_mobile_and_their_email_together_than_by_one() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE)
    for _ in range(60):
        for destination in (MOBILE, ANN):
            request(world, destination)
            world.messages_to(destination)
        world.clock.advance(60)

    assert len(world.messages_to(ANN)) == 5


# --- what a proof does to an account ----------------------------------------------------------------------------------


def test_a_login_by_code_enters_a_settled_account_as_it_is() -> None:
    world = World()
    account = world.create_account("ann", proofs=(world.verify_address(ANN),))
    tokens = world.log_in(username="ann", password=PASSWORD)

    again = world.log_in_with_code(ANN)

    assert world.now(account) == account
    assert again.session != tokens.session
    assert world.is_signed_in(again)
    assert world.events(EventType.ACCOUNT_CLAIMED) == []


def test_a_login_by_code_into_an_unproven_account_clears_what_an_impostor_may_have_put_there() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    impostor = world.log_in(username="ann", password=PASSWORD)

    tokens = world.log_in_with_code(ANN)

    after = world.now(account)
    assert (after.password_hash, after.mobile) == (None, None)
    assert (after.email_verified, after.owner_verified) == (True, True)
    assert not world.is_signed_in(impostor)
    assert not world.can_log_in("ann")
    assert world.identity(tokens).account == after
    assert [event.account_id for event in world.events(EventType.ACCOUNT_CLAIMED)] == [account.id]


def test_taking_an_account_over_ends_its_open_codes() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE)
    code = world.send(MOBILE)
    world.clock.advance(61)
    world.log_in_with_code(ANN)

    assert isinstance(verify(world, MOBILE, code), InvalidCode)


def test_a_second_login_by_code_clears_nothing_more() -> None:
    world = World()
    world.create_account("ann")
    first = world.log_in_with_code(ANN)

    world.log_in_with_code(ANN)

    assert world.is_signed_in(world.refresh(refresh=first.refresh_token))


def test_an_address_proven_by_the_holder_of_a_session_leaves_all_as_it_is() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    tokens = world.log_in(username="ann", password=PASSWORD)

    world.verify_address(ANN, world.identity(tokens))

    assert world.now(account) == replace(account, email_verified=True, owner_verified=True)
    world.log_in_with_code(ANN)
    assert world.is_signed_in(world.refresh(refresh=tokens.refresh_token))
    assert world.can_log_in("ann")
    [event] = world.events(EventType.ADDRESS_VERIFIED)
    assert (event.account_id, event.detail) == (account.id, "email")


def test_an_address_proven_without_a_login_is_cleared_round_at_the_first_login_by_code() -> None:
    world = World()
    account = world.create_account("ann")
    impostor = world.log_in(username="ann", password=PASSWORD)
    world.verify_address(ANN)
    assert world.now(account) == replace(account, email_verified=True)
    assert world.is_signed_in(world.refresh(refresh=impostor.refresh_token))
    assert world.can_log_in("ann")

    world.log_in_with_code(ANN)

    assert not world.can_log_in("ann")
    assert not world.is_signed_in(impostor)


def test_a_password_changed_after_somebody_else_proved_the_address_is_cleared_too() -> None:
    world = World()
    world.create_account("ann")
    impostor = world.log_in(username="ann", password=PASSWORD)
    world.verify_address(ANN)
    world.change_account(identity=world.identity(world.refresh(refresh=impostor.refresh_token)), password=OTHER_PASSWORD)

    world.log_in_with_code(ANN)

    assert not world.can_log_in("ann", OTHER_PASSWORD)


def test_the_login_of_another_account_proves_like_no_login() -> None:
    world = World()
    account = world.create_account("ann")
    world.create_account("eve")

    world.verify_address(ANN, world.sign_in("eve"))

    assert world.now(account) == replace(account, email_verified=True, owner_verified=False)


def test_a_login_that_has_ended_meanwhile_proves_like_no_login() -> None:
    world = World()
    account = world.create_account("ann")
    identity = world.sign_in("ann")
    with world.database.begin() as tx:
        tx.sessions.end_all(account.id, world.clock())

    world.verify_address(ANN, identity)

    assert not world.now(account).owner_verified


def test_an_unproven_address_beside_a_proven_one_logs_nobody_in() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(MOBILE),))
    world.clock.advance(61)

    assert isinstance(log_in(world, ANN, world.send(ANN)), InvalidCode)
    assert world.now(account) == account


def test_a_bare_verification_beside_a_proven_address_does_not_open_the_account() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(MOBILE),))

    assert world.verify_address(ANN)

    assert world.now(account) == account
    world.clock.advance(61)
    assert isinstance(log_in(world, ANN, world.send(ANN)), InvalidCode)


def test_the_holder_of_a_session_proves_a_second_address() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(MOBILE),))

    world.verify_address(ANN, world.sign_in("ann"))

    assert world.now(account) == replace(account, email_verified=True)
    assert world.is_signed_in(world.log_in_with_code(ANN))


def test_a_right_code_that_opens_nothing_counts_as_a_wrong_guess() -> None:
    world = World()
    code = world.send(ANN)

    for _ in range(5):
        assert isinstance(log_in(world, ANN, code), InvalidCode)

    assert isinstance(verify(world, ANN, code), InvalidCode)
    assert len(world.events(EventType.CODE_REFUSED)) == 6


def test_a_code_lets_nobody_into_an_inactive_account() -> None:
    world = World()
    account = world.alter(world.create_account("ann"), is_active=False)

    assert isinstance(log_in(world, ANN, world.send(ANN)), InvalidCode)
    assert world.now(account) == account


def test_what_happens_to_codes_stands_in_the_journal() -> None:
    world = World()
    world.create_account("ann")
    world.request_code(destination=ANN, caller=SOMEWHERE)
    log_in(world, ANN, wrong(world.code_for(ANN)), caller=SOMEWHERE)
    log_in(world, ANN, world.code_for(ANN), caller=SOMEWHERE)

    happened = [event.type for event in world.events() if event.caller == SOMEWHERE]

    assert happened == [
        EventType.CODE_SENT,
        EventType.CODE_REFUSED,
        EventType.ACCOUNT_CLAIMED,
        EventType.ADDRESS_VERIFIED,
        EventType.LOGGED_IN,
    ]
    assert world.events(EventType.LOGGED_IN)[0].detail == "code:email"


def test_the_code_that_a_passed_over_email_had_last_stays_good() -> None:
    world = World(otp_cooldown=1)
    account = world.create_account("bertha", email="bertha@mail.example.com", mobile="7777777777")
    assert account.email is not None
    world.send("bertha@mail.example.com")
    for _ in range(4):
        world.clock.advance(2)
        world.request_code(destination="7777777777")
    last = world.code_for("bertha@mail.example.com")
    world.clock.advance(2)
    world.request_code(destination="7777777777")
    assert world.code_for("bertha@mail.example.com") == last, "five an hour: the sixth is passed over"

    assert world.verify_code(destination="bertha@mail.example.com", verify_otp=last).proof
