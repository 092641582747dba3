from dataclasses import replace
from typing import Any

import pytest
from tests.support.world import CALLER, PASSWORD, World, outcome, wrong

from vestibule.application import Caller, InvalidCode, InvalidInput, IssuedProof, RateLimited, RequestedCode, TokenSet
from vestibule.domain.events import EventType
from vestibule.domain.rate_limits import Limits, RateLimit

ANN = "ann@mail.example.com"
EVE = "eve@mail.example.com"
MOBILE = "9999999999"
AT_HOME, ELSEWHERE = Caller("192.0.2.1"), Caller("203.0.113.9")


def verify(world: World, destination: str, code: str, **more: Any) -> Any:
    return outcome(lambda: world.verify_code(destination=destination, verify_otp=code, **more))


def log_in(world: World, destination: str, code: str, **more: Any) -> Any:
    return outcome(lambda: world.log_in_by_code(destination=destination, verify_otp=code, **more))


def request(world: World, destination: str, **more: Any) -> Any:
    return outcome(lambda: world.request_code(destination=destination, **more))


def retry_after(answer: Any) -> int:
    assert isinstance(answer, RateLimited)
    return answer.retry_after


def world_with_ann(**settings: Any) -> World:
    """A world with Ann's account, whose email is verified and who logged in at home yesterday."""
    world = World(**settings)
    world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(ANN),))
    world.log_in(username="ann", password=PASSWORD, caller=AT_HOME)
    world.clock.advance(days=1)
    return world


# --- limits -----------------------------------------------------------------------------------------------------------


def test_one_code_is_sent_per_cooldown() -> None:
    world = World()
    world.send(ANN)
    world.clock.advance(20)

    assert retry_after(request(world, ANN)) == 40

    world.clock.advance(39)
    assert retry_after(request(world, ANN)) == 1
    world.clock.advance(1)
    assert isinstance(request(world, ANN), RequestedCode)


def test_cooldown_is_configurable() -> None:
    world = World(otp_cooldown=7)
    world.send(ANN)

    assert retry_after(request(world, ANN)) == 7


def test_network_gets_three_codes_an_hour_for_one_destination() -> None:
    world = World()
    for _ in range(3):
        assert isinstance(request(world, ANN, caller=CALLER), RequestedCode)
        world.clock.advance(60)

    assert retry_after(request(world, ANN, caller=CALLER)) == 3420
    assert isinstance(request(world, ANN, caller=ELSEWHERE), RequestedCode)
    world.clock.advance(3419)
    assert retry_after(request(world, ANN, caller=CALLER)) == 1
    world.clock.advance(1)
    assert isinstance(request(world, ANN, caller=CALLER), RequestedCode)


def test_network_gets_five_codes_a_day_for_one_destination() -> None:
    world = World()
    for _ in range(5):
        assert isinstance(request(world, ANN, caller=CALLER), RequestedCode)
        world.clock.advance(3600)

    assert retry_after(request(world, ANN, caller=CALLER)) == 86_400 - 5 * 3600


def test_ten_codes_a_day_are_sent_to_one_destination_for_unknown_networks() -> None:
    world = World()
    for number in range(10):
        assert isinstance(request(world, ANN, caller=Caller(f"198.51.100.{number}")), RequestedCode)
        world.clock.advance(3600)

    assert retry_after(request(world, ANN, caller=ELSEWHERE)) == 86_400 - 36_000
    world.clock.advance(86_400 - 36_000)
    assert isinstance(request(world, ANN, caller=ELSEWHERE), RequestedCode)


def test_codes_asked_for_by_strangers_do_not_shut_known_networks_out() -> None:
    world = world_with_ann()
    for number in range(10):
        assert isinstance(request(world, ANN, caller=Caller(f"198.51.100.{number}")), RequestedCode)
        world.clock.advance(3600)
    assert isinstance(request(world, ANN, caller=ELSEWHERE), RateLimited)

    code = world.send(ANN, caller=AT_HOME)

    assert isinstance(log_in(world, ANN, code, caller=AT_HOME), TokenSet)


