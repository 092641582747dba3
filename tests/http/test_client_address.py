"""Whom limits are counted by, and that they are."""

from ipaddress import IPv6Address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.http.conftest import ADA, URN, Site, ask_raw, vestibule_of
from tests.support.world import OTHER_PASSWORD, World

from vestibule.application import Caller
from vestibule.entrypoints.http import create_app
from vestibule.entrypoints.http.middleware.client_address import UNKNOWN, ClientAddress
from vestibule.entrypoints.settings import Settings

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def seen(peer: str | None, *forwarded: str, trusted: Any = PROXIES) -> str:
    return ClientAddress(trusted).find(peer, [(b"x-forwarded-for", one.encode()) for one in forwarded])


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),  # anyone may claim anything
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),  # what stands to the left was claimed
        ("10.0.0.1", ["203.0.113.9", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, 10.2.3.4"], "198.51.100.1"),
        ("10.0.0.1", ["10.9.9.9, 10.2.3.4"], "10.9.9.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["garbage"], UNKNOWN),
        ("10.0.0.1", ["198.51.100.1, garbage"], UNKNOWN),
        ("10.0.0.1", ["198.51.100.1,"], UNKNOWN),
        ("::ffff:192.0.2.1", [], "192.0.2.1"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        ("fd00::1", ["2001:db8:1:2::7"], "2001:db8:1:2::/64"),
        ("", [], UNKNOWN),
        ("a socket", [], UNKNOWN),
        (None, [], UNKNOWN),
    ],
)
def test_the_caller_is_the_first_that_no_trusted_proxy_vouches_for(
    peer: str | None, forwarded: list[str], address: str
) -> None:
    assert seen(peer, *forwarded) == address


def test_without_trusted_proxies_nothing_forwarded_is_believed() -> None:
    assert seen("10.0.0.1", "198.51.100.1", trusted=()) == "10.0.0.1"


@given(st.ip_addresses() | st.text(), st.lists(st.text() | st.ip_addresses().map(str)))
def test_whatever_is_forwarded_the_answer_can_be_limited_by(peer: Any, forwarded: list[str]) -> None:
    address = seen(str(peer), ",".join(forwarded).encode("utf-8", "replace").decode("latin-1"))
    assert address == UNKNOWN or ip_network(address).prefixlen in {32, 64}


@given(st.integers(2**64, 2**128 - 1).map(IPv6Address))
def test_an_ipv6_network_of_64_bits_is_one_caller(address: IPv6Address) -> None:
    neighbour = IPv6Address(int(address) ^ 1)
    assert seen(str(address), trusted=()) == seen(str(neighbour), trusted=())


def test_any_call_300_a_minute_and_address(world: World) -> None:
    app = create_app(world)
    statuses = [ask_raw(app, "GET", "/nowhere" if number % 2 else "/account/").status for number in range(300)]
    assert set(statuses) == {401, 404}
    refused = ask_raw(app, "GET", "/nowhere")
    headers = dict(refused.headers)
    assert (refused.status, headers[b"retry-after"], headers[b"cache-control"]) == (429, b"60", b"no-store")
    assert f"{URN}rate-limited".encode() in refused.body
    assert b"x-request-id" in headers
    assert ask_raw(app, "GET", "/nowhere", peer=("192.0.2.2", 1)).status == 404
    assert [ask_raw(app, "GET", path).status for path in ("/healthz", "/readyz/")] == [200, 200]
    world.clock.advance(60)
    assert ask_raw(app, "GET", "/nowhere").status == 404


def test_callers_without_an_address_share_a_limit(world: World) -> None:
    app = create_app(world)
    for number in range(300):
        ask_raw(app, "GET", "/nowhere", peer=None if number % 2 else ("", 0))
    assert ask_raw(app, "GET", "/nowhere", peer=None).status == 429


def test_limits_see_through_a_trusted_proxy(world: World) -> None:
    app = create_app(vestibule_of(world, settings=Settings(trusted_proxies=PROXIES)))
    for number in range(301):
        forwarded = (b"x-forwarded-for", f"198.51.100.{number % 2}".encode())
        assert ask_raw(app, "GET", "/nowhere", peer=("10.0.0.1", 1), headers=[forwarded]).status == 404


def test_wrong_logins_end_in_a_429_that_tells_when_to_come_back(site: Site) -> None:
    site.registered()
    wrong = {"username": "ada", "password": OTHER_PASSWORD}
    unknown = {"username": "nobody", "password": OTHER_PASSWORD}
    for body in (wrong, unknown):
        assert [site.post("/login/", body).status_code for _ in range(5)] == [401] * 5
    answers = [site.post("/login/", body) for body in (wrong, unknown)]
    assert [answer.status_code for answer in answers] == [429, 429]
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["retry-after"] == answers[1].headers["retry-after"] == "300"
    site.world.clock.advance(300)
    assert site.post("/login/", {"username": "ada", "password": ADA["password"]}).status_code == 200


@pytest.mark.parametrize(("path", "limit"), [("/register/", 20), ("/isunique/", 30)])
def test_what_tells_of_accounts_has_a_limit_of_its_own(path: str, limit: int, site: Site) -> None:
    statuses = [site.post(path, {}).status_code for _ in range(limit + 1)]
    assert statuses == [400] * limit + [429]


def test_nobody_reaches_a_use_case_unnamed(world: World) -> None:
    app = create_app(world)
    body = [b'{"username": "nobody", "password": "some password"}']
    ask_raw(app, "POST", "/login/", body, headers=[(b"content-type", b"application/json")], peer=None)
    (event,) = world.events()
    assert event.caller != Caller()
    assert event.caller.address == UNKNOWN
