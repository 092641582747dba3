"""Challenges and proofs."""

from dataclasses import replace

import pytest

from ....application.ports import Database
from ....domain.account import Address, Kind
from ....domain.code import Challenge, Flow, Proof
from .given import (
    MAIL,
    MOBILE,
    NOW,
    challenge,
    claimed,
    put,
)


class ChallengesContract:
    """Challenges and proofs."""

    @pytest.mark.parametrize(
        "one",
        [
            challenge(1),
            challenge(1, address=MOBILE, flow=Flow.REGISTER_OR_LOGIN, beside="x", sent=False, guesses=3, used_at=NOW),
        ],
    )
    def test_a_challenge_comes_back_as_it_was_put(self, database: Database, one: Challenge) -> None:
        put(database, one)
        assert claimed(database, one.flow, one.address) == [one]

    def test_challenges_are_claimed_by_flow_and_address_and_by_what_they_stand_beside(self, database: Database) -> None:
        mail, mobile = challenge(1, beside=MOBILE.key), challenge(2, address=MOBILE)
        other = challenge(3, flow=Flow.REGISTER_OR_LOGIN)
        put(database, mail, mobile, other)
        assert claimed(database, Flow.OTP, MAIL) == [mail]
        assert claimed(database, Flow.OTP, MAIL, MOBILE) == [mail, mobile]
        assert claimed(database, Flow.OTP, MOBILE) == [mobile]
        assert claimed(database, Flow.OTP, MOBILE, beside=MOBILE.key) == [mail, mobile]
        assert claimed(database, Flow.OTP, MAIL, beside=MOBILE.key) == [mail]
        assert claimed(database, Flow.REGISTER_OR_LOGIN, MAIL, MOBILE, beside=MOBILE.key) == [other]
        assert claimed(database, Flow.OTP, Address(Kind.MOBILE, MAIL.text, MAIL.key)) == []

    def test_a_newer_challenge_replaces_the_older_one_to_the_same_address_in_its_flow(self, database: Database) -> None:
        other = challenge(2, flow=Flow.REGISTER_OR_LOGIN)
        put(database, challenge(1, guesses=4, used_at=NOW), other)
        newer = challenge(3, sent_at=NOW + 60)
        put(database, newer)
        assert claimed(database, Flow.OTP, MAIL) == [newer]
        assert claimed(database, Flow.REGISTER_OR_LOGIN, MAIL) == [other]

    def test_a_newer_challenge_replaces_the_older_one_beside_the_same_destination(self, database: Database) -> None:
        elsewhere = Address(Kind.EMAIL, "else@example.org", "else@example.org")
        other = challenge(2, flow=Flow.REGISTER_OR_LOGIN, beside=MOBILE.key)
        put(database, challenge(1, beside=MOBILE.key), other, challenge(3, address=MOBILE))
        newer = challenge(4, address=elsewhere, beside=MOBILE.key)
        put(database, newer)
        assert claimed(database, Flow.OTP, MAIL, elsewhere, beside=MOBILE.key) == [newer]
        assert [one.id for one in claimed(database, Flow.OTP, MOBILE)] == ["challenge-3"]
        assert claimed(database, Flow.REGISTER_OR_LOGIN, beside=MOBILE.key) == [other]

    def test_a_claimed_challenge_can_be_saved(self, database: Database) -> None:
        put(database, challenge(1))
        with database.begin() as tx:
            [one] = tx.challenges.claim(Flow.OTP, [MAIL])
            tx.challenges.save(one.missed())
        assert claimed(database, Flow.OTP, MAIL) == [one.missed()]
        with database.begin() as tx:
            [one] = tx.challenges.claim(Flow.OTP, [MAIL])
            tx.challenges.save(one.used(NOW))
        assert claimed(database, Flow.OTP, MAIL) == [challenge(1, guesses=1, used_at=NOW)]

    def test_a_challenge_that_was_not_claimed_here_cannot_be_saved(self, database: Database) -> None:
        put(database, challenge(1), challenge(2, address=MOBILE))
        with database.begin() as tx:
            tx.challenges.claim(Flow.OTP, [MOBILE])
            with pytest.raises(LookupError):
                tx.challenges.save(challenge(1, guesses=1))
        assert claimed(database, Flow.OTP, MAIL) == [challenge(1)]

    def test_saving_does_not_bring_back_a_challenge_that_was_ended_or_replaced(self, database: Database) -> None:
        put(database, challenge(1))
        with database.begin() as tx:
            [one] = tx.challenges.claim(Flow.OTP, [MAIL])
            tx.challenges.put(challenge(2))
            tx.challenges.save(one.missed())
        assert claimed(database, Flow.OTP, MAIL) == [challenge(2)]
        with database.begin() as tx:
            [one] = tx.challenges.claim(Flow.OTP, [MAIL])
            tx.challenges.end([MAIL])
            tx.challenges.save(one.used(NOW))
        assert not any(one.is_open(NOW) for one in claimed(database, Flow.OTP, MAIL))

    def test_ending_leaves_no_open_code_to_an_address_or_beside_it_in_any_flow(self, database: Database) -> None:
        elsewhere = Address(Kind.EMAIL, "else@example.org", "else@example.org")
        own = [challenge(1, address=MOBILE), challenge(2, address=MOBILE, flow=Flow.REGISTER_OR_LOGIN)]
        beside = challenge(3, address=elsewhere, beside=MOBILE.key)
        other = challenge(4, flow=Flow.REGISTER_OR_LOGIN)
        put(database, *own, beside, other)
        with database.begin() as tx:
            tx.challenges.end([MOBILE])
        for flow in Flow:
            assert not any(one.is_open(NOW) for one in claimed(database, flow, MOBILE, elsewhere))
        assert claimed(database, Flow.REGISTER_OR_LOGIN, MAIL) == [other]
        with database.begin() as tx:
            assert not tx.challenges.is_current("challenge-1", NOW)
            assert tx.challenges.is_current("challenge-4", NOW)

    def test_a_code_is_current_until_it_is_replaced_used_or_expired(self, database: Database) -> None:
        put(database, challenge(1), challenge(2, address=MOBILE))
        with database.begin() as tx:
            is_current = tx.challenges.is_current
            assert is_current("challenge-1", NOW + 299)
            assert not is_current("challenge-1", NOW + 300)
            assert not is_current("challenge-9", NOW)
            [mobile] = tx.challenges.claim(Flow.OTP, [MOBILE])
            tx.challenges.save(mobile.used(NOW))
            assert not is_current("challenge-2", NOW)
            tx.challenges.put(challenge(3))
            assert not is_current("challenge-1", NOW)
            assert is_current("challenge-3", NOW)

    def test_a_proof_is_found_by_its_digest_and_its_address_as_long_as_it_is_recent(self, database: Database) -> None:
        proof = Proof(digest="digest", address=MAIL, proven_at=NOW)
        with database.begin() as tx:
            tx.proofs.add(proof)
            tx.proofs.add(Proof(digest="older", address=MAIL, proven_at=NOW - 100))
            tx.proofs.add(Proof(digest="mobile", address=MOBILE, proven_at=NOW - 100))
        with database.begin() as tx:
            assert tx.proofs.find("digest", NOW) == proof
            assert tx.proofs.find("digest", NOW + 0.5) is None
            assert tx.proofs.find("unknown", NOW) is None
            assert tx.proofs.is_proven(replace(MAIL, text="other spelling"), NOW)
            assert not tx.proofs.is_proven(MAIL, NOW + 0.5)
            assert tx.proofs.is_proven(MOBILE, NOW - 100)
            assert not tx.proofs.is_proven(MOBILE, NOW)
            assert not tx.proofs.is_proven(Address(Kind.MOBILE, MAIL.text, MAIL.key), NOW)
