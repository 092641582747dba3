"""Sources of keys, and when the client fetches them again."""

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.verify.signing import ISSUER, Clock, Signer, jwks, send_response, serving

from vestibule.verify import InvalidToken, JwksClient, StaticKeys, Unavailable, Verifier, fetching
from vestibule.verify.fetching import FetchFailed, Response, fetch
from vestibule.verify.keys import read_keys

ONE, TWO = Signer("one"), Signer("two")


class Issuer:
    """A server of a key set that the test sets; it counts the requests."""

    def __init__(self, *signers: Signer, cache_control: str = "public, max-age=1000") -> None:
        self.body = jwks(*signers)
        self.headers = {"cache-control": cache_control}
        self.requests = 0
        self.is_down = False
        self.gate = threading.Event()
        self.gate.set()

    def fetch(self, _: str, headers: Mapping[str, str]) -> Response:
        self.requests += 1
        assert self.gate.wait(10)
        if self.is_down:
            raise FetchFailed("it is down")
        return Response(self.body, self.headers)


class Client:
    """A `JwksClient` on an issuer and a clock that the test sets."""

    def __init__(self, issuer: Issuer, **more: Any) -> None:
        self.clock = Clock(1000.0)
        self.keys = JwksClient("https://accounts.example.org/jwks", fetch=issuer.fetch, clock=self.clock, **more)

    def has(self, kid: str) -> bool:
        return self.keys.find(kid) is not None

    def wait(self) -> None:
        """Waits for the fetch in the background."""
        pending = self.keys._pending  # noqa: SLF001 — the public methods do not wait for background work
        if pending is not None:
            pending.result(10)


def test_keys_are_fetched_on_first_use_and_cached() -> None:
    issuer = Issuer(ONE)
    client = Client(issuer)
    assert issuer.requests == 0
    assert [client.has("one") for _ in range(5)] == [True] * 5
    assert issuer.requests == 1


def test_keys_are_refreshed_in_the_background_before_they_are_stale() -> None:
    issuer = Issuer(ONE)
    client = Client(issuer)
    first = client.keys.find("one")
    issuer.gate.clear()
    client.clock.now += 801
    assert client.keys.find("one") is first
    issuer.gate.set()
    client.wait()
    assert issuer.requests == 2
    assert client.keys.find("one") is first
    client.clock.now += 700
    assert client.has("one")
    assert issuer.requests == 2


def test_key_that_a_fresh_set_lacks_is_not_found() -> None:
    issuer = Issuer(ONE, TWO)
    client = Client(issuer)
    assert client.has("one")
    issuer.body = jwks(TWO)
    client.clock.now += 1001
    assert not client.has("one")
    assert client.has("two")


def test_unknown_keys_cause_one_fetch_per_interval() -> None:
    issuer = Issuer(ONE)
    client = Client(issuer, unknown_key_interval=30)
    assert client.has("one")
    issuer.body = jwks(ONE, TWO)
    assert not client.has("two")
    assert issuer.requests == 1
    client.clock.now += 30
    assert client.has("two")
    for number in range(200):
        assert not client.has(f"junk {number}")
    assert issuer.requests == 2
    client.clock.now += 30
    assert not client.has("junk")
    assert issuer.requests == 3


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [("max-age=100", 100), ("public,max-age=1", 30), ("max-age=99999", 500), ("no-store", 300), ("s-maxage=5", 300), ("", 300)],
)
def test_freshness_follows_cache_control_within_bounds(cache_control: str, seconds: float) -> None:
    issuer = Issuer(ONE, TWO, cache_control=cache_control)
    client = Client(issuer, max_age=500)
    assert client.has("one")
    issuer.body = jwks(TWO)
    client.clock.now += seconds * 0.7
    assert client.has("one")
    assert issuer.requests == 1
    client.clock.now += seconds * 0.31
    assert not client.has("one")


def test_age_header_shortens_freshness() -> None:
    issuer = Issuer(ONE, TWO)
    issuer.headers["age"] = "900"
    client = Client(issuer)
    assert client.has("one")
    issuer.body = jwks(TWO)
    client.clock.now += 101
    assert not client.has("one")


