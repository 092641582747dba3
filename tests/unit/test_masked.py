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
def test_masked_address_reveals_only_its_ends(kind: Channel, address: str, shown: str) -> None:
    assert masked(kind, address) == shown
