"""The promises of each port as pytest classes: inherit one in a test module, fill the fixture that it names, and run pytest.

This package imports pytest, and needs nothing else beside Vestibule; `vestibule.testing` itself does without.
"""

from pytest import register_assert_rewrite

register_assert_rewrite(f"{__name__}.database")  # a broken promise shows what was answered instead

from .database import DatabaseContract  # noqa: E402 — imported once pytest knows

__all__ = [
    "DatabaseContract",
]
