"""Threads in a hurry."""

import sys
from collections.abc import Iterator

import pytest


class SwitchingThreads:
    """Has threads give way to each other all the time, so that a race is lost in a test rather than in use."""

    @pytest.fixture
    def threads_that_switch_all_the_time(self) -> Iterator[None]:
        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        yield
        sys.setswitchinterval(before)
