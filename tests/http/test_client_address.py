"""The client address by which rate limits count."""

import time
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
    return found(peer, *(f"X-Forwarded-For: {text}" for text in forwarded), trusted=trusted)


def found(peer: str | None, *lines: str, trusted: Any = PROXIES, header: str | None = None) -> str | None:
    """Returns the address by which limits count, from lines of headers."""
    headers = [(name, text.decode("utf-8").encode("latin-1", "replace")) for name, text in pairs(*lines)]
    return Caller(ClientAddress(trusted, header).find(peer, headers)).ip_address


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


FORGED = "198.51.100.99"
SPELLINGS = {
    "203.0.113.7": "203.0.113.7",
    " 203.0.113.7\t": "203.0.113.7",
    "203.0.113.7:51234": "203.0.113.7",
    '"203.0.113.7:51234"': "203.0.113.7",
    "::ffff:203.0.113.7": "203.0.113.7",
    "[::ffff:203.0.113.7]:51234": "203.0.113.7",
    "2001:db8:1:2::7": "2001:db8:1:2::/64",
    "2001:DB8:1:2:0:0:0:7": "2001:db8:1:2::/64",
    "2001:db8:1:2:0:0:0:7:51234": "2001:db8:1:2::/64",
    "[2001:db8:1:2::7]": "2001:db8:1:2::/64",
    "[2001:db8:1:2::7]:443": "2001:db8:1:2::/64",
    '"[2001:db8:1:2::7]:443"': "2001:db8:1:2::/64",
    "203.0.113.7:": UNKNOWN,
    "203.0.113.7:https": UNKNOWN,
    "203.0.113.7:123456": UNKNOWN,
    "203.0.113": UNKNOWN,
    "203.0.113.07": UNKNOWN,
    "203.0.113.7/32": UNKNOWN,
    "[2001:db8:1:2::7": UNKNOWN,
    "[]": UNKNOWN,
    "unknown": UNKNOWN,
    "_hidden": UNKNOWN,
    "localhost": UNKNOWN,
    "unix:": UNKNOWN,
}


@pytest.mark.parametrize(("written", "address"), SPELLINGS.items(), ids=SPELLINGS)
def test_address_is_read_in_every_spelling_of_proxies(written: str, address: str) -> None:
    assert found("10.0.0.1", f"X-Forwarded-For: {FORGED}, {written}") == address
    assert found("10.0.0.1", f"X-Forwarded-For: {FORGED}", f"X-Forwarded-For: {written}, 10.2.3.4:80") == address
    assert found("10.0.0.1", f"CF-Connecting-IP: {written}", header="cf-connecting-ip") == address


ELEMENTS = {
    "for=203.0.113.7": "203.0.113.7",
    "FOR=203.0.113.7;Proto=https": "203.0.113.7",
    'proto=https; by=10.0.0.1 ;for="203.0.113.7:51234";': "203.0.113.7",
    "proto=https;for=203.0.113.7:51234": "203.0.113.7",
    'for="[2001:db8:1:2::7]:4711"': "2001:db8:1:2::/64",
    'for="[2001:db8:1:2::7]:_port"': "2001:db8:1:2::/64",
    "for=2001:db8:1:2::7": "2001:db8:1:2::/64",
    'for=203.0.113.7;host="a, for=198.51.100.99"': "203.0.113.7",
    'host="a;for=198.51.100.99";for=203.0.113.7': "203.0.113.7",
    r'host="a, for=\"198.51.100.99\"";for=203.0.113.7': "203.0.113.7",
    r'for="203.0.113\.7"': "203.0.113.7",
    "for=unknown": UNKNOWN,
    'for="_hidden"': UNKNOWN,
    "for=": UNKNOWN,
    "proto=https": UNKNOWN,
    "for=203.0.113.7;for=203.0.113.8": UNKNOWN,
    "203.0.113.7": UNKNOWN,
    'for="203.0.113.7': UNKNOWN,
    "for=203.0.113.7;": "203.0.113.7",
    "": UNKNOWN,
}


