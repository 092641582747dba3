"""The decision table of an address: its state on Ann's account × a right code or a proof from it × the bearer → the result.

Each row has the result, the values that are cleared, and the notices. The sentences are those of the contract's section *Whose
an address is*.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.world import OTHER_PASSWORD, PASSWORD, PNG, World, outcome

from vestibule.application import Account, AddressNotVerified, CodeEffects, Identity, Refusal, TokenSet

EMAIL, NEW_EMAIL = "ann@mail.example.com", "ann@new.example.com"
MOBILE, OTHER_MOBILE = "9999999991", "9999999992"
BOBS_EMAIL = "bob@mail.example.com"


@dataclass(frozen=True)
class Ann:
    """The world with Ann's account, whose email has a known state, and the identity of its maker."""

    world: World
    account: Account
    maker: Identity


def registered() -> Ann:
    world = World()
    account = world.create_account("ann", email=EMAIL, mobile=MOBILE)
    maker = world.log_in_as("ann")
    world.upload_image(identity=maker, profile_image=PNG)
    return Ann(world, account, maker)


def claimable() -> Ann:
    """An account that never had a verified address."""
    return registered()


def verified() -> Ann:
    ann = registered()
    ann.world.verify_address(EMAIL, ann.maker)
    return ann


def unverified() -> Ann:
    """The email next to a verified mobile."""
    ann = registered()
    ann.world.verify_address(MOBILE, ann.maker)
    return ann


def unverified_after_a_verified_one() -> Ann:
    """The email in place of a verified one whose days of recovery have passed."""
    world = World(recovery_days=0)
    account = world.create_account("ann", email=NEW_EMAIL, mobile=MOBILE)
    maker = world.log_in_as("ann")
    world.upload_image(identity=maker, profile_image=PNG)
    world.verify_address(NEW_EMAIL, maker)
    world.change_account(identity=maker, email=EMAIL)
    return Ann(world, account, maker)


def recovery() -> Ann:
    """The email was verified and replaced."""
    ann = verified()
    ann.world.change_account(identity=ann.maker, email=NEW_EMAIL)
    return ann


def expired_recovery() -> Ann:
    """The email was verified and replaced by a verified one, eight days ago."""
    ann = recovery()
    ann.world.verify_address(NEW_EMAIL, ann.maker)
    ann.world.clock.advance(8 * 86_400)
    return ann


def inactive() -> Ann:
    ann = verified()
    ann.world.set_active(identifier="ann", active=False)
    return ann


def log_in(ann: Ann, identity: Identity | None) -> Any:
    return ann.world.log_in_by_code(destination=EMAIL, verify_otp=ann.world.send(EMAIL), identity=identity)


def reset(ann: Ann, identity: Identity | None) -> Any:
    return ann.world.reset_password(email=EMAIL, otp=ann.world.send(EMAIL), password=OTHER_PASSWORD, identity=identity)


def register_or_log_in(ann: Ann, identity: Identity | None) -> Any:
    ann.world.request_registration_code(name="Bea", email=EMAIL, mobile=OTHER_MOBILE)
    return ann.world.register_or_log_in(
        name="Bea", email=EMAIL, mobile=OTHER_MOBILE, verify_otp=ann.world.code_for(EMAIL), identity=identity
    )


def verify(ann: Ann, identity: Identity | None) -> Any:
    return ann.world.verify_code(destination=EMAIL, verify_otp=ann.world.send(EMAIL), identity=identity)


def register_with_proof(ann: Ann, _: Identity | None) -> Any:
    return ann.world.create_account("bea", email=EMAIL, proofs=(ann.world.verify_address(EMAIL),))


def change_with_proof(ann: Ann, _: Identity | None) -> Any:
    """A change of Bob's own account."""
    proof = ann.world.verify_address(EMAIL)
    ann.world.create_account("bob", email=BOBS_EMAIL)
    return ann.world.change_account(identity=ann.world.log_in_as("bob"), email=EMAIL, proofs=(proof,))


Call = Callable[[Ann, Identity | None], Any]
State = Callable[[], Ann]
STRANGER, OWN = False, True
"""The call carries no login, or that of the account's maker."""

ALL = ("password", "sessions", "mobile", "image")
CLAIM_NOTICES = {(MOBILE, "address_dropped"), (EMAIL, "account_claimed")}
RECOVERY_NOTICES = {(EMAIL, "account_recovered"), (NEW_EMAIL, "account_recovered")}
CHANGED = {(EMAIL, "password_changed")}