def test_known_networks_have_a_cooldown_of_their_own() -> None:
    world = world_with_ann()
    request(world, ANN, caller=ELSEWHERE)

    assert isinstance(request(world, ANN, caller=AT_HOME), RequestedCode)

    assert retry_after(request(world, ANN, caller=AT_HOME)) == 60


def test_all_known_networks_together_get_five_codes_a_day_for_one_destination() -> None:
    world = world_with_ann()
    homes = [AT_HOME, Caller("192.0.2.2")]
    world.log_in(username="ann", password=PASSWORD, caller=homes[1])
    for number in range(5):
        assert isinstance(request(world, ANN, caller=homes[number % 2]), RequestedCode)
        world.clock.advance(3600)

    assert [retry_after(request(world, ANN, caller=home)) for home in homes] == [86_400 - 5 * 3600] * 2
    assert isinstance(request(world, ANN, caller=ELSEWHERE), RequestedCode)


def test_unknown_network_gets_30_codes_an_hour_in_all_and_20_to_mobiles() -> None:
    world = World()
    mobiles = [request(world, f"88888888{number:02}", caller=CALLER) for number in range(21)]
    assert [type(answer) for answer in mobiles] == [RequestedCode] * 20 + [RateLimited]
    mails = [request(world, f"person{number}@mail.example.com", caller=CALLER) for number in range(11)]
    assert [type(answer) for answer in mails] == [RequestedCode] * 10 + [RateLimited]

    assert retry_after(mobiles[-1]) == retry_after(mails[-1]) == 3600
    assert isinstance(request(world, "8888888899", caller=ELSEWHERE), RequestedCode)


def test_known_network_gets_a_code_when_its_codes_for_strangers_are_used_up() -> None:
    world = world_with_ann()
    for number in range(31):
        request(world, f"person{number}@mail.example.com", caller=AT_HOME)
    assert isinstance(request(world, EVE, caller=AT_HOME), RateLimited)

    assert isinstance(request(world, ANN, caller=AT_HOME), RequestedCode)


def test_companion_of_a_mobile_counts_for_the_network_as_well() -> None:
    world = World()
    for number in range(15):
        request(world, f"88888888{number:02}", email=f"person{number}@mail.example.com", caller=CALLER)

    assert retry_after(request(world, EVE, caller=CALLER)) == 3600


def test_limits_per_network_can_be_disabled_and_those_per_destination_cannot() -> None:
    world = World(rate_limits=False)
    for number in range(40):
        assert isinstance(request(world, f"person{number}@mail.example.com", caller=CALLER), RequestedCode)

    answers = []
    for _ in range(11):
        answers.append(request(world, ANN, caller=CALLER))
        world.clock.advance(60)

    assert [type(answer) for answer in answers] == [RequestedCode] * 10 + [RateLimited]


def test_limits_are_settings() -> None:
    world = World(limits=Limits(codes_per_destination_from_unknown_networks=(RateLimit(1, 7200.0),)))
    world.send(ANN)
    world.clock.advance(60)

    assert retry_after(request(world, ANN)) == 7140


def test_longest_wait_of_all_limits_is_reported() -> None:
    world = World()
    for number in range(10):
        request(world, ANN, caller=Caller(f"198.51.100.{number}"))
        world.clock.advance(60)
    for number in range(30):
        request(world, f"person{number}@mail.example.com", caller=ELSEWHERE)

    assert retry_after(request(world, EVE, caller=ELSEWHERE)) == 3600
    assert retry_after(request(world, ANN, caller=ELSEWHERE)) == 86_400 - 600


def test_refusal_names_its_policy_and_limit() -> None:
    world = World()
    world.send(ANN)

    refusal = request(world, ANN)

    assert (refusal.policy, refusal.limit) == ("codes", RateLimit(1, 60))


