from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from tests.support.world import CALLER, PASSWORD, PNG, World, concurrently, outcome

from vestibule.adapters.storage import MemoryStorage
from vestibule.application import (
    Account,
    Identity,
    ImageTooLarge,
    InvalidInput,
    InvalidToken,
    RateLimited,
    SweepReport,
    Unavailable,
)
from vestibule.application.maintenance import BATCH
from vestibule.application.ports import PresignedUrl
from vestibule.domain.events import EventType
from vestibule.domain.rate_limits import Limits, RateLimit
from vestibule.testing import ManualClock


class WatchedStorage(MemoryStorage):
    """A storage that exposes its names, fails on request, and calls `meanwhile` during a put."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        super().__init__(self.clock)
        self.stored: set[str] = set()
        self.cannot_delete = False
        self.meanwhile: Any = None

    def put(self, data: bytes) -> str:
        name = super().put(data)
        self.stored.add(name)
        if self.meanwhile:
            self.meanwhile()
        return name

    def delete(self, name: str) -> None:
        if self.cannot_delete:
            raise Unavailable
        super().delete(name)
        self.stored.discard(name)


def logged_in() -> tuple[World, WatchedStorage, Identity]:
    storage = WatchedStorage()
    world = World(storage=storage)
    world.create_account("ann")
    return world, storage, world.log_in_as("ann")


def upload(world: World, identity: Identity, data: bytes | None = PNG) -> Any:
    return outcome(lambda: world.upload_image(identity=identity, profile_image=data, caller=CALLER))


def test_image_is_stored_on_the_account_and_read_by_its_name() -> None:
    world, storage, identity = logged_in()

    account = upload(world, identity)

    assert world.now(account) == account
    assert storage.stored == {account.image}
    assert world.read_image(account.image) == PNG
    assert world.read_image("another") is None
    [event] = world.events(EventType.IMAGE_CHANGED)
    assert (event.account_id, event.session_id, event.caller) == (account.id, identity.session_id, CALLER)


class PresigningStorage(MemoryStorage):
    """A storage with pre-signed URLs."""

    def presigned_url(self, name: str) -> PresignedUrl | None:
        return PresignedUrl(f"https://images.example.org/{name}?signed", 300) if self.get(name) else None


def test_image_url_exists_only_if_the_storage_provides_one() -> None:
    world, _, identity = logged_in()
    assert world.get_image_url(upload(world, identity).image) is None

    world = World(storage=PresigningStorage())
    world.create_account("ann")
    image = upload(world, world.log_in_as("ann")).image
    assert world.get_image_url(image) == PresignedUrl(f"https://images.example.org/{image}?signed", 300)
    assert world.get_image_url("another") is None


def test_previous_image_is_deleted() -> None:
    world, storage, identity = logged_in()
    old = upload(world, identity)

    new = upload(world, identity, PNG + b"2")

    assert world.read_image(old.image) is None
    assert storage.stored == {new.image}


def test_removed_image_is_deleted_and_recorded() -> None:
    world, storage, identity = logged_in()
    account = upload(world, identity)

    for _ in range(2):
        world.remove_image(identity=identity, caller=CALLER)
        assert world.now(account).image is None
        assert storage.stored == set()

    uploaded, removed = world.events(EventType.IMAGE_CHANGED)
    assert (uploaded.detail, removed.detail) == ("", "removed")
    assert (removed.account_id, removed.session_id, removed.caller) == (account.id, identity.session_id, CALLER)


def test_removed_image_that_cannot_be_deleted_now_is_left_to_the_sweep() -> None:
    world, storage, identity = logged_in()
    account = upload(world, identity)
    storage.cannot_delete = True

    world.remove_image(identity=identity)

    assert world.now(account).image is None
    assert storage.stored == {account.image}


def test_removal_by_a_session_revoked_meanwhile_is_refused() -> None:
    world, storage, identity = logged_in()
    account = upload(world, identity)
    world.log_out(identity=identity)

    with pytest.raises(InvalidToken):
        world.remove_image(identity=identity)
    assert storage.stored == {account.image}


def test_concurrent_uploads_leave_one_file() -> None:
    world, storage, identity = logged_in()

    answers = concurrently([partial(world.upload_image, identity=identity, profile_image=PNG + bytes([n])) for n in range(8)])

    assert all(isinstance(answer, Account) for answer in answers)
    assert storage.stored == {world.now(identity.account).image}


def test_eleventh_upload_within_an_hour_is_refused_and_counts_no_other_account() -> None:
    world, storage, identity = logged_in()
    world.create_account("bob")
    assert isinstance(upload(world, identity, b"text"), InvalidInput)
    images = [upload(world, identity).image for _ in range(9)]
    refused = upload(world, identity)
    assert isinstance(refused, RateLimited)
    assert (refused.retry_after, refused.policy, refused.limit) == (3600, "uploads", RateLimit(10, 3600))
    assert storage.stored == {images[-1]}
    assert upload(world, world.log_in_as("bob")).image
    world.clock.advance(3600)
    assert upload(world, world.log_in_as("ann")).image


def test_limit_of_uploads_is_a_setting_and_can_be_lifted() -> None:
    limits = Limits(uploads_per_account=(RateLimit(2, 60),))
    for settings, count in (({"limits": limits}, 2), ({"limits": limits, "rate_limits": False}, 5)):
        world = World(**settings)
        world.create_account("ann")
        answers = [upload(world, world.log_in_as("ann")) for _ in range(5)]
        assert sum(isinstance(answer, Account) for answer in answers) == count


@pytest.mark.parametrize(
    ("data", "refusal"),
    [(None, InvalidInput), (b"", InvalidInput), (b"text", InvalidInput), (PNG + b"0" * 5 * 1024**2, ImageTooLarge)],
)
def test_invalid_or_too_large_image_is_refused_and_not_stored(data: bytes | None, refusal: type) -> None:
    world, storage, identity = logged_in()

    answer = upload(world, identity, data)

    assert isinstance(answer, refusal)
    if isinstance(answer, InvalidInput):
        assert {*answer.errors} == {"profile_image"}
    assert storage.stored == set()
    assert world.now(identity.account).image is None


def test_image_of_five_mebibytes_is_accepted() -> None:
    world, _, identity = logged_in()

    assert upload(world, identity, PNG.ljust(5 * 1024**2, b"0")).image


def test_upload_by_a_session_revoked_meanwhile_leaves_no_file() -> None:
    world, storage, identity = logged_in()
    before = upload(world, identity)

    def revoke() -> None:
        with world.database.begin() as tx:
            tx.sessions.revoke_all(before.id, world.clock())

    storage.meanwhile = revoke

    assert isinstance(upload(world, identity), InvalidToken)
    assert world.now(before) == before
    assert storage.stored == {before.image}


def test_new_file_is_kept_if_the_outcome_of_the_commit_is_unknown() -> None:
    world, storage, identity = logged_in()

    with ExitStack() as meanwhile:
        storage.meanwhile = lambda: meanwhile.enter_context(world.database.begin())
        with pytest.raises(RuntimeError):
            world.upload_image(identity=identity, profile_image=PNG)

    assert len(storage.stored) == 1
    assert world.now(identity.account).image is None


def test_upload_succeeds_even_if_the_previous_file_cannot_be_deleted() -> None:
    """The account already has the new image: a refusal would be wrong."""
    world, storage, identity = logged_in()
    old = upload(world, identity)
    storage.cannot_delete = True

    new = upload(world, identity)

    assert isinstance(new, Account)
    assert world.now(new).image == new.image != old.image


def test_refusal_is_raised_even_if_the_new_file_cannot_be_deleted() -> None:
    world, storage, identity = logged_in()
    storage.cannot_delete = True
    world.alter(identity.account, is_active=False)

    assert isinstance(upload(world, identity), InvalidToken)


def test_upload_without_an_active_session_is_refused() -> None:
    world, storage, identity = logged_in()
    world.alter(identity.account, is_active=False)

    assert isinstance(upload(world, identity), InvalidToken)
    assert storage.stored == set()
    assert not world.can_log_in("ann", PASSWORD)


def test_sweep_counts_unreferenced_images_and_deletes_them_on_request() -> None:
    world, storage, _ = logged_in()
    for name in map(str, range(BATCH)):
        world.alter(world.create_account(f"person{name}"), image=f"{name}.webp")
    world.create_account("zoe")
    identity = world.log_in_as("zoe")
    upload(world, identity)
    storage.cannot_delete = True
    kept = upload(world, identity).image
    storage.cannot_delete = False
    storage.clock.advance(hours=1)
    recent = storage.put(PNG)

    assert world.sweep_images() == SweepReport(images=2, unreferenced=1, deleted=0)
    assert len(storage.stored) == 3
    assert world.sweep_images(delete=True) == SweepReport(images=2, unreferenced=1, deleted=1)
    assert storage.stored == {kept, recent}
    assert world.sweep_images(delete=True) == SweepReport(images=1, unreferenced=0, deleted=0)


def test_sweep_deletes_nothing_if_all_images_are_unreferenced() -> None:
    world, storage, _ = logged_in()
    name = storage.put(PNG)
    storage.clock.advance(hours=2)

    assert world.sweep_images(delete=True) == SweepReport(images=1, unreferenced=1, deleted=0)
    assert world.read_image(name) == PNG


def test_sweep_that_cannot_delete_is_refused() -> None:
    world, storage, identity = logged_in()
    storage.put(PNG)
    upload(world, identity)
    storage.clock.advance(hours=2)
    storage.cannot_delete = True

    assert isinstance(outcome(lambda: world.sweep_images(delete=True)), Unavailable)