TABLE: list[tuple[State, Call, bool, str, tuple[str, ...], set[tuple[str, str]]]] = [
    # The contract: "A verified address opens its account: a code from it logs in and resets, and clears nothing."
    (verified, log_in, STRANGER, "opens", (), set()),
    (verified, log_in, OWN, "opens", (), set()),
    (verified, reset, STRANGER, "resets", (), CHANGED),
    (verified, reset, OWN, "resets", (), CHANGED),
    # "A code from any of its addresses … clears …, unless the call carries the account's own access token."
    (claimable, log_in, STRANGER, "opens", ALL, CLAIM_NOTICES),
    (claimable, log_in, OWN, "opens", (), set()),
    (claimable, reset, STRANGER, "resets", ALL, CLAIM_NOTICES | CHANGED),
    (claimable, reset, OWN, "resets", (), CHANGED),
    # "An unverified address of an account that has, or had, a verified one opens nothing."
    (unverified, log_in, STRANGER, "address-not-verified", (), set()),
    (unverified, log_in, OWN, "address-not-verified", (), set()),
    (unverified, reset, STRANGER, "address-not-verified", (), set()),
    (unverified_after_a_verified_one, log_in, STRANGER, "address-not-verified", (), set()),
    (unverified_after_a_verified_one, reset, STRANGER, "address-not-verified", (), set()),
    # "A right code from it … puts it back, … ends all sessions, … and clears the password unless the reset sets one."
    (recovery, log_in, STRANGER, "recovers", ("password", "sessions"), RECOVERY_NOTICES),
    (recovery, log_in, OWN, "recovers", ("password", "sessions"), RECOVERY_NOTICES),
    (recovery, reset, STRANGER, "recovers", ("sessions",), RECOVERY_NOTICES | CHANGED),
    (expired_recovery, log_in, STRANGER, "invalid-code", (), set()),
    (expired_recovery, reset, STRANGER, "invalid-code", (), set()),
    # An inactive account is opened by nothing.
    (inactive, log_in, STRANGER, "invalid-code", (), set()),
    (inactive, reset, STRANGER, "invalid-code", (), set()),
    (inactive, register_or_log_in, STRANGER, "account-mismatch", (), set()),
    # "A verification without a login concerns no account"; one with the account's login "marks an address that it has".
    (verified, verify, STRANGER, "proves", (), set()),
    (claimable, verify, STRANGER, "proves", (), set()),
    (unverified, verify, STRANGER, "proves", (), set()),
    (recovery, verify, STRANGER, "proves", (), set()),
    (claimable, verify, OWN, "verifies", (), set()),
    (unverified, verify, OWN, "verifies", (), set()),
    (recovery, verify, OWN, "proves", (), set()),
    # "An unverified address holds nothing, on any account. … it leaves the other account"
    (claimable, register_with_proof, STRANGER, "takes", (), set()),
    (unverified, register_with_proof, STRANGER, "takes", (), {(MOBILE, "address_released")}),
    (unverified, change_with_proof, STRANGER, "takes", (), {(MOBILE, "address_released")}),
    (verified, register_with_proof, STRANGER, "already-taken", (), set()),
    (verified, change_with_proof, STRANGER, "already-taken", (), set()),
    # "Meanwhile it is taken for everybody else."
    (recovery, register_with_proof, STRANGER, "already-taken", (), set()),
    (recovery, change_with_proof, STRANGER, "already-taken", (), set()),
    (expired_recovery, register_with_proof, STRANGER, "takes", (), set()),
    # "… or its code to /otpreglogin/": here with a mobile that no account has.
    (verified, register_or_log_in, STRANGER, "account-mismatch", (), set()),
    (claimable, register_or_log_in, STRANGER, "opens", ALL, CLAIM_NOTICES),
    (claimable, register_or_log_in, OWN, "opens", (), set()),
    (unverified, register_or_log_in, STRANGER, "takes", (), {(MOBILE, "address_released")}),
    (recovery, register_or_log_in, STRANGER, "account-mismatch", (), set()),
    (expired_recovery, register_or_log_in, STRANGER, "takes", (), set()),
]


def _name(value: Any) -> str:
    """The name of a part of a row, the same in every process: the order of a set is not."""
    return getattr(value, "__name__", "") or str(sorted(value) if isinstance(value, set) else value)


@pytest.mark.parametrize(("state", "call", "is_own", "result", "cleared", "notices"), TABLE, ids=_name)
def test_right_code_or_proof_has_the_effect_of_the_address_state(
    state: State, call: Call, is_own: bool, result: str, cleared: tuple[str, ...], notices: set[tuple[str, str]]
) -> None:
    ann = state()
    ann.world.clock.advance(60)
    earlier, before = notices_of(ann.world), ann.world.now(ann.account)
    identity = ann.maker if is_own else None

    answer = outcome(lambda: call(ann, identity))

    sent = notices_of(ann.world) - earlier - {(BOBS_EMAIL, "email_changed"), (EMAIL, "email_changed")}  # of Bob's own change
    assert result_of(ann, before, answer) == result
    assert getattr(answer, "cleared", ()) == cleared
    assert sent == notices


def result_of(ann: Ann, before: Account, answer: Any) -> str:
    """The result in a word, after a check of everything that the word promises."""
    after, address = ann.world.now(ann.account), ann.world.address(EMAIL)
    if isinstance(answer, Refusal):
        assert after == before
        if isinstance(answer, AddressNotVerified):
            assert ann.world.create_account("bea", email=EMAIL, proofs=(answer.proof,)).email_verified
        return answer.slug
    if (holder := ann.world.owner(EMAIL)) is not None and holder.id != ann.account.id:
        assert holder.has_verified(address)
        assert not after.has(address)
        return "takes"
    if isinstance(answer, TokenSet | CodeEffects):
        assert after.has_verified(address)
        assert isinstance(answer, CodeEffects) or ann.world.identity(answer).account.id == ann.account.id
        assert ann.world.can_log_in("ann", OTHER_PASSWORD) is isinstance(answer, CodeEffects)
        assert ann.world.can_log_in("ann", PASSWORD) is (
            not isinstance(answer, CodeEffects) and "password" not in answer.cleared
        )
        assert ann.world.is_signed_in_as(ann.maker) is (
            not isinstance(answer, CodeEffects) and "sessions" not in answer.cleared
        )
        assert (after.image is None) is ("image" in answer.cleared)
        assert (after.mobile is None or after.mobile.text != MOBILE) is ("mobile" in answer.cleared)
        word = "opens" if isinstance(answer, TokenSet) else "resets"
        return "recovers" if answer.recovered else word
    return "verifies" if after != before and after.has_verified(address) else "proves"


def notices_of(world: World) -> set[tuple[str, str]]:
    """The address and the kind of each notice so far."""
    found = set()
    for address in (EMAIL, NEW_EMAIL, BOBS_EMAIL, MOBILE, OTHER_MOBILE):
        found |= {(address, message.values["what"]) for message in world.messages_to(address) if message.template == "notice"}
    return found