def test_refused_request_changes_nothing_and_keeps_the_code_valid() -> None:
    world = World()
    code = world.send(ANN)
    events = world.events()

    request(world, ANN)

    assert len(world.messages_to(ANN)) == 1
    assert world.events() == events
    assert isinstance(verify(world, ANN, code), IssuedProof)


def test_both_purposes_share_the_limit_of_an_address() -> None:
    world = World()
    world.send(ANN)

    refusal = outcome(lambda: world.request_registration_code(name="Ann", email=ANN, mobile=MOBILE))

    assert retry_after(refusal) == 60
    assert world.messages_to(MOBILE) == []
    assert isinstance(request(world, MOBILE), RequestedCode)


def test_spellings_of_an_address_share_its_limit() -> None:
    world = World()
    world.send(ANN)

    assert retry_after(request(world, "ANN@Mail.EXAMPLE.com")) == 60


def test_address_has_30_failed_attempts_a_day_over_codes_purposes_and_callers() -> None:
    world = World(otp_cooldown=1)
    for number in range(30):
        if number % 5 == 0:
            world.clock.advance(1300)
            if number == 15:
                world.request_registration_code(name="Ann", email=ANN, mobile=MOBILE)
            else:
                world.send(ANN)
        caller = replace(CALLER, ip_address=f"198.51.100.{number}")
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
    assert isinstance(verify(world, ANN, world.send(ANN), caller=ELSEWHERE), IssuedProof)


def test_caller_has_30_failed_attempts_in_five_minutes() -> None:
    world = World()
    code = world.send(ANN)
    for number in range(30):
        assert isinstance(verify(world, f"person{number}@mail.example.com", "123456", caller=CALLER), InvalidCode)
        world.clock.advance(1)

    assert retry_after(verify(world, ANN, code, caller=CALLER)) == 270
    assert retry_after(log_in(world, ANN, code, caller=CALLER)) == 270
    assert isinstance(verify(world, EVE, "123456", caller=ELSEWHERE), InvalidCode)
    world.clock.advance(269)
    assert retry_after(verify(world, ANN, code, caller=CALLER)) == 1
    assert isinstance(verify(world, ANN, code, caller=ELSEWHERE), IssuedProof)
    world.clock.advance(1)
    assert isinstance(verify(world, ANN, code, caller=CALLER), InvalidCode)


def test_attempt_beyond_the_callers_limit_is_not_counted_for_the_code() -> None:
    world = World()
    for number in range(30):
        verify(world, f"person{number}@mail.example.com", "123456", caller=CALLER)
    code = world.send(ANN)
    for _ in range(10):
        assert isinstance(verify(world, ANN, wrong(code), caller=CALLER), RateLimited)

    assert isinstance(verify(world, ANN, code, caller=ELSEWHERE), IssuedProof)


def test_limit_of_failed_attempts_per_caller_can_be_disabled() -> None:
    world = World(rate_limits=False)

    answers = [verify(world, f"person{number}@mail.example.com", "123456", caller=CALLER) for number in range(40)]

    assert {type(answer) for answer in answers} == {InvalidCode}


# --- recipients and decoys --------------------------------------------------------------------------------------------


def test_login_code_for_an_unknown_address_is_a_decoy() -> None:
    world = World()
    world.create_account("ann")

    for destination in (ANN, EVE):
        assert isinstance(request(world, destination, is_login=True), RequestedCode)
        assert retry_after(request(world, destination, is_login=True)) == 60
        assert isinstance(verify(world, destination, "123456"), InvalidCode)
    assert len(world.messages) == 2

    assert len(world.messages_to(ANN)) == 1
    assert world.messages_to(EVE) == []
    assert list(world.messages) == []


def test_decoy_code_is_refused() -> None:
    """Even the code that would be derived for it."""
    world = World()
    world.request_code(destination=EVE, is_login=True)
    [message] = world.messages
    assert message.challenge is not None

    assert isinstance(verify(world, EVE, world.codes.code(*message.challenge)), InvalidCode)


