import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest
from tests.support.world import CALLER, PASSWORD, PNG, World

from vestibule.adapters.storage import MemoryStorage
from vestibule.application import Identity, InvalidCredentials, InvalidInput, InvalidToken, LoginNotFresh, RateLimited
from vestibule.application.export import PIECE_BYTES
from vestibule.domain.account import Account
from vestibule.domain.events import Event, EventType
from vestibule.testing import ManualClock

ANN = "ann@mail.example.com"


def exported(world: World, identity: Identity, **fields: Any) -> ZipFile:
    return ZipFile(BytesIO(b"".join(world.export_account(identity=identity, **fields))))


def test_export_holds_every_kind_of_record_and_the_image() -> None:
    world = World()
    account, identity = world.create_account("ann"), world.log_in_as("ann")
    world.verify_address(ANN, identity)
    world.upload_image(identity=identity, profile_image=PNG)

    archive = exported(world, identity, caller=CALLER)

    assert archive.testzip() is None
    assert {*archive.namelist()} >= {"account.json", "sessions.json", "codes.json", "proofs.json", "audit_log.json"}
    assert (archive.namelist()[0], archive.namelist()[-1]) == ("account.json", "image.webp")
    assert archive.read("image.webp") == PNG
    shown = json.loads(archive.read("account.json"))
    assert (shown["id"], shown["username"], shown["email"], shown["email_verified"]) == (account.id, "ann", ANN, True)
    assert [one["id"] for one in json.loads(archive.read("sessions.json"))] == [identity.session_id]
    assert json.loads(archive.read("audit_log.json"))[-1]["type"] == "exported"


def test_files_are_indented_utf_8_with_times_in_utc() -> None:
    world = World()
    world.create_account("ann", name="Änn Sömebödy")
    archive = exported(world, world.log_in_as("ann"))
    for name in ("account.json", "sessions.json", "audit_log.json"):
        text = archive.read(name).decode()
        assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2) + "\n"
    created_at = json.loads(archive.read("account.json"))["created_at"]
    assert created_at.endswith("Z")
    assert datetime.fromisoformat(created_at).timestamp() == world.clock()
    assert "Änn Sömebödy" in archive.read("account.json").decode()


def test_recovery_address_is_exported_by_name_with_times_in_utc() -> None:
    world = World()
    world.create_account("ann")
    identity = world.log_in_as("ann")
    world.verify_address(ANN, identity)
    replaced_at = datetime.fromtimestamp(world.clock(), UTC).isoformat().replace("+00:00", "Z")
    world.change_account(identity=identity, email="new@mail.example.com")
    shown = json.loads(exported(world, identity).read("account.json"))["recovery"]
    assert shown == [
        {"address": ANN, "replaced_at": replaced_at, "expires_at": None, "other_address": None, "other_address_verified": False}
    ]


def test_line_breaks_in_values_stay_as_they_are() -> None:
    world = World()
    account, identity = world.create_account("ann"), world.log_in_as("ann")
    odd = "a\nb\u2028c\x85d\\n"
    with world.database.begin() as tx:
        tx.audit_log.add(Event(type=EventType.REFRESHED, occurred_at=world.clock(), account_id=account.id, detail=odd))
    assert odd in [event["detail"] for event in json.loads(exported(world, identity).read("audit_log.json"))]


def test_export_holds_no_secret() -> None:
    world = World()
    account, identity = world.create_account("ann"), world.log_in_as("ann")
    proof = world.verify_address(ANN, identity)
    tokens = world.log_in_with_code(ANN)
    world.clock.advance(60)
    world.request_code(destination=ANN)
    archive = exported(world, identity)
    whole = "".join(archive.read(name).decode() for name in archive.namelist())
    password_hash = world.now(account).password_hash
    assert password_hash
    for secret in (password_hash, proof, tokens.access_token, tokens.refresh_token, *world.codes_at(ANN)):
        assert secret not in whole
    assert ANN in whole


def test_export_is_recorded_and_the_owner_is_notified() -> None:
    world = World()
    account, identity = world.create_account("ann"), world.log_in_as("ann")
    world.verify_address(ANN, identity)

    world.export_account(identity=identity, caller=CALLER)

    [event] = world.events(EventType.EXPORTED)
    assert (event.account_id, event.session_id, event.caller) == (account.id, identity.session_id, CALLER)
    assert [message.values["what"] for message in world.messages_to(ANN) if message.template == "notice"] == ["export_made"]


def test_account_has_five_exports_a_day() -> None:
    world = World(fresh_login=None)
    world.create_account("ann")
    world.create_account("bob")
    identity = world.log_in_as("ann")
    for _ in range(5):
        exported(world, identity)
    with pytest.raises(RateLimited) as refused:
        world.export_account(identity=identity)
    assert (refused.value.policy, refused.value.retry_after) == ("exports", 86_400)
    assert len(world.events(EventType.EXPORTED)) == 5
    exported(world, world.log_in_as("bob"))
    world.clock.advance(days=1)
    exported(world, identity)


def test_export_by_a_session_revoked_meanwhile_is_refused() -> None:
    world = World()
    world.create_account("ann")
    identity = world.log_in_as("ann")
    world.log_out(identity=identity)
    with pytest.raises(InvalidToken):
        world.export_account(identity=identity)
    assert world.events(EventType.EXPORTED) == []


def test_password_that_is_not_text_is_refused() -> None:
    world = World()
    world.create_account("ann")
    with pytest.raises(InvalidInput) as refused:
        world.export_account(identity=world.log_in_as("ann"), current_password=7)  # type: ignore[arg-type]  # Python callers may err
    assert {*refused.value.errors} == {"current_password"}


def test_image_that_is_gone_is_left_out() -> None:
    storage = MemoryStorage(ManualClock())
    world = World(storage=storage)
    world.create_account("ann")
    identity = world.log_in_as("ann")
    image = world.upload_image(identity=identity, profile_image=PNG).image
    assert image
    storage.delete(image)
    assert "image.webp" not in exported(world, identity).namelist()


class CountingRecords:
    """A long audit log, whose rows are counted as they are read."""

    rows = 20_000

    def __init__(self) -> None:
        self.read_rows = 0

    def read(self, account: Account) -> Iterator[tuple[str, Mapping[str, object]]]:
        yield "account", {"id": account.id}
        for number in range(self.rows):
            self.read_rows += 1
            yield "audit_log", {"position": number, "at": datetime.fromtimestamp(number, UTC), "id": f"{number**20:x}"}


def test_pieces_are_small_and_made_as_they_are_taken() -> None:
    world, records = World(), CountingRecords()
    world.create_account("ann")
    identity = world.log_in_as("ann")
    pieces = replace(world.export_account, records=records)(identity=identity)
    assert records.read_rows == 0
    first = next(pieces)
    assert 0 < records.read_rows < records.rows / 2
    others = list(pieces)
    assert len(others) > 4
    assert all(len(piece) <= 2 * PIECE_BYTES for piece in (first, *others))
    archive = ZipFile(BytesIO(b"".join([first, *others])))
    assert len(json.loads(archive.read("audit_log.json"))) == records.rows


def test_export_wants_a_fresh_login_or_the_current_password() -> None:
    world = World()
    world.create_account("ann")
    identity = world.log_in_as("ann")
    world.clock.advance(3601)

    with pytest.raises(LoginNotFresh):
        world.export_account(identity=identity)
    with pytest.raises(InvalidCredentials):
        world.export_account(identity=identity, current_password="not the password")
    assert exported(world, identity, current_password=PASSWORD).namelist()
    assert len(world.events(EventType.EXPORTED)) == 1
