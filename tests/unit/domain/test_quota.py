"""The shares of the hourly totals."""

from typing import Any

import pytest

from vestibule.domain.account import AddressKind
from vestibule.domain.quota import HourlyQuota
from vestibule.domain.rate_limits import HOUR, RateLimit, SlidingWindow

EMAIL, MOBILE = AddressKind.EMAIL, AddressKind.MOBILE
KNOWN: dict[str, Any] = {"is_known": True, "network": "192.0.2.1"}
UNKNOWN: dict[str, Any] = {"network": "192.0.2.1"}
NOTICE: dict[str, Any] = {"is_notice": True, "network": "192.0.2.1"}


class Messages:
    """Counts messages in the windows that a quota names."""

    def __init__(self, **per_hour: int) -> None:
        self._quota = HourlyQuota({AddressKind(kind): total for kind, total in per_hour.items()})
        self._windows: dict[str, SlidingWindow] = {}
        self.now = 1_700_000_000.0

    def accepts(self, kind: AddressKind = EMAIL, **message: Any) -> bool:
        keyed = self._quota.windows(kind, **message)
        windows = [(self._windows.get(key, SlidingWindow(key)), limits) for key, limits in keyed]
        if any(window.retry_after(limits, self.now) for window, limits in windows):
            return False
        self._windows |= {window.key: window.with_hit(limits, self.now) for window, limits in windows}
        return True

    def accepted(self, number: int, **message: Any) -> int:
        return sum(self.accepts(**message) for _ in range(number))


def network(number: int) -> dict[str, Any]:
    return {"network": f"198.51.100.{number}"}


def accepted_of_many(messages: Messages, number: int, **message: Any) -> int:
    """The number of accepted messages, each caused by another network."""
    return sum(messages.accepts(**network(each), **message) for each in range(number))


@pytest.mark.parametrize(
    ("total", "from_unknown", "of_one_network", "notices"),
    [
        (1, 1, 1, 1),
        (2, 2, 1, 1),
        (3, 2, 1, 1),
        (5, 4, 1, 1),
        (9, 6, 1, 3),
        (10, 7, 2, 3),
        (100, 67, 20, 33),
        (1000, 667, 200, 333),
    ],
)
def test_shares_of_the_total(total: int, from_unknown: int, of_one_network: int, notices: int) -> None:
    for message in (KNOWN, UNKNOWN, NOTICE):
        assert Messages(email=total).accepted(total + 1, **message) == of_one_network
    assert Messages(email=total).accepted(total + 1, is_known=True, network=None) == total
    assert Messages(email=total).accepted(total + 1, is_notice=True, network=None) == notices
    assert Messages(email=total).accepted(total + 1, network=None) == from_unknown
    messages = Messages(email=total)
    assert sum(messages.accepts(**network(number % 250)) for number in range(2 * total)) == from_unknown


def test_a_third_is_kept_for_known_networks() -> None:
    messages = Messages(email=90)
    assert accepted_of_many(messages, 90, is_notice=True) == 30
    assert accepted_of_many(messages, 90) == 30
    assert accepted_of_many(messages, 90, is_known=True) == 30
    messages.now += HOUR
    assert messages.accepts(**NOTICE)


def test_refused_message_uses_up_nothing() -> None:
    messages = Messages(email=10)
    assert messages.accepted(500, **UNKNOWN) == 2
    assert accepted_of_many(messages, 10, is_known=True) == 8


def test_shares_of_one_network_are_apart() -> None:
    """One that is full for codes as an unknown network has room as a known one, and for notices."""
    messages = Messages(email=100)
    assert [messages.accepted(500, **message) for message in (UNKNOWN, NOTICE, KNOWN)] == [20, 20, 20]


def test_mails_and_sms_are_counted_apart() -> None:
    messages = Messages(email=1, mobile=2)
    assert [messages.accepts(EMAIL, **KNOWN) for _ in range(2)] == [True, False]
    assert [messages.accepts(MOBILE, is_known=True) for _ in range(3)] == [True, True, False]


def test_kind_without_a_total_is_not_limited() -> None:
    assert HourlyQuota({EMAIL: 1}).windows(MOBILE, **UNKNOWN) == ()
    assert Messages(email=1).accepted(5, kind=MOBILE, **UNKNOWN) == 5


def test_a_site_of_ipv6_has_the_share_of_one_network() -> None:
    messages = Messages(email=100)
    assert sum(messages.accepts(network=f"2001:db8:1:{number:x}::/64") for number in range(100)) == 20
    assert messages.accepts(network="2001:db8:2::/64")


def test_windows_are_named_for_one_statement_that_locks_them() -> None:
    hourly = (RateLimit(100, HOUR),)
    assert HourlyQuota({MOBILE: 100}).windows(MOBILE, **UNKNOWN) == (
        ("quota:mobile", hourly),
        ("quota:mobile:others", (RateLimit(67, HOUR),)),
        ("quota:mobile:codes@192.0.2.1", (RateLimit(20, HOUR),)),
    )
    assert HourlyQuota({MOBILE: 100}).windows(MOBILE, **KNOWN) == (
        ("quota:mobile", hourly),
        ("quota:mobile:known@192.0.2.1", (RateLimit(20, HOUR),)),
    )
