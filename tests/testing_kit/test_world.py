"""`World`, which host applications test with."""

import subprocess
import sys
from pathlib import Path

import pytest
from litestar.testing import TestClient

from vestibule.adapters.database import SqlDatabase, migrate, url_of_file
from vestibule.application import EventType, InvalidRefreshToken
from vestibule.entrypoints.http import create_app
from vestibule.testing import PASSWORD, ManualClock, MemoryStorage, World, wrong

ANN = "ann@mail.example.com"


def test_manual_clock_changes_only_by_advance() -> None:
    clock = ManualClock(1000.0)
    assert clock() == clock() == 1000.0
    clock.advance(1, minutes=1, hours=1, days=1)
    assert clock() == 1000 + 1 + 60 + 3600 + 86_400
    clock.advance(-1)
    assert clock() == 91_060.0


def test_advancing_the_clock_expires_a_session() -> None:
    world = World()
    world.create_account()
    tokens = world.log_in(username="ann", password=PASSWORD)
    world.clock.advance(days=365)
    with pytest.raises(InvalidRefreshToken):
        world.refresh(refresh=tokens.refresh_token)


def test_messages_to_a_mobile_are_found_in_any_spelling() -> None:
    world = World(default_region="DE")
    world.request_code(destination="0170 1234567")
    assert world.code_for("+49 170 1234567") == world.codes_at("01701234567")[0]
    assert world.messages_to(ANN) == []
    with pytest.raises(LookupError, match=ANN):
        world.code_for(ANN)


def test_shortcuts_call_the_use_cases() -> None:
    world = World(otp_cooldown=600)
    account = world.create_account("ann", name="Ann Other")
    own = world.log_in_as("ann")
    assert (own.account.id, own.account.name) == (account.id, "Ann Other")
    assert world.verify_address(ANN, own)
    assert world.identity(world.log_in_with_code(ANN)).account.email_verified
    assert [event.detail for event in world.events(EventType.LOGGED_IN)] == ["password", "code:email"]
    assert world.events()[0].type is EventType.REGISTERED
    assert wrong("000999") == "001000"


def test_keywords_are_settings_of_the_service() -> None:
    world = World(otp_length=8, service_name="Acme")
    world.request_code(destination=ANN)
    assert len(world.code_for(ANN)) == 8
    assert world.messages_to(ANN)[0].values["service"] == "Acme"
    with pytest.raises(TypeError, match="otp_lenght"):
        World(otp_lenght=8)


def test_port_accepts_another_adapter(tmp_path: Path) -> None:
    url = url_of_file(tmp_path / "own.db")
    migrate(url)
    with SqlDatabase(url) as database:
        storage = MemoryStorage()
        world = World(database=database, storage=storage)
        world.create_account()
        world.upload_image(identity=world.log_in_as(), profile_image=b"\x89PNG\r\n\x1a\npicture")
        again = World(database=database, storage=storage)
        assert again.read_image(again.log_in_as().account.image or "") == b"\x89PNG\r\n\x1a\npicture"


def test_two_worlds_share_nothing() -> None:
    one, other = World(), World()
    one.create_account()
    assert other.check_unique(prop="username", value="ann")
    one.clock.advance(days=1)
    assert other.clock() != one.clock()


def test_http_app_accepts_a_world() -> None:
    world = World()
    world.create_account()
    with TestClient(create_app(world)) as client:
        assert client.post("/login/", json={"username": "ann", "password": PASSWORD}).status_code == 200


@pytest.mark.slow
def test_import_loads_no_test_framework() -> None:
    program = "import sys, vestibule.testing; assert not {'pytest', '_pytest', 'litestar', 'hypothesis'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
