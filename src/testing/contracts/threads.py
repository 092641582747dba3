"""Frequent switches between threads, for tests of races."""

import sys
from collections.abc import Iterator

import pytest


class FrequentThreadSwitches:
    """A fixture that makes threads switch every microsecond, so that races show in a test and not only in use."""

    @pytest.fixture
    def frequent_thread_switches(self) -> Iterator[None]:
        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        yield
        sys.setswitchinterval(before)