def test_decoy_counts_failed_attempts_like_a_code() -> None:
    world = World()
    world.request_code(destination=EVE, is_login=True)

    for _ in range(7):
        verify(world, EVE, "123456")

    [window] = world.database.rate_limits.get([f"wrong-codes:{world.codes.keyed_digest(world.address(EVE).key)}:others"])
    assert window.hits == 5


def test_message_goes_to_the_spelling_of_the_account() -> None:
    """On a mail server that distinguishes ANN from ann, the other spelling belongs to another person."""
    world = World()
    world.create_account("ann", email="Ann@mail.example.com")

    world.request_code(destination="ANN@MAIL.example.com")
    world.clock.advance(60)
    world.request_registration_code(name="Ann", email="aNN@mail.example.com", mobile=MOBILE)

    assert len(world.messages_to("Ann@mail.example.com")) == 2
    assert len(world.notifier.messages) == 3


def test_sms_goes_to_the_number_without_separators() -> None:
    world = World(default_region="IN")

    world.request_code(destination="98765 43210")

    assert len(world.messages_to("+919876543210")) == 1


def test_message_to_an_unknown_address_goes_to_the_requested_spelling() -> None:
    world = World()

    world.request_code(destination="Ann@MAIL.example.com")

    assert len(world.messages_to("Ann@MAIL.example.com")) == 1


def test_no_outbox_message_holds_a_name_or_a_code() -> None:
    world = World()
    world.request_registration_code(name="Visit evil.example now", email=ANN, mobile=MOBILE)

    stored = repr(world.messages)
    outgoing_messages = [repr(dict(outgoing.values)) for outgoing in (*world.messages_to(ANN), *world.messages_to(MOBILE))]

    assert "evil" not in stored + "".join(outgoing_messages)
    assert world.code_for(ANN) not in stored
    assert len(outgoing_messages) == 2


# --- mobiles and the email of their owner -----------------------------------------------------------------------------


def test_owners_verified_email_gets_a_mail_and_the_given_email_another() -> None:
    world = world_with_ann()
    seen = len(world.messages_to(ANN))

    sent = world.request_code(destination=MOBILE, email=EVE)

    [owners] = world.messages_to(ANN)[seen:]
    assert owners.values["reference"] == sent.reference
    assert len({world.code_for(address) for address in (ANN, EVE, MOBILE)}) == 3


def test_code_in_the_given_email_proves_that_email_and_does_not_log_in() -> None:
    world = world_with_ann()
    account = world.owner(ANN)
    assert account
    world.request_code(destination=MOBILE, email=EVE)
    code = world.code_for(EVE)

    assert isinstance(log_in(world, MOBILE, code), InvalidCode)

    proof = verify(world, MOBILE, code).proof
    assert world.create_account("eve", proofs=(proof,)).email_verified
    assert world.now(account) == account


def test_given_email_that_is_the_owners_gets_one_mail() -> None:
    world = world_with_ann()
    seen = len(world.messages_to(ANN))

    world.request_code(destination=MOBILE, email="ANN@mail.example.com")

    assert len(world.messages_to(ANN)) == seen + 1
    assert isinstance(log_in(world, MOBILE, world.code_for(ANN)), TokenSet)


def test_given_email_never_gets_a_mail_for_a_login() -> None:
    world = world_with_ann()

    world.request_code(destination=MOBILE, email=EVE, is_login=True)

    assert world.messages_to(EVE) == []
    assert isinstance(log_in(world, MOBILE, world.code_for(ANN)), TokenSet)


def test_mail_for_an_unknown_mobile_goes_to_the_given_email() -> None:
    world = World()

    world.request_code(destination=MOBILE, email=EVE)

    assert world.code_for(EVE) != world.code_for(MOBILE)


def test_unknown_mobile_and_one_whose_owners_email_is_unverified_get_the_sms_alone() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE)

    assert isinstance(request(world, "8888888888"), RequestedCode)
    assert isinstance(request(world, MOBILE), RequestedCode)

    assert len(world.messages) == 4, "the mails are decoys"
    assert len(world.messages_to("8888888888")) == len(world.messages_to(MOBILE)) == 1
    assert len(world.notifier.messages) == 2


