"""The promises of each port as pytest classes: inherit one in a test module, fill the fixture that it names, and run pytest.

This package imports pytest, and needs nothing else beside Vestibule; `vestibule.testing` itself does without.
"""

from pytest import register_assert_rewrite

_MODULES = ("database", "hasher", "notifier", "storage", "throttle")
register_assert_rewrite(*(f"{__name__}.{module}" for module in _MODULES))  # a broken promise shows what was answered instead

from .database import DatabaseContract
from .hasher import HasherContract
from .notifier import NotifierContract
from .storage import StorageContract
from .throttle import ThrottleContract

__all__ = ["DatabaseContract", "HasherContract", "NotifierContract", "StorageContract", "ThrottleContract"]
