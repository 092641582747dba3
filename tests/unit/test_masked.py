import pytest

from vestibule.application import Kind
from vestibule.entrypoints.cli.outbox import masked


@pytest.mark.parametrize(
    ("kind", "address", "shown"),
    [
        (Kind.EMAIL, "ada@example.org", "a***@e***.org"),
        (Kind.EMAIL, "a@mail.example.co.uk", "a***@m***.uk"),
        (Kind.EMAIL, "root@localhost", "r***@l***.localhost"),
        (Kind.MOBILE, "+4915112345678", "***78"),
    ],
)
def test_a_masked_address_is_recognised_by_who_knows_it_and_by_nobody_else(kind: Kind, address: str, shown: str) -> None:
    assert masked(kind, address) == shown
