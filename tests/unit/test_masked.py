import pytest

from vestibule.application import Channel
from vestibule.entrypoints.cli.outbox import masked


@pytest.mark.parametrize(
    ("kind", "address", "shown"),
    [
        (Channel.EMAIL, "ada@example.org", "a***@e***.org"),
        (Channel.EMAIL, "a@mail.example.co.uk", "a***@m***.uk"),
        (Channel.EMAIL, "root@localhost", "r***@l***.localhost"),
        (Channel.MOBILE, "+4915112345678", "***78"),
        (Channel.WEBHOOK, "webhook", "webhook"),
    ],
)
def test_a_masked_address_is_recognised_by_who_knows_it_and_by_nobody_else(kind: Channel, address: str, shown: str) -> None:
    assert masked(kind, address) == shown
