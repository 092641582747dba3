"""The contract of invitations."""

from dataclasses import replace
from typing import Any

from ....application.ports import Database
from ....domain.account import Address, AddressKind
from ....domain.invitation import Invitation
from .builders import MAIL, MOBILE, NOW, ada, stored

EVE = Address(AddressKind.EMAIL, "eve@example.org", "eve@example.org")


def invitation(number: int, address: Address = MAIL, **changed: Any) -> Invitation:
    one = Invitation(
        id=f"invitation-{number}", digest=f"digest-{number}", address=address, invited_at=NOW, expires_at=NOW + 0.5
    )
    return replace(one, **changed)


def add(database: Database, *several: Invitation) -> None:
    with database.begin() as tx:
        for one in several:
            tx.invitations.add(one)


def listed(database: Database, now: float = NOW) -> list[Invitation]:
    return list(database.invitations.find(None, now, limit=10))


class InvitationsContract:
    """The contract of invitations."""

    def test_invitation_is_found_by_digest_address_and_id_until_it_expires(self, database: Database) -> None:
        one = invitation(1, invited_by=2**40)
        add(database, one, invitation(2, MOBILE))
        with database.begin() as tx:
            assert tx.invitations.find("digest-1", NOW) == one
            assert tx.invitations.of(replace(MAIL, text="other spelling"), NOW) == one
            assert tx.invitations.is_open("invitation-1", NOW)
            assert tx.invitations.find("digest-1", NOW + 0.5) is None
            assert tx.invitations.of(MAIL, NOW + 0.5) is None
            assert not tx.invitations.is_open("invitation-1", NOW + 0.5)
            assert tx.invitations.find("digest", NOW) is None
            assert tx.invitations.of(Address(AddressKind.MOBILE, MAIL.text, MAIL.canonical), NOW) is None
            assert not tx.invitations.is_open("digest-1", NOW)

    def test_newer_invitation_replaces_that_of_its_address(self, database: Database) -> None:
        other = invitation(2, MOBILE)
        newer = invitation(3, replace(MAIL, text="ADA@example.org"), invited_at=NOW + 1, expires_at=NOW + 2, invited_by=7)
        add(database, invitation(1), other, newer)
        assert listed(database) == [newer, other]
        with database.begin() as tx:
            assert tx.invitations.find("digest-1", NOW) is None
            assert not tx.invitations.is_open("invitation-1", NOW)

    def test_open_invitation_is_used_once(self, database: Database) -> None:
        add(database, invitation(1), invitation(2, MOBILE))
        with database.begin() as tx:
            assert tx.invitations.use(MAIL, NOW + 0.5) is None
            assert tx.invitations.use(EVE, NOW) is None
            assert tx.invitations.use(replace(MAIL, text="other spelling"), NOW) == invitation(1)
            assert tx.invitations.use(MAIL, NOW) is None
        with database.begin() as tx:
            assert tx.invitations.use(MAIL, NOW) is None
        assert listed(database) == [invitation(2, MOBILE)]

    def test_open_invitations_are_listed_in_pages_by_address(self, database: Database) -> None:
        expired = invitation(4, replace(EVE, canonical="bob@example.org"), expires_at=NOW)
        add(database, invitation(1, MOBILE), invitation(2, EVE), invitation(3), expired)
        assert listed(database) == [invitation(3), invitation(2, EVE), invitation(1, MOBILE)]
        assert list(database.invitations.find(None, NOW, limit=1)) == [invitation(3)]
        assert list(database.invitations.find(MAIL, NOW, limit=1)) == [invitation(2, EVE)]
        assert list(database.invitations.find(EVE, NOW, limit=5)) == [invitation(1, MOBILE)]
        assert list(database.invitations.find(MOBILE, NOW, limit=5)) == []

    def test_invitations_by_an_account_and_those_of_addresses_are_deleted(self, database: Database) -> None:
        account = stored(database, ada())
        by_it, by_other = invitation(1, EVE, invited_by=account.id), invitation(2, MOBILE, invited_by=account.id + 1)
        add(database, by_it, by_other, invitation(3))
        with database.begin() as tx:
            tx.invitations.delete_of(account.id, [replace(MAIL, text="other spelling")])
        assert listed(database) == [by_other]

    def test_invitations_are_purged_a_day_after_they_expire(self, database: Database) -> None:
        add(database, invitation(1, expires_at=NOW - 86_401), invitation(2, MOBILE, expires_at=NOW - 86_399))
        while database.purge(NOW, limit=10):
            pass
        assert listed(database, NOW - 86_402) == [invitation(2, MOBILE, expires_at=NOW - 86_399)]
