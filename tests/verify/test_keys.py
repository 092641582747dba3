"""Where keys come from: a URL, a file, at hand; and when they are asked for again."""

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.verify.signing import ISSUER, Clock, Signer, answer, jwks, serving

from vestibule.verify import FileKeys, GivenKeys, InvalidToken, Unavailable, UrlKeys, Verifier, fetching
from vestibule.verify.fetching import Answer, FetchFailed, fetch
from vestibule.verify.keys import read_keys

ONE, TWO = Signer("one"), Signer("two")


class Place:
    """What a URL answers, as a test wants it; counts how often it was asked."""

    def __init__(self, *signers: Signer, cache_control: str = "public, max-age=1000") -> None:
        self.body = jwks(*signers)
        self.headers = {"cache-control": cache_control}
        self.asked = 0
        self.is_down = False
        self.gate = threading.Event()
        self.gate.set()

    def fetch(self, _: str, headers: Mapping[str, str]) -> Answer:
        self.asked += 1
        assert self.gate.wait(10)
        if self.is_down:
            raise FetchFailed("it is down")
        return Answer(self.body, self.headers)


class Set:
    """`UrlKeys` on a place and a clock that are moved by hand."""

    def __init__(self, place: Place, **more: Any) -> None:
        self.clock = Clock(1000.0)
        self.keys = UrlKeys("https://accounts.example.org/jwks", fetch=place.fetch, clock=self.clock, **more)

    def has(self, kid: str) -> bool:
        return self.keys.find(kid) is not None

    def settle(self) -> None:
        """Waits for a fetch in the background."""
        flight = self.keys._flight  # noqa: SLF001 — nobody else can wait for what is done in the background
        if flight is not None:
            flight.result(10)


def test_keys_are_fetched_when_they_are_first_asked_for_and_then_kept() -> None:
    place = Place(ONE)
    found = Set(place)
    assert place.asked == 0
    assert [found.has("one") for _ in range(5)] == [True] * 5
    assert place.asked == 1


def test_they_are_fetched_again_in_the_background_before_they_are_old() -> None:
    place = Place(ONE)
    found = Set(place)
    first = found.keys.find("one")
    place.gate.clear()
    found.clock.now += 801
    assert found.keys.find("one") is first
    place.gate.set()
    found.settle()
    assert place.asked == 2
    assert found.keys.find("one") is first
    found.clock.now += 700
    assert found.has("one")
    assert place.asked == 2


def test_a_key_that_a_fresh_set_lacks_verifies_nothing_any_more() -> None:
    place = Place(ONE, TWO)
    found = Set(place)
    assert found.has("one")
    place.body = jwks(TWO)
    found.clock.now += 1001
    assert not found.has("one")
    assert found.has("two")


def test_a_new_key_is_found_and_unknown_ones_cause_one_fetch_in_so_many_seconds() -> None:
    place = Place(ONE)
    found = Set(place, unknown_every=30)
    assert found.has("one")
    place.body = jwks(ONE, TWO)
    assert not found.has("two")
    assert place.asked == 1
    found.clock.now += 30
    assert found.has("two")
    for number in range(200):
        assert not found.has(f"junk {number}")
    assert place.asked == 2
    found.clock.now += 30
    assert not found.has("junk")
    assert place.asked == 3


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("max-age=100", 100), ("public,max-age=1", 30), ("max-age=99999", 500), ("no-store", 300), ("s-maxage=5", 300), ("", 300)],
)
def test_they_are_fresh_for_as_long_as_the_answer_says_within_bounds(said: str, seconds: float) -> None:
    place = Place(ONE, TWO, cache_control=said)
    found = Set(place, max_age=500)
    assert found.has("one")
    place.body = jwks(TWO)
    found.clock.now += seconds * 0.7
    assert found.has("one")
    assert place.asked == 1
    found.clock.now += seconds * 0.31
    assert not found.has("one")


def test_what_a_cache_on_the_way_has_kept_is_older() -> None:
    place = Place(ONE, TWO)
    place.headers["age"] = "900"
    found = Set(place)
    assert found.has("one")
    place.body = jwks(TWO)
    found.clock.now += 101
    assert not found.has("one")


def test_old_keys_serve_while_no_new_ones_can_be_had_but_not_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    place = Place(ONE)
    found = Set(place, stale=500)
    caplog.set_level("INFO", "vestibule.verify")
    assert found.has("one")
    place.is_down = True
    found.clock.now += 1400
    assert found.has("one")
    with pytest.raises(Unavailable) as unknown:
        found.has("two")
    assert unknown.value.status == 503
    found.clock.now += 101
    with pytest.raises(Unavailable):
        found.has("one")
    place.is_down = False
    found.clock.now += 60
    assert found.has("one")
    assert [record.levelname for record in caplog.records if record.name == "vestibule.verify"] == ["WARNING", "INFO"]


def test_pauses_grow_while_it_fails() -> None:
    place = Place(ONE)
    place.is_down = True
    found = Set(place)
    asked = []
    for _ in range(600):
        with pytest.raises(Unavailable):
            found.has("one")
        asked.append(place.asked)
        found.clock.now += 1
    assert asked[0] == 1
    assert 9 <= asked[-1] <= 30
    place.is_down = False
    found.clock.now += 60
    assert found.has("one")