@pytest.mark.parametrize(("element", "address"), ELEMENTS.items(), ids=ELEMENTS)
@pytest.mark.parametrize("forged", [f"for={FORGED}", 'for="', r'for="\\', "for=a;", '"', "for=a=b", ",", "for", " "])
def test_element_of_forwarded_is_read_after_anything_that_a_caller_sent(forged: str, element: str, address: str) -> None:
    assert found("10.0.0.1", f"Forwarded: {forged}, {element}") == address
    assert found("10.0.0.1", f"Forwarded: {forged}", f"Forwarded: {element}") == address
    assert found("10.0.0.1", f"Forwarded: {forged}, {element}, for=10.2.3.4;proto=http") == address


CLIENT, CLIENT_6 = "203.0.113.7", "2001:db8:85a3::8a2e:370:7334"
NETWORK_6 = "2001:db8:85a3::/64"
PRODUCTS: dict[str, tuple[tuple[str, ...], str]] = {
    # Each writes its headers after those of a caller, who forged one; the forms are those of its documentation.
    "nginx, $remote_addr": ((f"X-Forwarded-For: {CLIENT}", "X-Forwarded-Proto: https"), CLIENT),
    "nginx, $proxy_add_x_forwarded_for": ((f"X-Forwarded-For: {FORGED}, {CLIENT}",), CLIENT),
    "nginx, two in a row": ((f"X-Forwarded-For: {FORGED}, {CLIENT}, 10.1.1.1",), CLIENT),
    "HAProxy, option forwardfor": ((f"X-Forwarded-For: {FORGED}", f"X-Forwarded-For: {CLIENT}"), CLIENT),
    "HAProxy, option forwarded": ((f"Forwarded: for={FORGED}", f"Forwarded: proto=https;for={CLIENT}"), CLIENT),
    "HAProxy, option forwarded, IPv6": ((f'Forwarded: proto=http;for="[{CLIENT_6}]:40922"',), NETWORK_6),
    "Caddy": ((f"X-Forwarded-For: {CLIENT}", "X-Forwarded-Proto: https", "X-Forwarded-Host: example.org"), CLIENT),
    "Traefik": ((f"X-Forwarded-For: {FORGED}, {CLIENT}", f"X-Real-Ip: {CLIENT}", "X-Forwarded-Prefix: /accounts"), CLIENT),
    "Apache": ((f"X-Forwarded-For: {FORGED}, {CLIENT}", "X-Forwarded-Server: example.org"), CLIENT),
    "Envoy": ((f"X-Forwarded-For: {FORGED},{CLIENT}", "X-Envoy-External-Address: 203.0.113.7"), CLIENT),
    "AWS ALB": ((f"X-Forwarded-For: {FORGED}, {CLIENT}", "X-Forwarded-Port: 443"), CLIENT),
    "AWS ALB with client ports": ((f"X-Forwarded-For: {FORGED}, {CLIENT}:8080",), CLIENT),
    "AWS ALB with client ports, IPv6": ((f"X-Forwarded-For: [{CLIENT_6}]:8080",), NETWORK_6),
    "AWS CloudFront, ALB": ((f"X-Forwarded-For: {FORGED}, {CLIENT}, 10.130.0.9",), CLIENT),
    "AWS API Gateway, HTTP API": ((f"Forwarded: by=10.3.3.3;for={CLIENT};host=a1.execute-api.example;proto=https",), CLIENT),
    "AWS API Gateway, REST API": ((f"X-Forwarded-For: {CLIENT}, 10.130.0.9",), CLIENT),
    "Azure Application Gateway": ((f"X-Forwarded-For: {FORGED}, {CLIENT}:51234", "X-Original-Host: example.org"), CLIENT),
    "Azure Front Door": ((f"X-Forwarded-For: {FORGED}, {CLIENT}", f"X-Azure-SocketIP: {CLIENT}"), CLIENT),
    "Google Cloud": ((f"X-Forwarded-For: {FORGED},{CLIENT},10.35.0.1", "Via: 1.1 google"), CLIENT),
    "Cloudflare": ((f"X-Forwarded-For: {FORGED},{CLIENT}", f"CF-Connecting-IP: {CLIENT}"), CLIENT),
    "Cloudflare, nginx": ((f"X-Forwarded-For: {CLIENT_6}, 10.162.1.1",), NETWORK_6),
}


