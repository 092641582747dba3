"""The polled list of revoked sessions."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.verify.signing import Clock, Signer, verifier_of

from vestibule.verify import InvalidToken, Revocations, Unavailable
from vestibule.verify.fetching import FetchFailed, Response

SIGNER = Signer()
URL = "https://accounts.example.org/revocations/"


class Feed:
    """A feed whose next responses the test sets; it records the requests."""

    def __init__(self, *bodies: Any) -> None:
        self.bodies = list(bodies)
        self.requested: list[str] = []

    def fetch(self, url: str, headers: Mapping[str, str]) -> Response:
        assert headers["Authorization"] == "Bearer secret"
        self.requested.append(url.removeprefix(URL))
        if not self.bodies:
            raise FetchFailed("it is down")
        body = self.bodies.pop(0)
        return Response(body if isinstance(body, bytes) else json.dumps(body).encode(), {})


def page(*sessions: str, after: str = "1_", more: bool = False, seconds: int = 330) -> dict[str, Any]:
    return {"sessions": list(sessions), "after": after, "more": more, "seconds": seconds}


class Unthreaded(Revocations):
    """Revocations without a thread: the test polls."""

    def start(self) -> None:
        """Starts no thread."""


def revocations_of(feed: Feed, clock: Clock | None = None, **more: Any) -> Revocations:
    return Unthreaded(URL, "secret", fetch=feed.fetch, clock=clock or Clock(0.0), **more)


def test_token_of_a_revoked_session_is_refused() -> None:
    revocations = revocations_of(Feed(page(), page("session")))
    verifier = verifier_of(SIGNER, revocations=revocations)
    token = SIGNER.token()
    revocations.poll()
    assert verifier(token).session_id == "session"
    revocations.poll()
    with pytest.raises(InvalidToken, match="session has ended"):
        verifier(token)
    assert verifier(SIGNER.token(sid="other")).session_id == "other"


def test_poll_continues_after_the_last_page_and_fetches_all_pages() -> None:
    feed = Feed(page("a", after="1_a", more=True), page("b", after="2.5_b"), page())
    revocations = revocations_of(feed)
    assert revocations.poll()
    assert feed.requested == ["", "?after=1_a"]
    revocations.poll()
    assert feed.requested[2:] == ["?after=2.5_b"]
    assert revocations.is_revoked("a")
    assert revocations.is_revoked("b")


def test_poll_stops_after_a_hundred_pages() -> None:
    feed = Feed(*[page(after=f"{number}_", more=True) for number in range(500)])
    revocations_of(feed).poll()
    assert len(feed.requested) == 100


def test_revoked_session_is_remembered_until_its_tokens_have_expired() -> None:
    clock = Clock(0.0)
    revocations = revocations_of(Feed(page("a"), page("b"), page()), clock)
    revocations.poll()
    clock.now = 329
    revocations.poll()
    assert revocations.is_revoked("a")
    clock.now = 330
    revocations.poll()
    assert (revocations.is_revoked("a"), revocations.is_revoked("b")) == (False, True)


def test_old_list_accepts_tokens_unless_it_fails_closed(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock(0.0)
    lenient, strict = (
        revocations_of(Feed(page("a")), clock, max_age=60, fail_closed=fail_closed) for fail_closed in (False, True)
    )
    for one in (lenient, strict):
        assert one.poll()
        clock.now += 60
        assert not one.poll()
        assert not one.poll()
        assert not one.is_revoked("b")
        clock.now += 1
    assert not lenient.is_revoked("b")
    with pytest.raises(Unavailable):
        strict.is_revoked("b")
    assert strict.is_revoked("a")
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 2


def test_poll_starts_from_the_beginning_after_a_failure() -> None:
    feed = Feed(page(after="9_"))
    revocations = revocations_of(feed)
    revocations.poll()
    revocations.poll()
    feed.bodies = [page("a")]
    assert revocations.poll()
    assert feed.requested == ["", "?after=9_", ""]


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="interval"):
        Revocations(URL, "secret", interval=0)
    for secret in ("", "two\nlines", "\u00e9"):
        with pytest.raises(ValueError, match="secret"):
            Revocations(URL, secret)
    with pytest.raises(ValueError, match="must begin with https"):
        Revocations("http://accounts.example.org/", "secret")


def test_thread_polls_from_the_first_use_to_the_end_of_the_block() -> None:
    feed = Feed(*[page("a")] * 10_000)
    with Revocations(URL, "secret", interval=0.001, fetch=feed.fetch) as revocations:
        for _ in range(10_000):
            if revocations.is_revoked("a") and len(feed.requested) > 2:
                break
            revocations._stopped.wait(0.001)  # noqa: SLF001 — waits for another thread
        thread = revocations._thread  # noqa: SLF001 — only its thread object can be joined
    assert thread is not None
    thread.join(10)
    assert not thread.is_alive()
    assert len(feed.requested) > 2


@pytest.mark.parametrize("failure", [FetchFailed("it is down"), KeyError("host"), RecursionError(), SystemExit(1)])
def test_thread_goes_on_after_any_failure_of_fetch(failure: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    failures = [failure]
    feed = Feed(*[page("a")] * 10_000)

    def fetch(url: str, headers: Mapping[str, str]) -> Response:
        if failures:
            raise failures.pop()
        return feed.fetch(url, headers)

    with Revocations(URL, "secret", interval=0.001, fetch=fetch) as revocations:
        for _ in range(10_000):
            if revocations.is_revoked("a"):
                break
            revocations._stopped.wait(0.001)  # noqa: SLF001 — waits for another thread
        assert revocations.is_revoked("a")
    assert not failures
    assert len([record for record in caplog.records if "cannot fetch revoked sessions from https://" in record.message]) == 1


Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["sessions", "after", "more", "seconds"]), inner)
    ),
)


@given(st.binary(max_size=50) | Json.map(lambda value: json.dumps(value).encode()))
def test_poll_survives_any_response(data: bytes) -> None:
    revocations = revocations_of(Feed(page("a"), data, page("b")))
    revocations.poll()
    revocations.poll()
    revocations.poll()
    assert revocations.is_revoked("a")
