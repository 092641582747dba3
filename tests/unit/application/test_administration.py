import pytest
from tests.support.world import PASSWORD, World

from vestibule.application import InvalidCode, NoSuchAccount
from vestibule.domain.events import EventType

ANN = "ann@mail.example.com"


@pytest.mark.parametrize("who", ["ann", "ANN@mail.example.com", "9999999999"])
def test_an_account_is_deactivated_with_its_sessions_and_codes_and_activated_without_them(who: str) -> None:
    world = World()
    world.create_account("ann", mobile="9999999999")
    tokens = world.log_in(username="ann", password=PASSWORD)
    code = world.send(ANN)

    assert world.set_active(who=who, active=False).is_active is False
    assert not world.can_log_in("ann")

    assert world.set_active(who=who, active=True).is_active is True
    assert world.can_log_in("ann")
    assert not world.is_signed_in(tokens)
    with pytest.raises(InvalidCode):
        world.verify_code(destination=ANN, verify_otp=code)
    assert [event.type for event in world.events(EventType.DEACTIVATED, EventType.ACTIVATED)] == [
        EventType.DEACTIVATED,
        EventType.ACTIVATED,
    ]


def test_what_is_so_already_changes_nothing() -> None:
    world = World()
    world.create_account("ann")
    tokens = world.log_in(username="ann", password=PASSWORD)

    assert world.set_active(who="ann", active=True).is_active is True
    assert world.is_signed_in(tokens)
    assert world.events(EventType.ACTIVATED) == []


def test_nobody_is_no_account() -> None:
    with pytest.raises(NoSuchAccount):
        World().set_active(who="nobody", active=False)
