"""Following which sessions end."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.verify.signing import Clock, Signer, verifier_of

from vestibule.verify import InvalidToken, Revocations, Unavailable
from vestibule.verify.fetching import Answer, FetchFailed

SIGNER = Signer()
URL = "https://accounts.example.org/revocations/"


class Told:
    """A feed by hand: what it answers next, and what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def fetch(self, url: str, headers: Mapping[str, str]) -> Answer:
        assert headers["Authorization"] == "Bearer secret"
        self.asked.append(url.removeprefix(URL))
        if not self.answers:
            raise FetchFailed("it is down")
        said = self.answers.pop(0)
        return Answer(said if isinstance(said, bytes) else json.dumps(said).encode(), {})


def page(*sessions: str, after: str = "1_", more: bool = False, seconds: int = 330) -> dict[str, Any]:
    return {"sessions": list(sessions), "after": after, "more": more, "seconds": seconds}


class Quiet(Revocations):
    """Polled by the test alone."""

    def start(self) -> None:
        """No thread."""


def following(told: Told, clock: Clock | None = None, **more: Any) -> Revocations:
    return Quiet(URL, "secret", fetch=told.fetch, clock=clock or Clock(0.0), **more)


def test_a_session_that_is_told_to_have_ended_is_refused() -> None:
    revocations = following(Told(page(), page("session")))
    verifier = verifier_of(SIGNER, revocations=revocations)
    token = SIGNER.token()
    revocations.poll()
    assert verifier(token).session_id == "session"
    revocations.poll()
    with pytest.raises(InvalidToken, match="session has ended"):
        verifier(token)
    assert verifier(SIGNER.token(sid="other")).session_id == "other"


def test_it_asks_for_what_follows_and_at_once_while_there_is_more() -> None:
    told = Told(page("a", after="1_a", more=True), page("b", after="2.5_b"), page())
    revocations = following(told)
    assert revocations.poll()
    assert told.asked == ["", "?after=1_a"]
    revocations.poll()
    assert told.asked[2:] == ["?after=2.5_b"]
    assert revocations.include("a")
    assert revocations.include("b")


def test_a_feed_without_an_end_does_not_hold_up_for_ever() -> None:
    told = Told(*[page(after=f"{number}_", more=True) for number in range(500)])
    following(told).poll()
    assert len(told.asked) == 100


def test_an_end_is_remembered_until_no_token_of_it_is_good() -> None:
    clock = Clock(0.0)
    revocations = following(Told(page("a"), page("b"), page()), clock)
    revocations.poll()
    clock.now = 329
    revocations.poll()
    assert revocations.include("a")
    clock.now = 330
    revocations.poll()
    assert (revocations.include("a"), revocations.include("b")) == (False, True)


def test_without_an_answer_it_goes_on_or_where_it_is_strict_refuses(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock(0.0)
    lenient, strict = (following(Told(page("a")), clock, patience=60, strict=strict) for strict in (False, True))
    for one in (lenient, strict):
        assert one.poll()
        clock.now += 60
        assert not one.poll()
        assert not one.poll()
        assert not one.include("b")
        clock.now += 1
    assert not lenient.include("b")
    with pytest.raises(Unavailable):
        strict.include("b")
    assert strict.include("a")
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 2


def test_after_a_failure_all_is_asked_for_again() -> None:
    told = Told(page(after="9_"))
    revocations = following(told)
    revocations.poll()
    revocations.poll()
    told.answers = [page("a")]
    assert revocations.poll()
    assert told.asked == ["", "?after=9_", ""]


def test_pauses_between_questions_are_every_so_often_and_grow_while_there_is_no_answer() -> None:
    with pytest.raises(ValueError, match="time between"):
        Revocations(URL, "secret", every=0)
    for secret in ("", "two\nlines", "\u00e9"):
        with pytest.raises(ValueError, match="secret"):
            Revocations(URL, secret)
    with pytest.raises(ValueError, match="must begin with https"):
        Revocations("http://accounts.example.org/", "secret")


def test_a_thread_asks_from_the_first_use_on_and_ends_with_the_block() -> None:
    told = Told(*[page("a")] * 10_000)
    with Revocations(URL, "secret", every=0.001, fetch=told.fetch) as revocations:
        for _ in range(10_000):
            if revocations.include("a") and len(told.asked) > 2:
                break
            revocations._stopped.wait(0.001)  # noqa: SLF001 — some way to wait for another thread
        thread = revocations._thread  # noqa: SLF001 — nobody else can wait for its end
    assert thread is not None
    thread.join(10)
    assert not thread.is_alive()
    assert len(told.asked) > 2


Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["sessions", "after", "more", "seconds"]), inner)
    ),
)


@given(st.binary(max_size=50) | Json.map(lambda value: json.dumps(value).encode()))
def test_whatever_it_is_told_it_goes_on(data: bytes) -> None:
    revocations = following(Told(page("a"), data, page("b")))
    revocations.poll()
    revocations.poll()
    revocations.poll()
    assert revocations.include("a")
