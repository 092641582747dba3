"""Whether the table of `own_accounts_table` keeps every promise of the port `Database`.

python -m pytest examples/test_own_accounts_table.py
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from examples.own_accounts_table import ACCOUNTS, main, make_tables

from vestibule.adapters.database import SqlDatabase, migrate
from vestibule.testing.contracts import DatabaseContract


class TestAccountsOfMine(DatabaseContract):
    @pytest.fixture
    def database(self, tmp_path: Path) -> Iterator[SqlDatabase]:
        url = f"sqlite:///{tmp_path / 'shop.db'}"
        migrate(url)
        make_tables(url)
        with SqlDatabase(url, accounts=ACCOUNTS) as database:
            yield database


def test_members_register_log_in_and_are_joined_with_their_orders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(tmp_path)
    assert capsys.readouterr().out == "ada ordered 2 things; newsletter: True\nactive: False, newsletter: True\n"
