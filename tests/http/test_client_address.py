"""The client address by which rate limits count."""

from ipaddress import IPv6Address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.http.conftest import ADA, URN, AppClient, OpenClient, call_asgi, vestibule_of
from tests.support.world import OTHER_PASSWORD, World

from vestibule import Limits, RateLimit
from vestibule.application import Caller
from vestibule.domain.networks import UNKNOWN_NETWORK as UNKNOWN
from vestibule.entrypoints.http import create_app
from vestibule.entrypoints.http.middleware.client_address import ClientAddress
from vestibule.entrypoints.settings import Settings

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def client_address(peer: str | None, *forwarded: str, trusted: Any = PROXIES) -> str | None:
    """Returns the address by which limits count."""
    return Caller(ClientAddress(trusted).find(peer, [(b"x-forwarded-for", text.encode()) for text in forwarded])).ip_address


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),  # any peer may send the header
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),  # hops to the left are unverified
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
def test_caller_is_the_first_untrusted_hop(peer: str | None, forwarded: list[str], address: str) -> None:
    assert client_address(peer, *forwarded) == address


def test_forwarded_address_is_ignored_without_trusted_proxies() -> None:
    assert client_address("10.0.0.1", "198.51.100.1", trusted=()) == "10.0.0.1"


@given(st.ip_addresses() | st.text(), st.lists(st.text() | st.ip_addresses().map(str)))
def test_any_forwarded_text_gives_a_valid_address(peer: Any, forwarded: list[str]) -> None:
    address = client_address(str(peer), ",".join(forwarded).encode("utf-8", "replace").decode("latin-1"))
    assert address is not None
    assert address == UNKNOWN or ip_network(address).prefixlen in {32, 64}


@given(st.integers(2**64, 2**128 - 1).map(IPv6Address))
def test_ipv6_addresses_of_one_64_bit_network_are_one_caller(address: IPv6Address) -> None:
    neighbour = IPv6Address(int(address) ^ 1)
    assert client_address(str(address), trusted=()) == client_address(str(neighbour), trusted=())


def test_all_calls_of_an_address_are_limited(world: World) -> None:
    app = create_app(world)
    statuses = [call_asgi(app, "GET", "/nowhere" if number % 2 else "/account/").status for number in range(300)]
    assert set(statuses) == {401, 404}
    refused = call_asgi(app, "GET", "/nowhere")
    headers = dict(refused.headers)
    assert (refused.status, headers[b"retry-after"], headers[b"cache-control"]) == (429, b"60", b"no-store")
    assert f"{URN}rate-limited".encode() in refused.body
    assert b"x-request-id" in headers
    assert call_asgi(app, "GET", "/nowhere", peer=("192.0.2.2", 1)).status == 404
    assert [call_asgi(app, "GET", path).status for path in ("/healthz", "/readyz/")] == [200, 200]
    world.clock.advance(60)
    assert call_asgi(app, "GET", "/nowhere").status == 404


def test_callers_without_address_share_one_limit(world: World) -> None:
    app = create_app(world)
    for number in range(300):
        call_asgi(app, "GET", "/nowhere", peer=None if number % 2 else ("", 0))
    assert call_asgi(app, "GET", "/nowhere", peer=None).status == 429


def test_limits_count_forwarded_addresses_of_trusted_proxies(world: World) -> None:
    app = create_app(vestibule_of(world, settings=Settings(trusted_proxies=PROXIES)))
    for number in range(301):
        forwarded = (b"x-forwarded-for", f"198.51.100.{number % 2}".encode())
        assert call_asgi(app, "GET", "/nowhere", peer=("10.0.0.1", 1), headers=[forwarded]).status == 404


def test_failed_logins_lead_to_429_with_retry_after(client: AppClient) -> None:
    client.registered()
    wrong = {"username": "ada", "password": OTHER_PASSWORD}
    unknown = {"username": "unknown", "password": OTHER_PASSWORD}
    for body in (wrong, unknown):
        assert [client.post("/login/", body).status_code for _ in range(5)] == [401] * 5
    answers = [client.post("/login/", body) for body in (wrong, unknown)]
    assert [answer.status_code for answer in answers] == [429, 429]
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["retry-after"] == answers[1].headers["retry-after"] == "300"
    client.world.clock.advance(300)
    assert client.post("/login/", {"username": "ada", "password": ADA["password"]}).status_code == 200


@pytest.mark.parametrize(("path", "limit"), [("/register/", 20), ("/isunique/", 30)])
def test_calls_that_reveal_accounts_have_their_own_limit(path: str, limit: int, client: AppClient) -> None:
    *answers, refused = [client.post(path, {}) for _ in range(limit + 1)]
    assert [answer.status_code for answer in answers] == [400] * limit
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert refused.headers["ratelimit-policy"].endswith(f'";q={limit};w=60')
    assert refused.headers["ratelimit"].endswith('";r=0;t=60')


def test_operator_sets_the_limit_of_all_calls(open_client: OpenClient) -> None:
    client = open_client(limits=Limits(calls_per_network=(RateLimit(2, 10), RateLimit(3, 60))))
    assert [client.call("GET", "/.well-known/jwks.json").status_code for _ in range(3)] == [200, 200, 429]
    client.world.clock.advance(10)
    assert client.call("GET", "/.well-known/jwks.json").status_code == 200
    refused = client.call("GET", "/.well-known/jwks.json")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "50")
    assert refused.headers["ratelimit-policy"] == '"calls";q=3;w=60'
    assert refused.headers["ratelimit"] == '"calls";r=0;t=50'


def test_use_case_receives_the_caller(world: World) -> None:
    app = create_app(world)
    body = [b'{"username": "unknown", "password": "some password"}']
    call_asgi(app, "POST", "/login/", body, headers=[(b"content-type", b"application/json")], peer=None)
    (event,) = world.events()
    assert event.caller != Caller()
    assert event.caller.ip_address == UNKNOWN


def test_networks_of_one_site_share_sixteen_times_the_limit_of_one() -> None:
    world = World(limits=Limits(calls_per_network=(RateLimit(2, 60),)))
    app = create_app(world)

    def status(network: int, site: int = 1) -> int:
        return call_asgi(app, "GET", "/.well-known/jwks.json", [], peer=(f"2001:db8:{site}:{network:x}::1", 4000)).status

    assert [status(1) for _ in range(3)] == [200, 200, 429]
    assert [status(network) for network in range(2, 40)] == [200] * 30 + [429] * 8
    assert status(1, site=2) == 200
