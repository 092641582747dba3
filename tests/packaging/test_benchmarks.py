"""The baselines of the benchmarks write the rows of this schema."""

from contextlib import closing

import pytest
from benchmarks.baselines import sqlite_write


@pytest.mark.parametrize("what", ["send", "verify", "refresh"])
def test_baseline_writes_rows_of_this_schema(what: str) -> None:
    with closing(sqlite_write(what)) as baseline:
        write = next(baseline)
        write()
        write()