@pytest.mark.parametrize(
    "junk", [b"", b"[]", b"{}", b'{"keys":[]}', b'{"keys":{}}', b"\xff", b"[" * 5000, b'{"keys":[1]}', b" " * 70_000, b"<html>"]
)
def test_an_answer_that_is_no_key_set_changes_nothing(junk: bytes) -> None:
    place = Place(ONE)
    found = Set(place)
    assert found.has("one")
    place.body = junk
    found.clock.now += 1001
    assert found.has("one")


def test_where_no_thread_is_to_be_had_it_cannot_be_told_and_the_next_one_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    keys = Set(Place(ONE))
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(Unavailable):
            keys.has("one")
    keys.clock.now += 2
    assert keys.has("one")


def test_many_threads_share_one_fetch() -> None:
    place = Place(ONE)
    place.gate.clear()
    found = Set(place)
    with ThreadPoolExecutor(16) as threads:
        asking = [threads.submit(found.has, "one") for _ in range(16)]
        while place.asked == 0:
            time.sleep(0.001)
        place.gate.set()
        assert all(one.result() for one in asking)
    assert place.asked == 1


def test_coroutines_of_several_loops_share_one_fetch_and_go_on_meanwhile() -> None:
    place = Place(ONE)
    place.gate.clear()
    found = Set(place)
    both = threading.Barrier(2)

    async def ask() -> int:
        asking = [asyncio.create_task(found.keys.find_awaited("one")) for _ in range(8)]
        turns = 0
        while place.asked == 0 or turns < 50:
            await asyncio.sleep(0)
            turns += 1
        assert not any(one.done() for one in asking)
        asking.pop().cancel()
        both.wait(10)
        place.gate.set()
        keys = await asyncio.gather(*asking)
        assert all(keys)
        return len(keys)

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(asyncio.run, [ask(), ask()])) == [7, 7]
    assert place.asked == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_child_process_does_not_wait_for_the_fetch_of_its_parent() -> None:
    place = Place(ONE)
    place.gate.clear()
    found = Set(place)
    found.keys.start()
    child = os.fork()
    if child == 0:
        place.gate.set()
        os._exit(0 if found.has("one") else 1)
    _, status = os.waitpid(child, 0)
    place.gate.set()
    found.settle()
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
def test_a_url_that_anybody_on_the_way_could_answer_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        UrlKeys(url)


def test_http_is_for_this_machine_or_a_network_that_is_trusted() -> None:
    for url in ("http://localhost:8000/x", "http://127.0.0.1/x", "http://[::1]/x", "https://accounts.example.org/"):
        UrlKeys(url)
    UrlKeys("http://accounts.internal/x", insecure=True)


# --- over HTTP --------------------------------------------------------------------------------------------------------


@contextmanager
def impatient() -> Iterator[None]:
    patience, fetching.SECONDS = fetching.SECONDS, 0.5
    try:
        yield
    finally:
        fetching.SECONDS = patience


def test_keys_come_over_http() -> None:
    with serving(lambda to: answer(to, jwks(ONE), Cache_Control="max-age=60")) as url:
        verifier = Verifier(issuer=ISSUER, keys=UrlKeys(url), clock=Clock())
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
def test_an_answer_that_is_huge_slow_elsewhere_or_broken_off_is_none(respond: Callable[[Any], None]) -> None:
    with serving(respond) as url, impatient():
        begun = time.monotonic()
        try:
            fetched = fetch(url, {})
        except FetchFailed:
            pass
        else:
            assert respond is dripping
            assert fetched.body.strip() == b""
        assert time.monotonic() - begun < 2


def test_nobody_there_is_told_as_such() -> None:
    with serving(silent) as url:
        pass
    with pytest.raises(FetchFailed, match="ConnectionRefused"):
        fetch(url, {})


# --- reading ----------------------------------------------------------------------------------------------------------


def test_keys_that_are_of_no_use_are_passed_over() -> None:
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
    assert [(key.kid, key.algorithm) for key in keys.values()] == [("one", "EdDSA")]
    assert keys["one"].jwk["x"] == ONE.jwk["x"]
    bare = {name: value for name, value in ONE.jwk.items() if name not in {"alg", "use"}}
    assert GivenKeys(json.dumps({"keys": [bare]})).find("one")


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
def test_whatever_comes_is_a_key_set_or_refused(data: bytes) -> None:
    try:
        keys = read_keys(data)
    except ValueError:
        return
    assert all(key.algorithm in {"EdDSA", "ES256", "RS256"} for key in keys.values())


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_file_is_read_again_when_it_was_changed_and_serves_on_while_it_is_gone(tmp_path: Path) -> None:
    file, clock = tmp_path / "jwks.json", Clock(0.0)
    keys = FileKeys(file, clock=clock)
    with pytest.raises(Unavailable):
        keys.find("one")
    file.write_bytes(jwks(ONE))
    clock.now += 2
    first = keys.find("one")
    assert first is not None
    file.write_bytes(jwks(TWO, ONE))
    assert keys.find("two") is None
    clock.now += 2
    assert keys.find("two")
    assert asyncio.run(keys.find_awaited("one")) is first
    for change in (lambda: file.write_bytes(b"{"), file.unlink):
        change()
        clock.now += 2
        assert keys.find("one") is first
    file.write_bytes(jwks(TWO))
    clock.now += 2
    assert keys.find("one") is None
