"""The contract of challenges and proofs."""

from dataclasses import replace
from operator import methodcaller

import pytest

from ....application.ports import Database
from ....domain.account import Address, AddressKind
from ....domain.code import Challenge, CodePurpose, Proof, decoy_address
from .builders import MAIL, MOBILE, NOW, challenge, locked, put

ELSEWHERE = Address(AddressKind.EMAIL, "else@example.org", "else@example.org")
OTHER = Address(AddressKind.EMAIL, "other@example.org", "other@example.org")


class ChallengesContract:
    """The contract of challenges and proofs."""

    @pytest.mark.parametrize(
        "one",
        [
            challenge(1),
            challenge(
                1,
                address=MOBILE,
                purpose=CodePurpose.REGISTER_OR_LOGIN,
                from_known_network=True,
                network="2001:db8::/64",
                on_behalf_of="x",
                is_decoy=True,
                failed_attempts=3,
                failed_attempts_elsewhere=2,
                used_at=NOW,
            ),
        ],
    )
    def test_challenge_is_read_as_it_was_put(self, database: Database, one: Challenge) -> None:
        put(database, one)
        assert locked(database, one.purpose, one.address) == [one]

    def test_network_of_a_challenge_may_be_any_text(self, database: Database) -> None:
        put(database, challenge(1, network="nul \0 and half a pair \ud800"))
        assert len(locked(database, CodePurpose.GENERAL, MAIL)) == 1

    def test_each_kind_of_network_has_a_challenge_of_its_own(self, database: Database) -> None:
        unknown, known = challenge(1), challenge(2, from_known_network=True, network="192.0.2.1")
        put(database, known, unknown)
        assert locked(database, CodePurpose.GENERAL, MAIL) == [unknown, known]
        newer = replace(known, id="challenge-3", failed_attempts=0)
        put(database, newer)
        assert locked(database, CodePurpose.GENERAL, MAIL) == [unknown, newer]
        put(database, challenge(4))
        assert locked(database, CodePurpose.GENERAL, MAIL) == [challenge(4), newer]

    def test_several_challenges_are_put_and_saved_at_once(self, database: Database) -> None:
        several = [challenge(1, address=MOBILE), challenge(2, address=ELSEWHERE), challenge(3)]
        put(database, *several)
        assert locked(database, CodePurpose.GENERAL, MAIL, MOBILE, ELSEWHERE) == [several[2], several[1], several[0]]
        with database.begin() as tx:
            found = tx.challenges.lock(CodePurpose.GENERAL, [MOBILE, MAIL])
            tx.challenges.save([one.with_failed_attempt(None) for one in found])
        assert locked(database, CodePurpose.GENERAL, MAIL, MOBILE, ELSEWHERE) == [
            several[2].with_failed_attempt(None),
            several[1],
            several[0].with_failed_attempt(None),
        ]

    def test_decoys_can_be_saved_without_a_lock(self, database: Database) -> None:
        decoy = challenge(1, address=decoy_address(AddressKind.EMAIL, "mobile:1"), is_decoy=True)
        put(database, challenge(2))
        with database.begin() as tx:
            found = tx.challenges.lock(CodePurpose.GENERAL, [MAIL])
            tx.challenges.save([decoy, *(one.as_used(NOW) for one in found)])
        assert locked(database, CodePurpose.GENERAL, MAIL) == [challenge(2).as_used(NOW)]
        assert locked(database, CodePurpose.GENERAL, decoy.address) == [decoy]

    def test_challenges_are_locked_by_purpose_and_by_address_or_destination(self, database: Database) -> None:
        mail, mobile = challenge(1, on_behalf_of=MOBILE.canonical), challenge(2, address=MOBILE)
        other = challenge(3, purpose=CodePurpose.REGISTER_OR_LOGIN)
        put(database, mail, mobile, other)
        assert locked(database, CodePurpose.GENERAL, MAIL) == [mail]
        assert locked(database, CodePurpose.GENERAL, MAIL, MOBILE) == [mail, mobile]
        assert locked(database, CodePurpose.GENERAL, MOBILE) == [mobile]
        assert locked(database, CodePurpose.GENERAL, MOBILE, on_behalf_of=MOBILE.canonical) == [mail, mobile]
        assert locked(database, CodePurpose.GENERAL, MAIL, on_behalf_of=MOBILE.canonical) == [mail]
        assert locked(database, CodePurpose.REGISTER_OR_LOGIN, MAIL, MOBILE, on_behalf_of=MOBILE.canonical) == [other]
        assert locked(database, CodePurpose.GENERAL, Address(AddressKind.MOBILE, MAIL.text, MAIL.canonical)) == []

    def test_newer_challenge_replaces_those_of_its_purpose_with_its_address_or_destination(self, database: Database) -> None:
        other = challenge(2, purpose=CodePurpose.REGISTER_OR_LOGIN, on_behalf_of=MOBILE.canonical)
        mobile = challenge(3, address=MOBILE)
        put(database, challenge(1, on_behalf_of=MOBILE.canonical, failed_attempts=4, used_at=NOW), other, mobile)
        elsewhere = challenge(4, address=ELSEWHERE, on_behalf_of=MOBILE.canonical, failed_attempts=4, used_at=NOW)
        newer = challenge(5, address=ELSEWHERE, sent_at=NOW + 60)
        for one in (elsewhere, newer):
            put(database, one)
            assert locked(database, CodePurpose.GENERAL, MAIL, MOBILE, ELSEWHERE, on_behalf_of=MOBILE.canonical) == [
                one,
                mobile,
            ]
        assert locked(database, CodePurpose.REGISTER_OR_LOGIN, MAIL, on_behalf_of=MOBILE.canonical) == [other]

    def test_companion_replaces_those_of_its_kind_of_network_for_the_same_mobile(self, database: Database) -> None:
        mobile = MOBILE.canonical
        unknown = challenge(1, on_behalf_of=mobile)
        known = challenge(2, address=ELSEWHERE, on_behalf_of=mobile, from_known_network=True)
        other = challenge(3, address=OTHER, on_behalf_of="+491711111111")
        put(database, unknown, known, other)
        assert locked(database, CodePurpose.GENERAL, on_behalf_of=mobile) == [unknown, known]
        newer = challenge(4, address=replace(OTHER, canonical="third@example.org"), on_behalf_of=mobile)
        put(database, newer, challenge(5, address=MOBILE))
        assert locked(database, CodePurpose.GENERAL, on_behalf_of=mobile) == [known, newer]
        assert locked(database, CodePurpose.GENERAL, MAIL, MOBILE, OTHER) == [other, challenge(5, address=MOBILE)]

    def test_locked_challenge_can_be_saved(self, database: Database) -> None:
        put(database, challenge(1))
        for change in (
            methodcaller("with_failed_attempt", None),
            methodcaller("with_failed_attempt", "192.0.2.1"),
            methodcaller("as_used", NOW),
        ):
            with database.begin() as tx:
                [one] = tx.challenges.lock(CodePurpose.GENERAL, [MAIL])
                tx.challenges.save([change(one)])
            assert locked(database, CodePurpose.GENERAL, MAIL) == [change(one)]

    def test_used_challenge_stays_used_if_it_is_revoked_before_it_is_saved(self, database: Database) -> None:
        put(database, challenge(1))
        with database.begin() as tx:
            [one] = tx.challenges.lock(CodePurpose.GENERAL, [MAIL])
            tx.challenges.revoke([MAIL])
            tx.challenges.save([one.as_used(NOW)])
        assert not any(one.is_open(NOW, None, 5) for one in locked(database, CodePurpose.GENERAL, MAIL))

    def test_revoke_deletes_codes_to_or_on_behalf_of_an_address(self, database: Database) -> None:
        own = [
            challenge(1, address=MOBILE),
            challenge(2, address=MOBILE, purpose=CodePurpose.REGISTER_OR_LOGIN),
            challenge(5, address=MOBILE, from_known_network=True),
        ]
        also = challenge(3, address=ELSEWHERE, on_behalf_of=MOBILE.canonical)
        other = challenge(4, purpose=CodePurpose.REGISTER_OR_LOGIN)
        put(database, *own, also, other)
        with database.begin() as tx:
            tx.challenges.revoke([MOBILE])
        for purpose in CodePurpose:
            assert not any(one.is_open(NOW, None, 5) for one in locked(database, purpose, MOBILE, ELSEWHERE))
        assert locked(database, CodePurpose.REGISTER_OR_LOGIN, MAIL) == [other]
        with database.begin() as tx:
            assert not tx.challenges.is_current("challenge-1", NOW)
            assert tx.challenges.is_current("challenge-4", NOW)

    def test_code_is_current_until_it_is_replaced_used_or_expired(self, database: Database) -> None:
        put(database, challenge(1), challenge(2, address=MOBILE))
        with database.begin() as tx:
            is_current = tx.challenges.is_current
            assert is_current("challenge-1", NOW + 299)
            assert not is_current("challenge-1", NOW + 300)
            assert not is_current("challenge-9", NOW)
            [mobile] = tx.challenges.lock(CodePurpose.GENERAL, [MOBILE])
            tx.challenges.save([mobile.as_used(NOW)])
            assert not is_current("challenge-2", NOW)
            tx.challenges.put([challenge(3)])
            assert not is_current("challenge-1", NOW)
            assert is_current("challenge-3", NOW)

    def test_recent_proof_is_found_by_digest_and_by_address(self, database: Database) -> None:
        proof = Proof(digest="digest", address=MAIL, verified_at=NOW)
        with database.begin() as tx:
            tx.proofs.add(proof)
            tx.proofs.add(Proof(digest="older", address=MAIL, verified_at=NOW - 100))
            tx.proofs.add(Proof(digest="mobile", address=MOBILE, verified_at=NOW - 100))
        with database.begin() as tx:
            assert tx.proofs.find("digest", NOW) == proof
            assert tx.proofs.find("digest", NOW + 0.5) is None
            assert tx.proofs.find("unknown", NOW) is None
            assert tx.proofs.is_verified(replace(MAIL, text="other spelling"), NOW, None)
            assert not tx.proofs.is_verified(MAIL, NOW + 0.5, None)
            assert tx.proofs.is_verified(MOBILE, NOW - 100, None)
            assert not tx.proofs.is_verified(MOBILE, NOW, None)
            assert not tx.proofs.is_verified(Address(AddressKind.MOBILE, MAIL.text, MAIL.canonical), NOW, None)

    def test_address_is_verified_from_the_network_of_the_verification_alone(self, database: Database) -> None:
        here = Proof(digest="here", address=MAIL, verified_at=NOW, network="192.0.2.1")
        with database.begin() as tx:
            tx.proofs.add(here)
            tx.proofs.add(Proof(digest="nowhere", address=MOBILE, verified_at=NOW))
        with database.begin() as tx:
            assert tx.proofs.find("here", NOW) == here
            assert tx.proofs.is_verified(MAIL, NOW, "192.0.2.1")
            assert not tx.proofs.is_verified(MAIL, NOW, "192.0.2.2")
            assert not tx.proofs.is_verified(MAIL, NOW, None)
            assert not tx.proofs.is_verified(MOBILE, NOW, "192.0.2.1")

    def test_recent_proof_is_spent_once(self, database: Database) -> None:
        with database.begin() as tx:
            for digest in ("one", "two"):
                tx.proofs.add(Proof(digest=digest, address=MAIL, verified_at=NOW))
        with database.begin() as tx:
            assert not tx.proofs.spend("one", NOW + 0.5)
            assert not tx.proofs.spend("unknown", NOW)
            assert tx.proofs.spend("one", NOW)
            assert not tx.proofs.spend("one", NOW)
        with database.begin() as tx:
            assert not tx.proofs.spend("one", NOW)
            assert [tx.proofs.find(digest, NOW) is not None for digest in ("one", "two")] == [False, True]
