"""The export over HTTP: headers, and faults before and after the first piece."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest
from litestar.exceptions import LitestarException
from litestar.testing import TestClient
from tests.http.conftest import URN, AppClient, vestibule_of
from tests.support.world import World

from vestibule.application import Unavailable
from vestibule.application.ports import AccountRecords
from vestibule.domain.account import Account
from vestibule.entrypoints.http import create_app


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_export_is_an_attachment_that_no_cache_stores(client: AppClient, method: str) -> None:
    token = client.token()
    answer = client.call(method, "/account/export/", token=token)
    number = client.call("GET", "/account/", token=token).json()["id"]
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="account-{number}.zip"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert ZipFile(BytesIO(answer.content)).testzip() is None


def test_head_of_an_export_has_no_body(client: AppClient) -> None:
    answer = client.call("HEAD", "/account/export/", token=client.token())
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"", "application/zip")


class FailingRecords:
    """Records of which so many rows can be read before the database is gone."""

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def read(self, account: Account) -> Iterator[tuple[str, Mapping[str, object]]]:
        yield "account", {"id": account.id}
        for number in range(self._rows):
            yield "audit_log", {"id": f"{number**20:x}"}
        raise Unavailable


def client_with(world: World, records: AccountRecords, **options: Any) -> AppClient:
    app = create_app(vestibule_of(world, export_account=replace(world.export_account, records=records)))
    return AppClient(TestClient(app, **options), world)


def test_fault_before_the_first_piece_is_answered_as_a_fault(world: World) -> None:
    client = client_with(world, FailingRecords(10))
    answer = client.call("GET", "/account/export/", token=client.token())
    assert (answer.status_code, answer.json()["type"]) == (503, f"{URN}unavailable")


def test_fault_after_the_first_piece_breaks_the_response_off(world: World) -> None:
    """A client must not take half a file for a whole one."""
    client = client_with(world, FailingRecords(20_000))
    with pytest.raises(LitestarException, match="after response started"):
        client.call("GET", "/account/export/", token=client.token())