@pytest.mark.parametrize(("lines", "address"), PRODUCTS.values(), ids=PRODUCTS)
def test_headers_of_each_product_give_the_callers_address(
    lines: tuple[str, ...], address: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert found("10.0.0.1", *lines) == address
    assert caplog.records == []


SINGLE = {
    "CF-Connecting-IP": CLIENT,
    "True-Client-IP": CLIENT,
    "X-Real-IP": CLIENT,
    "X-Azure-SocketIP": CLIENT,
    "CloudFront-Viewer-Address": f"{CLIENT}:46532",
}


@pytest.mark.parametrize(("name", "text"), SINGLE.items(), ids=SINGLE)
def test_header_that_the_operator_names_is_the_only_one_read(name: str, text: str) -> None:
    lines = (f"X-Forwarded-For: {FORGED}", f"Forwarded: for={FORGED}", f"{name}: {text}")
    assert found("10.0.0.1", *lines, header=name) == CLIENT
    assert found("192.0.2.1", *lines, header=name) == "192.0.2.1"


def pairs(*lines: str) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), text.encode()) for name, _, text in (line.partition(": ") for line in lines)]


WRITTEN = {"X-Forwarded-For": "X-Forwarded-For: {}", "Forwarded": "Forwarded: for={}"}


@pytest.mark.parametrize("written", WRITTEN)
def test_caller_gains_nothing_by_the_header_that_the_proxy_does_not_write(
    written: str, caplog: pytest.LogCaptureFixture
) -> None:
    own, other = WRITTEN[written], next(line for name, line in WRITTEN.items() if name != written)
    client_address = ClientAddress(PROXIES)

    def address(*lines: str, peer: str = "10.0.0.1") -> str | None:
        return Caller(client_address.find(peer, pairs(*lines))).ip_address

    assert address(own.format(CLIENT), other.format(CLIENT)) == CLIENT
    assert address(own.format(CLIENT), other.format(FORGED)) == UNKNOWN, "nothing tells yet which one the proxy wrote"
    (message,) = caplog.messages
    assert "10.0.0.1 forwards different addresses" in message
    assert "VESTIBULE_CLIENT_ADDRESS_HEADER" in message
    assert address() == "10.0.0.1", "a call from the proxy itself tells nothing"
    assert address(own.format("203.0.113.8"), "X-Other: a") == "203.0.113.8"
    caplog.clear()
    for forged in (FORGED, "garbage", '"', CLIENT, ""):
        assert address(own.format(CLIENT), other.format(forged)) == CLIENT
        assert address(other.format(forged), own.format(CLIENT)) == CLIENT
    assert address(own.format(CLIENT), other.format(FORGED), peer="10.0.0.2") == UNKNOWN, "another proxy may write otherwise"
    assert address(other.format(CLIENT), peer="10.0.0.3") == CLIENT
    assert [message.partition(" ")[0] for message in caplog.messages] == ["10.0.0.2"]


def test_header_of_the_setting_settles_which_one_counts(caplog: pytest.LogCaptureFixture) -> None:
    for name, line in WRITTEN.items():
        other = next(text for key, text in WRITTEN.items() if key != name)
        assert found("10.0.0.1", line.format(CLIENT), other.format(FORGED), header=name) == CLIENT
    assert caplog.messages == []


def test_many_proxies_are_remembered_within_bounds() -> None:
    client_address = ClientAddress((ip_network("10.0.0.0/8"),))
    for number in range(3000):
        peer = f"10.0.{number // 250}.{number % 250}"
        assert client_address.find(peer, pairs(f"X-Forwarded-For: {CLIENT}")) == CLIENT
        both = pairs(f"X-Forwarded-For: {CLIENT}", f"Forwarded: for={FORGED}")
        assert client_address.find(peer, both) == CLIENT
    assert len(client_address._written) <= 1000  # noqa: SLF001 — nothing else shows the bound


