from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from tests.support.world import PASSWORD, PNG, SOMEWHERE, World, outcome, together

from vestibule.adapters.storage import MemoryStorage
from vestibule.application import Account, Identity, ImageTooLarge, InvalidInput, InvalidToken, SweepReport, Unavailable
from vestibule.application.maintenance import BATCH
from vestibule.application.ports import PresignedUrl
from vestibule.domain.events import EventType
from vestibule.testing import ManualClock


class WatchedStorage(MemoryStorage):
    """Storage that tells how many files it holds, goes down when told to, and lets something happen while it stores."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        super().__init__(self.clock)
        self.held: set[str] = set()
        self.cannot_delete = False
        self.meanwhile: Any = None

    def put(self, data: bytes) -> str:
        name = super().put(data)
        self.held.add(name)
        if self.meanwhile:
            self.meanwhile()
        return name

    def delete(self, name: str) -> None:
        if self.cannot_delete:
            raise Unavailable
        super().delete(name)
        self.held.discard(name)


def logged_in() -> tuple[World, WatchedStorage, Identity]:
    storage = WatchedStorage()
    world = World(storage=storage)
    world.create_account("ann")
    return world, storage, world.sign_in("ann")


def upload(world: World, identity: Identity, data: bytes | None = PNG) -> Any:
    return outcome(lambda: world.upload_image(identity=identity, profile_image=data, caller=SOMEWHERE))


def test_a_picture_hangs_on_the_account_and_is_read_by_its_name() -> None:
    world, storage, identity = logged_in()

    account = upload(world, identity)

    assert world.now(account) == account
    assert storage.held == {account.image}
    assert world.read_image(account.image) == PNG
    assert world.read_image("another") is None
    [event] = world.events(EventType.IMAGE_CHANGED)
    assert (event.account_id, event.session_id, event.caller) == (account.id, identity.session_id, SOMEWHERE)


class LinkedStorage(MemoryStorage):
    """Storage that there is another way to."""

    def presigned_url(self, name: str) -> PresignedUrl | None:
        return PresignedUrl(f"https://images.example.org/{name}?signed", 300) if self.get(name) else None


def test_a_picture_has_a_link_only_where_its_storage_gives_one() -> None:
    world, _, identity = logged_in()
    assert world.get_image_url(upload(world, identity).image) is None

    world = World(storage=LinkedStorage())
    world.create_account("ann")
    image = upload(world, world.sign_in("ann")).image
    assert world.get_image_url(image) == PresignedUrl(f"https://images.example.org/{image}?signed", 300)
    assert world.get_image_url("another") is None


def test_the_picture_before_it_is_removed() -> None:
    world, storage, identity = logged_in()
    old = upload(world, identity)

    new = upload(world, identity, PNG + b"2")

    assert world.read_image(old.image) is None
    assert storage.held == {new.image}


def test_of_uploads_at_once_one_file_is_left() -> None:
    world, storage, identity = logged_in()

    answers = together([partial(world.upload_image, identity=identity, profile_image=PNG + bytes([n])) for n in range(8)])

    assert all(isinstance(answer, Account) for answer in answers)
    assert storage.held == {world.now(identity.account).image}


@pytest.mark.parametrize(
    ("data", "refusal"),
    [(None, InvalidInput), (b"", InvalidInput), (b"text", InvalidInput), (PNG + b"0" * 5 * 1024**2, ImageTooLarge)],
)
def test_what_is_no_image_or_too_large_is_refused_and_nothing_is_stored(data: bytes | None, refusal: type) -> None:
    world, storage, identity = logged_in()

    answer = upload(world, identity, data)

    assert isinstance(answer, refusal)
    if isinstance(answer, InvalidInput):
        assert {*answer.errors} == {"profile_image"}
    assert storage.held == set()
    assert world.now(identity.account).image is None


def test_five_mebibytes_are_taken() -> None:
    world, _, identity = logged_in()

    assert upload(world, identity, PNG.ljust(5 * 1024**2, b"0")).image


def test_when_the_session_ended_meanwhile_nothing_changes_and_no_file_is_left() -> None:
    world, storage, identity = logged_in()
    before = upload(world, identity)

    def end() -> None:
        with world.database.begin() as tx:
            tx.sessions.end_all(before.id, world.clock())

    storage.meanwhile = end

    assert isinstance(upload(world, identity), InvalidToken)
    assert world.now(before) == before
    assert storage.held == {before.image}


def test_when_nobody_knows_whether_the_account_has_the_new_picture_it_stays() -> None:
    world, storage, identity = logged_in()

    with ExitStack() as meanwhile:
        storage.meanwhile = lambda: meanwhile.enter_context(world.database.begin())
        with pytest.raises(RuntimeError):
            world.upload_image(identity=identity, profile_image=PNG)

    assert len(storage.held) == 1
    assert world.now(identity.account).image is None


def test_a_picture_that_was_hung_is_answered_even_where_the_one_before_cannot_be_removed() -> None:
    """To answer that nothing was changed would not be true."""
    world, storage, identity = logged_in()
    old = upload(world, identity)
    storage.cannot_delete = True

    new = upload(world, identity)

    assert isinstance(new, Account)
    assert world.now(new).image == new.image != old.image


def test_a_refusal_is_told_even_where_the_new_file_cannot_be_removed() -> None:
    world, storage, identity = logged_in()
    storage.cannot_delete = True
    world.alter(identity.account, is_active=False)

    assert isinstance(upload(world, identity), InvalidToken)


def test_a_picture_is_nothing_to_who_is_not_signed_in() -> None:
    world, storage, identity = logged_in()
    world.alter(identity.account, is_active=False)

    assert isinstance(upload(world, identity), InvalidToken)
    assert storage.held == set()
    assert not world.can_log_in("ann", PASSWORD)


def test_pictures_that_no_account_has_are_counted_and_removed_when_that_is_asked_for() -> None:
    world, storage, _ = logged_in()
    for name in map(str, range(BATCH)):
        world.alter(world.create_account(f"person{name}"), image=f"{name}.webp")
    world.create_account("zoe")
    identity = world.sign_in("zoe")
    upload(world, identity)
    storage.cannot_delete = True
    kept = upload(world, identity).image
    storage.cannot_delete = False
    storage.clock.advance(hours=1)
    young = storage.put(PNG)

    assert world.sweep_images() == SweepReport(images=2, unreferenced=1, deleted=0)
    assert len(storage.held) == 3
    assert world.sweep_images(delete=True) == SweepReport(images=2, unreferenced=1, deleted=1)
    assert storage.held == {kept, young}
    assert world.sweep_images(delete=True) == SweepReport(images=1, unreferenced=0, deleted=0)


def test_where_no_account_has_any_of_the_pictures_all_stay() -> None:
    world, storage, _ = logged_in()
    name = storage.put(PNG)
    storage.clock.advance(hours=2)

    assert world.sweep_images(delete=True) == SweepReport(images=1, unreferenced=1, deleted=0)
    assert world.read_image(name) == PNG


def test_a_sweep_that_cannot_remove_says_so() -> None:
    world, storage, identity = logged_in()
    storage.put(PNG)
    upload(world, identity)
    storage.clock.advance(hours=2)
    storage.cannot_delete = True

    assert isinstance(outcome(lambda: world.sweep_images(delete=True)), Unavailable)