def test_owner_without_an_email_gets_the_sms_alone() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE)
    world.log_in_with_code(MOBILE)
    world.clock.advance(60)
    seen = len(world.messages_to(MOBILE))

    world.request_code(destination=MOBILE)

    assert len(world.messages_to(MOBILE)) == seen + 1
    assert {message.recipient for message in world.notifier.messages} == {MOBILE, ANN}, "the notice of the dropped email"
    assert world.codes_at(ANN) == []


def test_login_code_for_an_unknown_mobile_sends_neither_sms_nor_mail() -> None:
    world = World()

    assert isinstance(request(world, MOBILE, email=EVE, is_login=True), RequestedCode)

    assert world.messages_to(EVE) == world.messages_to(MOBILE) == []


def test_either_code_logs_in_the_owner_of_a_mobile() -> None:
    for address in (MOBILE, ANN):
        world = World()
        proofs = (world.verify_address(ANN), world.verify_address(MOBILE))
        account = world.create_account("ann", mobile=MOBILE, proofs=proofs)
        world.clock.advance(60)
        world.request_code(destination=MOBILE)

        tokens = log_in(world, MOBILE, world.code_for(address))

        assert world.identity(tokens).account == account
        assert world.events(EventType.LOGGED_IN)[-1].detail == f"code:{world.address(address).kind}"


def test_mailed_code_verifies_the_email_and_not_the_mobile() -> None:
    world = World(email_validation=True, mobile_validation=True)
    world.request_code(destination=MOBILE, email=EVE)

    proof = verify(world, MOBILE, world.code_for(EVE)).proof

    with pytest.raises(InvalidInput) as caught:
        world.create_account("eve", mobile=MOBILE, proofs=(proof,))
    assert {*caught.value.errors} == {"mobile"}


def test_mailed_code_marks_the_owners_email_as_verified_and_not_the_mobile() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    identity = world.log_in_as("ann")
    world.request_code(destination=MOBILE, email=ANN)

    verify(world, MOBILE, world.code_for(ANN), identity=identity)

    assert (world.now(account).email_verified, world.now(account).mobile_verified) == (True, False)


def test_mailed_code_of_a_mobile_request_logs_no_other_account_in() -> None:
    """The code was requested before any account had the mobile."""
    world = World()
    world.request_code(destination=MOBILE, email=EVE)
    code = world.code_for(EVE)
    account = world.create_account("ann", mobile=MOBILE)

    assert isinstance(log_in(world, MOBILE, code), InvalidCode)
    assert world.now(account) == account


def test_mailed_code_to_an_unverified_email_of_the_owner_is_refused() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(MOBILE),))
    world.clock.advance(60)
    world.request_code(destination=MOBILE, email=ANN)

    assert isinstance(log_in(world, MOBILE, world.code_for(ANN)), InvalidCode)
    assert world.now(account) == account
    assert isinstance(log_in(world, MOBILE, world.code_for(MOBILE)), TokenSet)


def test_newer_request_for_a_mobile_replaces_both_codes() -> None:
    world = World()
    world.request_code(destination=MOBILE, email=EVE)
    older = world.code_for(EVE)
    world.clock.advance(60)
    world.request_code(destination=MOBILE)

    assert isinstance(verify(world, MOBILE, older), InvalidCode)
    assert isinstance(verify(world, EVE, older), InvalidCode)


def test_failed_attempt_at_a_mobile_counts_for_both_codes() -> None:
    world = World()
    world.request_code(destination=MOBILE, email=EVE)
    codes = {world.code_for(MOBILE), world.code_for(EVE)}
    guess = next(text for text in ("000000", "000001", "000002") if text not in codes)
    for _ in range(5):
        verify(world, MOBILE, guess)

    assert [type(verify(world, MOBILE, code)) for code in codes] == [InvalidCode] * 2


