"""Shares of places: those of accounts and networks, and their return."""

from contextlib import ExitStack

import pytest

from vestibule.application import Overloaded, RateLimited
from vestibule.entrypoints.concurrency.shares import Shares, UploadPlaces


def test_holder_has_its_share_and_gets_it_back() -> None:
    shares = Shares(2, policy="calls", retry_after=1)
    with shares.one("a"), shares.one("a"), shares.one("b"):
        with pytest.raises(RateLimited) as refusal, shares.one("a"):
            pass
        assert (refusal.value.retry_after, refusal.value.policy) == (1, "calls")
    with shares.one("a"), shares.one("a"):
        pass


def test_account_has_one_place_and_gets_it_back() -> None:
    places = UploadPlaces(24)
    with places.one(1, "192.0.2.1"):
        with pytest.raises(RateLimited) as refusal, places.one(1, "192.0.2.2"):
            pass
        assert (refusal.value.retry_after, refusal.value.policy) == (5, "uploads")
        with places.one(2, "192.0.2.2"):
            pass
    with pytest.raises(ZeroDivisionError), places.one(1, "192.0.2.1"):
        _ = 1 / 0
    with places.one(1, "192.0.2.1"):
        pass


def test_site_of_ipv6_has_the_places_of_one_network() -> None:
    places = UploadPlaces(24)
    with ExitStack() as held:
        for account in range(6):
            held.enter_context(places.one(account, f"2001:db8:1:{account}::/64"))
        with pytest.raises(RateLimited), places.one(6, "2001:db8:1:6::/64"):
            pass
        with places.one(6, "2001:db8:2::/64"):
            pass


def test_network_has_a_quarter_of_the_places() -> None:
    places = UploadPlaces(24)
    with ExitStack() as held:
        for account in range(6):
            held.enter_context(places.one(account, "192.0.2.1"))
        with pytest.raises(RateLimited), places.one(6, "192.0.2.1"):
            pass
        with places.one(6, "192.0.2.2"):
            pass
    with places.one(6, "192.0.2.1"):
        pass


def test_upload_beyond_all_places_is_overloaded() -> None:
    places = UploadPlaces(4)
    with ExitStack() as held:
        for account in range(4):
            held.enter_context(places.one(account, f"192.0.2.{account}"))
        with pytest.raises(Overloaded), places.one(4, "192.0.2.4"):
            pass


def test_lifted_shares_leave_the_number_of_places() -> None:
    places = UploadPlaces(4, are_shared=False)
    with ExitStack() as held:
        for _ in range(4):
            held.enter_context(places.one(1, "192.0.2.1"))
        with pytest.raises(Overloaded), places.one(1, "192.0.2.1"):
            pass