def test_stale_keys_serve_while_fetches_fail_but_not_forever(caplog: pytest.LogCaptureFixture) -> None:
    issuer = Issuer(ONE)
    client = Client(issuer, stale_if_error=500)
    caplog.set_level("INFO", "vestibule.verify")
    assert client.has("one")
    issuer.is_down = True
    client.clock.now += 1400
    assert client.has("one")
    with pytest.raises(Unavailable) as unknown:
        client.has("two")
    assert unknown.value.status == 503
    client.clock.now += 101
    with pytest.raises(Unavailable):
        client.has("one")
    issuer.is_down = False
    client.clock.now += 60
    assert client.has("one")
    assert [record.levelname for record in caplog.records if record.name == "vestibule.verify"] == ["WARNING", "INFO"]


@pytest.mark.parametrize("failure", [KeyError("host"), SystemExit(1)])
def test_any_failure_of_fetch_is_logged_and_tried_again_after_a_pause(
    failure: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    issuer, failures = Issuer(ONE), [failure]

    def fetch(url: str, headers: Mapping[str, str]) -> Response:
        if failures:
            raise failures.pop()
        return issuer.fetch(url, headers)

    clock = Clock(1000.0)
    keys = JwksClient("https://accounts.example.org/jwks?key=secret", fetch=fetch, clock=clock)
    for _ in range(2):
        with pytest.raises(Unavailable):
            keys.find("one")
    assert issuer.requests == 0, "the pause holds"
    clock.now += 60
    assert keys.find("one") is not None
    logged = f"cannot fetch the keys that verify tokens from https://accounts.example.org/jwks: {type(failure).__name__}"
    assert logged in caplog.text


def test_pauses_grow_while_fetches_fail() -> None:
    issuer = Issuer(ONE)
    issuer.is_down = True
    client = Client(issuer)
    requests = []
    for _ in range(600):
        with pytest.raises(Unavailable):
            client.has("one")
        requests.append(issuer.requests)
        client.clock.now += 1
    assert requests[0] == 1
    assert 9 <= requests[-1] <= 30
    issuer.is_down = False
    client.clock.now += 60
    assert client.has("one")


@pytest.mark.parametrize(
    "junk", [b"", b"[]", b"{}", b'{"keys":[]}', b'{"keys":{}}', b"\xff", b"[" * 5000, b'{"keys":[1]}', b" " * 70_000, b"<html>"]
)
def test_malformed_key_set_keeps_the_previous_keys(junk: bytes) -> None:
    issuer = Issuer(ONE)
    client = Client(issuer)
    assert client.has("one")
    issuer.body = junk
    client.clock.now += 1001
    assert client.has("one")


def test_lack_of_threads_is_unavailable_and_the_next_call_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    client = Client(Issuer(ONE))
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(Unavailable):
            client.has("one")
    client.clock.now += 2
    assert client.has("one")


def test_many_threads_share_one_fetch() -> None:
    issuer = Issuer(ONE)
    issuer.gate.clear()
    client = Client(issuer)
    with ThreadPoolExecutor(16) as threads:
        waiting = [threads.submit(client.has, "one") for _ in range(16)]
        while issuer.requests == 0:
            time.sleep(0.001)
        issuer.gate.set()
        assert all(one.result() for one in waiting)
    assert issuer.requests == 1


def test_coroutines_of_several_loops_share_one_fetch_and_go_on_meanwhile() -> None:
    issuer = Issuer(ONE)
    issuer.gate.clear()
    client = Client(issuer)
    both = threading.Barrier(2)

    async def wait_for_key() -> int:
        waiting = [asyncio.create_task(client.keys.find_async("one")) for _ in range(8)]
        turns = 0
        while issuer.requests == 0 or turns < 50:
            await asyncio.sleep(0)
            turns += 1
        assert not any(one.done() for one in waiting)
        waiting.pop().cancel()
        both.wait(10)
        issuer.gate.set()
        keys = await asyncio.gather(*waiting)
        assert all(keys)
        return len(keys)

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(asyncio.run, [wait_for_key(), wait_for_key()])) == [7, 7]
    assert issuer.requests == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_child_process_does_not_wait_for_the_fetch_of_its_parent() -> None:
    issuer = Issuer(ONE)
    issuer.gate.clear()
    client = Client(issuer)
    client.keys.start()
    child = os.fork()
    if child == 0:
        issuer.gate.set()
        os._exit(0 if client.has("one") else 1)
    _, status = os.waitpid(child, 0)
    issuer.gate.set()
    client.wait()
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://accounts.example.org/jwks",
        "ftp://localhost/",
        "https:///x",
        "file:///etc/passwd",
        "https://u:p@x/",
        "http://10.0.0.1/",
    ],
)
def test_url_without_tls_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        JwksClient(url)


