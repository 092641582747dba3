"""The promises of each port as pytest classes: inherit one in a test module, define the fixture that it names, and run pytest.

This package imports pytest, and needs nothing else beside Vestibule; `vestibule.testing` itself does without.
"""

from pytest import register_assert_rewrite

_MODULES = (
    *("codes", "database", "devices", "hasher", "identifiers", "images"),
    *("legacy_directory", "notifier", "rate_limiter", "storage", "tokens"),
)
register_assert_rewrite(*(f"{__name__}.{module}" for module in _MODULES))  # a broken promise shows what was answered instead

from .codes import CodesContract
from .database import DatabaseContract
from .devices import DevicesContract
from .hasher import HasherContract
from .identifiers import IdentifiersContract
from .images import ImagesContract
from .legacy_directory import LegacyDirectoryContract
from .notifier import NotifierContract
from .rate_limiter import RateLimiterContract
from .storage import StorageContract
from .tokens import TokensContract

__all__ = [
    "CodesContract",
    "DatabaseContract",
    "DevicesContract",
    "HasherContract",
    "IdentifiersContract",
    "ImagesContract",
    "LegacyDirectoryContract",
    "NotifierContract",
    "RateLimiterContract",
    "StorageContract",
    "TokensContract",
]
