"""`ImportImages`: the images of imported accounts."""

from dataclasses import replace

import pytest
from tests.support.imports import ListSource, row, run_import
from tests.support.world import PASSWORD, PNG, World

from vestibule.adapters.images import PassThroughImages
from vestibule.adapters.storage import MemoryStorage
from vestibule.application import PROGRAM, EventType, ImportCode, RowReport, Unavailable
from vestibule.application.image import MAX_BYTES
from vestibule.testing import ManualClock

FILES = {"a.png": PNG, "b.png": PNG + b"b", "text.png": b"no image", "large.png": PNG + bytes(MAX_BYTES)}


@pytest.fixture
def world() -> World:
    return World()


def run_images(world: World, source: ListSource) -> list[RowReport]:
    return list(world.import_images(operator=PROGRAM, source=source))


def imported(world: World, *names: str | None) -> ListSource:
    source = ListSource([row(number, image=name) for number, name in enumerate(names, 1)], images=dict(FILES))
    run_import(world, source=source)
    return source


def test_images_are_stored_like_uploads(world: World) -> None:
    source = imported(world, "a.png", None, "b.png")
    reports = run_images(world, source)
    assert [(report.account_id, report.username, report.remarks) for report in reports] == [(1, "user1", ()), (3, "user3", ())]
    account = world.database.accounts.get(1)
    assert account is not None
    assert account.image is not None
    assert world.read_image(account.image) == PNG
    assert [event.detail for event in world.events(EventType.IMAGE_CHANGED)] == ["test:users", "test:users"]
    assert run_images(world, source) == []


def test_more_images_than_a_page_are_imported(world: World) -> None:
    source = imported(world, *["a.png"] * 101)
    assert len(run_images(world, source)) == 101


def test_pass_that_was_cut_off_goes_on(world: World) -> None:
    source = imported(world, "a.png", "b.png")
    next(world.import_images(operator=PROGRAM, source=source))
    assert [report.account_id for report in run_images(world, source)] == [2]


def test_missing_unreadable_and_large_images_are_left_out_and_told(world: World) -> None:
    reports = run_images(world, imported(world, "none.png", "text.png", "large.png"))
    said = [(remark.code, remark.text) for report in reports for remark in report.remarks]
    assert [code for code, _ in said] == [ImportCode.IMAGE_MISSING, ImportCode.IMAGE_UNREADABLE, ImportCode.IMAGE_UNREADABLE]
    assert said[0][1] == "image 'none.png': left out, there is no such file"
    assert said[2][1] == f"image 'large.png': left out. It has more than {MAX_BYTES} bytes."
    assert run_images(world, imported(world)) == []


def test_image_that_was_uploaded_here_stays(world: World) -> None:
    record = row(1, image="a.png", password_hash=world.hasher.hash(PASSWORD))
    source = ListSource([record], images=dict(FILES))
    run_import(world, source=source)
    own = world.upload_image(identity=world.log_in_as("user1"), profile_image=PNG + b"own")
    [report] = run_images(world, source)
    assert [remark.code for remark in report.remarks] == [ImportCode.KEPT]
    assert world.now(own).image == own.image
    assert len(list(world.upload_image.storage.names(older_than=0))) == 1


def test_new_image_in_the_source_replaces_the_imported_one(world: World) -> None:
    source = imported(world, "a.png")
    run_images(world, source)
    source.rows = [row(1, image="b.png")]
    [report] = run_import(world, source=source)
    assert report.outcome == "updated"
    run_images(world, source)
    account = world.database.accounts.get(1)
    assert account is not None
    assert world.read_image(account.image or "") == PNG + b"b"
    assert len(list(world.upload_image.storage.names(older_than=0))) == 1
    source.rows = [row(1)]
    assert [one.outcome for one in run_import(world, source=source)] == ["unchanged"]


def test_image_that_is_not_imported_yet_survives_other_changes(world: World) -> None:
    source = imported(world, "a.png")
    source.rows = [replace(row(1, image="a.png"), name="Ann")]
    run_import(world, source=source)
    assert len(run_images(world, source)) == 1


def test_account_that_was_removed_meanwhile_gets_no_image(world: World) -> None:
    source = imported(world, "a.png")
    with world.database.begin() as tx:  # without the mark that a deletion leaves
        tx.accounts.lock(1)
        tx.accounts.delete(1)
    [report] = run_images(world, source)
    assert report.username is None
    assert list(world.upload_image.storage.names(older_than=0)) == []


class StuckStorage(MemoryStorage):
    """A storage whose files cannot be deleted now."""

    def delete(self, name: str) -> None:
        raise Unavailable


def test_file_that_cannot_be_deleted_now_does_not_stop_the_import() -> None:
    world = World(storage=StuckStorage(ManualClock()), images=PassThroughImages())
    source = imported(world, "a.png")
    run_images(world, source)
    source.rows = [row(1, image="b.png")]
    run_import(world, source=source)
    assert len(run_images(world, source)) == 1