def test_plain_http_is_for_this_machine_or_a_trusted_network() -> None:
    for url in ("http://localhost:8000/x", "http://127.0.0.1/x", "http://[::1]/x", "https://accounts.example.org/"):
        JwksClient(url)
    JwksClient("http://accounts.internal/x", allow_http=True)


# --- over HTTP --------------------------------------------------------------------------------------------------------


@contextmanager
def short_timeout() -> Iterator[None]:
    seconds, fetching.SECONDS = fetching.SECONDS, 0.5
    try:
        yield
    finally:
        fetching.SECONDS = seconds


def test_keys_are_fetched_over_http() -> None:
    with serving(lambda to: send_response(to, jwks(ONE), Cache_Control="max-age=60")) as url:
        verifier = Verifier(issuer=ISSUER, keys=JwksClient(url), clock=Clock())
        assert verifier(ONE.token()).account_id == 7
        assert asyncio.run(verifier.verify(ONE.token())).account_id == 7
    with pytest.raises(InvalidToken):
        verifier(TWO.token())


def redirecting(to: Any) -> None:
    to.send_response(302)
    to.send_header("Location", "/elsewhere")
    to.end_headers()


def endless(to: Any) -> None:
    to.send_response(200)
    to.end_headers()
    for _ in range(100):
        to.wfile.write(b" " * 65_536)


def lying(to: Any) -> None:
    to.send_response(200)
    to.send_header("Content-Length", "100")
    to.end_headers()
    to.wfile.write(jwks(ONE)[:50])


def dripping(to: Any) -> None:
    to.send_response(200)
    to.end_headers()
    for _ in range(100):
        to.wfile.write(b" ")
        time.sleep(0.05)


def dripping_headers(to: Any) -> None:
    for _ in range(100):
        to.wfile.write(b"H")
        time.sleep(0.05)


def silent(_: Any) -> None:
    time.sleep(2)


@pytest.mark.parametrize("respond", [redirecting, endless, lying, dripping, dripping_headers, silent])
def test_huge_slow_redirected_or_incomplete_response_is_refused(respond: Callable[[Any], None]) -> None:
    with serving(respond) as url, short_timeout():
        begun = time.monotonic()
        try:
            fetched = fetch(url, {})
        except FetchFailed:
            pass
        else:
            assert respond is dripping
            assert fetched.body.strip() == b""
        assert time.monotonic() - begun < 2


def test_refused_connection_is_reported() -> None:
    with serving(silent) as url:
        pass
    with pytest.raises(FetchFailed, match="ConnectionRefused"):
        fetch(url, {})


# --- reading ----------------------------------------------------------------------------------------------------------


def test_unusable_keys_are_ignored() -> None:
    odd: list[dict[str, Any]] = [
        {**Signer("a").jwk, "use": "enc"},
        {**Signer("b").jwk, "alg": "ES256"},
        {**Signer("c").jwk, "d": "AAAA"},
        {**Signer("d").jwk, "key_ops": ["sign"]},
        {**Signer("e").jwk, "x": "AA"},
        {**Signer("f").jwk, "kid": 1},
        {**Signer("g").jwk, "crv": "Ed448"},
        Signer("h", "RS256", bits=1024).jwk,
        {"kty": "oct", "k": "AAAA", "kid": "i", "alg": "HS256"},
        {"kty": ["OKP"], "kid": "j"},
    ]
    keys = read_keys(json.dumps({"keys": [*odd, ONE.jwk, {**TWO.jwk, "kid": "one"}]}).encode())
    assert [(key.key_id, key.algorithm_name) for key in keys.values()] == [("one", "EdDSA")]
    assert keys["one"].key == ONE.private.public_key()
    bare = {name: value for name, value in ONE.jwk.items() if name not in {"alg", "use"}}
    assert StaticKeys(json.dumps({"keys": [bare]})).find("one")


@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.integers() | st.text() | st.sampled_from(["kty", "OKP", "keys", "kid"]),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["keys", *ONE.jwk]) | st.text(), inner),
        ).map(lambda value: json.dumps(value).encode()),
        st.lists(
            st.dictionaries(st.sampled_from([*ONE.jwk]), st.none() | st.text() | st.sampled_from([*ONE.jwk.values()]))
        ).map(lambda keys: json.dumps({"keys": keys}).encode()),
    )
)
def test_any_data_is_a_key_set_or_a_value_error(data: bytes) -> None:
    try:
        keys = read_keys(data)
    except ValueError:
        return
    assert all(key.algorithm_name in {"EdDSA", "ES256", "RS256"} for key in keys.values())
