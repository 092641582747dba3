from dataclasses import replace
from typing import Any

import pytest
from tests.support.world import CALLER, World, outcome, wrong

from vestibule.application import InvalidCode, InvalidInput, IssuedProof, RateLimited, RequestedCode, TokenSet

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


def retry_after(answer: Any) -> int:
    assert isinstance(answer, RateLimited)
    return answer.retry_after


def wrong_code_keys(world: World, *destinations: str) -> list[str]:
    addresses = [world.address(destination) for destination in destinations]
    return [f"wrong-codes:{world.codes.keyed_digest(f'{address.kind}:{address.canonical}')}" for address in addresses]


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


def test_five_codes_are_sent_an_hour() -> None:
    world = World()
    for _ in range(5):
        world.send(ANN)
        world.clock.advance(60)

    assert retry_after(request(world, ANN)) == 3300
    world.clock.advance(3299)
    assert retry_after(request(world, ANN)) == 1
    world.clock.advance(1)
    assert isinstance(request(world, ANN), RequestedCode)


def test_ten_codes_are_sent_a_day() -> None:
    world = World()
    for _ in range(10):
        world.send(ANN)
        world.clock.advance(3600)

    assert retry_after(request(world, ANN)) == 86_400 - 36_000
    world.clock.advance(86_400 - 36_000)
    assert isinstance(request(world, ANN), RequestedCode)


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

    [key] = wrong_code_keys(world, EVE)
    assert len(world.database.rate_limits.get([key])[0].timestamps) == 5


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


def test_mail_for_a_mobile_goes_to_its_owners_email_whatever_was_given() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE)

    sent = world.request_code(destination=MOBILE, email=EVE)

    assert world.messages_to(EVE) == []
    assert [outgoing.values["reference"] for outgoing in world.messages_to(ANN)] == [sent.reference]
    assert world.code_for(ANN) != world.code_for(MOBILE)


def test_mail_for_an_unknown_mobile_goes_to_the_given_email() -> None:
    world = World()

    world.request_code(destination=MOBILE, email=EVE)

    assert world.code_for(EVE) != world.code_for(MOBILE)


def test_unknown_mobile_without_an_email_gets_the_sms_alone() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE)

    assert isinstance(request(world, "8888888888"), RequestedCode)
    assert isinstance(request(world, MOBILE), RequestedCode)

    assert len(world.messages) == 4
    assert len(world.messages_to("8888888888")) == 1
    assert len(world.notifier.messages) == 3


def test_owner_without_an_email_gets_no_mail() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE)
    world.log_in_with_code(MOBILE)
    world.clock.advance(60)
    seen = len(world.notifier.messages)

    world.request_code(destination=MOBILE, email=EVE)

    assert world.messages_to(EVE) == []
    assert len(world.notifier.messages) == seen + 1


def test_login_code_for_an_unknown_mobile_sends_neither_sms_nor_mail() -> None:
    world = World()

    assert isinstance(request(world, MOBILE, email=EVE, is_login=True), RequestedCode)

    assert world.messages_to(EVE) == world.messages_to(MOBILE) == []


def test_either_code_logs_in_the_owner_of_a_mobile() -> None:
    for address in (MOBILE, ANN):
        world = World()
        account = world.create_account("ann", mobile=MOBILE)
        world.request_code(destination=MOBILE)

        tokens = world.log_in_by_code(destination=MOBILE, verify_otp=world.code_for(address))

        claimed = world.identity(tokens).account
        assert claimed.id == account.id
        assert [verified.text for verified in claimed.addresses] == [address]
        assert (claimed.email_verified, claimed.mobile_verified) == (address == ANN, address == MOBILE)


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
    world.request_code(destination=MOBILE)

    verify(world, MOBILE, world.code_for(ANN))

    assert (world.now(account).email_verified, world.now(account).mobile_verified) == (True, False)


def test_mailed_code_of_a_mobile_request_logs_no_other_account_in() -> None:
    """Eve requested the code before any account had the mobile."""
    world = World()
    world.request_code(destination=MOBILE, email=EVE)
    code = world.code_for(EVE)
    account = world.create_account("ann", mobile=MOBILE)

    assert isinstance(log_in(world, MOBILE, code), InvalidCode)
    assert world.now(account) == account


def test_code_to_an_unverified_email_next_to_a_verified_mobile_is_refused() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(MOBILE),))
    world.clock.advance(60)
    world.request_code(destination=MOBILE)

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
    world = World()
    world.create_account("ann", mobile=MOBILE)
    world.send(ANN)
    world.clock.advance(1)

    assert isinstance(request(world, MOBILE), RequestedCode)

    assert len(world.messages_to(MOBILE)) == 1
    assert len(world.messages_to(ANN)) == 1
    world.clock.advance(59)
    assert isinstance(request(world, ANN), RequestedCode)


def test_earlier_code_of_an_owner_who_got_a_decoy_stays_valid() -> None:
    """The decoy does not replace it, because no newer code reached the owner."""
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    code = world.send(ANN)
    world.clock.advance(1)

    world.request_code(destination=MOBILE)

    assert isinstance(log_in(world, MOBILE, code), InvalidCode)
    assert world.identity(log_in(world, ANN, code)).account.id == account.id


def test_companion_mails_count_for_the_email_without_429() -> None:
    """A 429 would reveal the email of the mobile's owner."""
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    world.request_code(destination=MOBILE)
    code = world.code_for(ANN)

    assert isinstance(request(world, ANN), RequestedCode)

    assert len(world.messages_to(ANN)) == 1
    assert world.identity(log_in(world, ANN, code)).account.id == account.id
    world.clock.advance(60)
    assert isinstance(request(world, ANN), RequestedCode)
    assert len(world.messages_to(ANN)) == 2


def test_requests_by_mobile_and_email_share_the_owners_mail_limit() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE)
    for _ in range(60):
        for destination in (MOBILE, ANN):
            request(world, destination)
            world.messages_to(destination)
        world.clock.advance(60)

    assert len(world.messages_to(ANN)) == 5