@pytest.mark.parametrize(
    ("peer", "lines", "address", "warning"),
    [
        (
            "10.0.0.1",
            ["X-Forwarded-For: unknown"],
            UNKNOWN,
            "10.0.0.1 forwards no readable address in X-Forwarded-For: let it ",
        ),
        (
            "10.0.0.1",
            ["Forwarded: for=_a, for=10.2.3.4"],
            UNKNOWN,
            "10.2.3.4 forwards no readable address in Forwarded: let it ",
        ),
        ("10.0.0.1", [], "10.0.0.1", "10.0.0.1 forwards no address of its caller: let it write X-Forwarded-For or Forwarded; "),
        ("192.168.0.9", ["X-Forwarded-For: 203.0.113.7"], "192.168.0.9", "192.168.0.9 sends X-Forwarded-For without being"),
        ("192.168.0.9", ["Forwarded: for=203.0.113.7"], "192.168.0.9", "add a proxy to VESTIBULE_TRUSTED_PROXIES"),
    ],
)
def test_log_names_once_a_proxy_whose_callers_share_a_limit(
    peer: str, lines: list[str], address: str, warning: str, caplog: pytest.LogCaptureFixture
) -> None:
    client_address = ClientAddress(PROXIES)
    for _ in range(3):
        assert Caller(client_address.find(peer, pairs(*lines))).ip_address == address
    (message,) = caplog.messages
    assert warning in message
    assert "share one limit" in message
    assert "203.0.113.7" not in message


def test_log_names_no_caller_that_is_no_proxy(caplog: pytest.LogCaptureFixture) -> None:
    assert found("8.8.8.8", "X-Forwarded-For: 203.0.113.7") == "8.8.8.8"
    assert found("8.8.8.8", "X-Forwarded-For: 203.0.113.7", trusted=()) == "8.8.8.8"
    assert ClientAddress(PROXIES).find("10.0.0.1", [], is_probe=True) == "10.0.0.1"
    assert caplog.messages == []


def test_ten_warnings_are_the_most(caplog: pytest.LogCaptureFixture) -> None:
    client_address = ClientAddress(PROXIES)
    for number in range(100):
        client_address.find(f"10.0.0.{number}", [])
    assert len(caplog.messages) == 10


@given(st.lists(st.text() | st.sampled_from(["for=", '"', ",", ";", "\\", "10.0.0.1", "203.0.113.8", "=", " ", "host=x"])))
def test_no_text_of_a_caller_changes_the_address_that_the_proxy_adds(parts: list[str]) -> None:
    text = "".join(parts).encode("latin-1", "replace").decode("latin-1")
    for element in ('for=203.0.113.7;host="a,b"', 'proto=http;for="203.0.113.7:1"'):
        assert found("10.0.0.1", f"Forwarded: {text},{element}") == CLIENT
    assert found("10.0.0.1", f"X-Forwarded-For: {text},{CLIENT}:1") == CLIENT


def test_long_headers_are_read_quickly() -> None:
    for text in ('for="' * 13_000, ",for=10.0.0.1" * 5_000, 'a="x,' * 13_000, "a=b;" * 16_000, "," * 64_000, "[" * 64_000):
        for name in ("Forwarded", "X-Forwarded-For"):
            began = time.monotonic()
            found("10.0.0.1", f"{name}: {text}")
            assert time.monotonic() - began < 1


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


def test_app_reads_the_header_of_the_setting_and_lets_proxies_probe(world: World, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(trusted_proxies=PROXIES, client_address_header="CF-Connecting-IP")
    app = create_app(vestibule_of(world, settings=settings))
    for path in ("/healthz", "/readyz/"):
        assert call_asgi(app, "GET", path, peer=("10.0.0.1", 1)).status == 200
    assert caplog.messages == []
    for number in range(301):
        headers = [(b"cf-connecting-ip", f"198.51.100.{number % 2}".encode()), (b"x-forwarded-for", b"198.51.100.9")]
        assert call_asgi(app, "GET", "/nowhere", peer=("10.0.0.1", 1), headers=headers).status == 404
    assert caplog.messages == []
    call_asgi(app, "GET", "/nowhere", peer=("10.0.0.1", 1))
    (message,) = caplog.messages
    assert "let it write Cf-Connecting-Ip" in message


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