def test_email_given_with_a_mobile_has_its_own_limit() -> None:
    world = World()
    world.send(EVE)
    world.clock.advance(10)

    assert retry_after(request(world, MOBILE, email=EVE)) == 50
    assert world.messages_to(MOBILE) == []
    world.clock.advance(50)
    assert isinstance(request(world, MOBILE, email=EVE), RequestedCode)
    assert retry_after(request(world, EVE)) == 60


def test_given_email_has_a_cooldown_whether_or_not_the_mobile_has_an_owner() -> None:
    for owned in (True, False):
        world = World()
        if owned:
            world.create_account("ann", mobile=MOBILE)
        world.request_code(destination=MOBILE, email=EVE)

        assert retry_after(request(world, EVE)) == 60


def test_owner_whose_email_is_over_its_limit_silently_gets_a_decoy() -> None:
    world = world_with_ann()
    seen = len(world.messages_to(ANN))
    for number in range(1, 6):
        world.request_code(destination=MOBILE, caller=Caller(f"198.51.100.{number}"))
        assert len(world.messages_to(ANN)) == seen + number, "five companion mails a day"
        world.clock.advance(60)

    assert isinstance(request(world, MOBILE, caller=ELSEWHERE), RequestedCode)

    assert len(world.messages_to(MOBILE)) == 6
    assert len(world.messages_to(ANN)) == seen + 5
    assert isinstance(request(world, ANN, caller=ELSEWHERE), RequestedCode)
    assert len(world.messages_to(ANN)) == seen + 6


def test_earlier_code_of_an_owner_who_got_a_decoy_stays_valid() -> None:
    """The decoy does not replace it, because no newer code reached the owner."""
    world = world_with_ann()
    for _ in range(5):
        world.clock.advance(60)
        world.request_code(destination=MOBILE)
    code = world.code_for(ANN)
    world.clock.advance(60)

    world.request_code(destination=MOBILE)

    assert world.code_for(ANN) == code
    assert isinstance(log_in(world, MOBILE, code), TokenSet)


def test_companion_mails_count_for_the_email_without_429() -> None:
    """A 429 would reveal the email of the mobile's owner."""
    world = world_with_ann(otp_cooldown=600)
    world.clock.advance(600)
    world.request_code(destination=MOBILE)
    code = world.code_for(ANN)
    seen = len(world.messages_to(ANN))

    assert isinstance(request(world, ANN, is_login=True), RequestedCode)

    assert len(world.messages_to(ANN)) == seen + 1
    assert isinstance(log_in(world, ANN, world.code_for(ANN)), TokenSet)
    assert isinstance(log_in(world, MOBILE, code), InvalidCode), "a newer code replaced it"


def test_requests_by_mobile_leave_half_of_the_owners_mails_to_requests_by_email() -> None:
    world = world_with_ann()
    seen = len(world.messages_to(ANN))
    for destination, mails in ((MOBILE, 5), (ANN, 10)):
        for _ in range(30):
            request(world, destination)
            world.messages_to(destination)
            world.clock.advance(60)
        assert len(world.messages_to(ANN)) == seen + mails


def test_strangers_who_ask_for_the_mobile_do_not_stop_the_owners_mails() -> None:
    world = world_with_ann()
    world.verify_address(MOBILE, world.log_in_as("ann"))
    world.clock.advance(days=1)
    for number in range(10):
        request(world, MOBILE, caller=Caller(f"198.51.100.{number}"))
        world.clock.advance(60)
    assert isinstance(request(world, MOBILE, caller=ELSEWHERE), RateLimited)
    seen = len(world.messages_to(ANN))

    assert isinstance(request(world, MOBILE, caller=AT_HOME), RequestedCode)

    assert len(world.messages_to(ANN)) == seen + 1
    assert isinstance(log_in(world, MOBILE, world.code_for(ANN), caller=AT_HOME), TokenSet)
