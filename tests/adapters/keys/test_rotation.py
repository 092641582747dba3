"""Rotating keys: each known before it is used, each good for as long as what it made, a leaked one gone."""

import logging
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vestibule.adapters.keys import (
    FileKeyStore,
    JwtTokens,
    KeyManager,
    Keys,
    KeyStore,
    ReloadingKeys,
    Secret,
    SigningKey,
    open_keys,
)
from vestibule.adapters.keys.lifecycle import State

SESSION = "01hv3k5m7p9r1t3w5y7z9b2d4f"
NOW = 1_800_000_000.0
DAY = 86_400.0
MINUTE = 60.0
URL = "https://accounts.example"


class Clock:
    """The time, which stands still until it is moved."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Deployment:
    """A shelf of keys, a server that uses it, the operator's hand on it, and a clock for them all."""

    def __init__(self, shelf: KeyStore) -> None:
        self.shelf = shelf
        self.clock = Clock()
        self.keeper = KeyManager(shelf, self.clock)
        self.keeper.held()
        self.tokens = JwtTokens(ReloadingKeys(shelf, self.clock), issuer=URL, audience=URL, clock=self.clock)

    def move(self, seconds: float) -> None:
        self.clock.now += seconds

    def sign(self) -> str:
        return self.tokens.issue_access(7, SESSION, self.clock())

    def reads(self, text: str) -> bool:
        return self.tokens.verify_access(text, self.clock()) is not None

    def published(self) -> list[str]:
        return [key["kid"] for key in self.tokens.jwks()["keys"]]

    def said(self, kind: str = "signing") -> list[tuple[int, State]]:
        return [(key.number, key.state) for key in self.keeper.held() if key.kind == kind]


@pytest.fixture
def deployment(open_shelf: Callable[[], KeyStore]) -> Deployment:
    """On each kind of shelf."""
    return Deployment(open_shelf())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """One of keys, each of which is used since `NOW`."""
    KeyManager(FileKeyStore(tmp_path / "keys"), Clock()).held()
    return tmp_path / "keys"


def _opened(directory: Path) -> Keys:
    return open_keys(FileKeyStore(directory))


def _kid(text: str) -> str:
    return str(jwt.get_unverified_header(text)["kid"])


# --- what a file says -------------------------------------------------------------------------------------------------


def test_a_key_says_in_its_file_when_it_begins_and_survives_a_copy_that_keeps_no_times(tmp_path: Path) -> None:
    keeper = KeyManager(FileKeyStore(tmp_path / "keys"), Clock())
    keeper.held()
    keeper.rotate("signing")
    keeper.rotate("refresh")
    (tmp_path / "copy").mkdir(mode=0o700)
    for path in (tmp_path / "keys").iterdir():
        copy = tmp_path / "copy" / path.name
        copy.touch(0o600)
        copy.write_bytes(path.read_bytes())
    keys = _opened(tmp_path / "copy")
    assert keys == _opened(tmp_path / "keys")
    assert [key.starts for key in keys.signing] == [NOW, NOW + DAY]
    assert [secret.starts for secret in keys.refresh] == [NOW, NOW + MINUTE]
    assert (
        (tmp_path / "copy" / "signing-2.pem").read_text().startswith("Signs-From: 2027-01-16T08:00:00Z\n-----BEGIN PRIVATE KEY")
    )


@pytest.mark.parametrize(
    "line",
    [
        b"Signs-From:\n",
        b"Signs-From: tomorrow\n",
        b"Signs-From: 2026-11-24\n",
        b"Signs-From: 2026-11-24T20:00:00\n",
        b"Signs-From: 2026-11-24T20:00:00+01:00\n",
        b"Signs-From: 2026-02-30T20:00:00Z\n",
        b"Signs-From: 1926-11-24T20:00:00Z\n",
        b"signs-from: 2026-11-24T20:00:00Z\n",
        b"Signs-From: 2026-11-24T20:00:00Z\nSigns-From: 2026-11-25T20:00:00Z\n",
        "Signs-From: 2026-11-24T20:00:0\u0660Z\n".encode(),
    ],
)
@pytest.mark.parametrize("name", ["signing-1.pem", "refresh-1.key"])
def test_a_beginning_that_cannot_be_read_is_refused_for_the_key_would_begin_too_early(
    tmp_path: Path, name: str, line: bytes
) -> None:
    _opened(tmp_path)
    path = tmp_path / name
    path.write_bytes(line + path.read_bytes().partition(b"\n")[2])
    with pytest.raises(ValueError, match=rf"{name}: .*Signs-From: 2026-11-24T20:00:00Z") as refusal:
        _opened(tmp_path)
    assert "\n" not in str(refusal.value)


def test_a_key_without_a_beginning_has_always_begun(tmp_path: Path) -> None:
    keys = _opened(tmp_path)
    for name in ("signing-1.pem", "refresh-1.key"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes().partition(b"\n")[2])
    signing, refresh = replace(keys.signing[0], starts=0.0), replace(keys.refresh[0], starts=0.0)
    assert _opened(tmp_path) == replace(keys, signing=(signing,), refresh=(refresh,))


# --- rotating ---------------------------------------------------------------------------------------------------------


def test_a_signing_key_is_published_for_a_day_signs_and_verifies_as_long_as_its_tokens_live(deployment: Deployment) -> None:
    first = _kid(deployment.sign())
    made = deployment.keeper.rotate("signing")
    assert made.said == "published, signs from 2027-01-16 08:00:00 UTC"
    deployment.move(2)
    assert deployment.published() == [first, made.kid]

    deployment.move(DAY - 2.001)
    last = deployment.sign()
    assert _kid(last) == first
    assert deployment.said() == [(1, State.IN_USE), (2, State.WAITING)]
    deployment.move(0.001)
    assert _kid(deployment.sign()) == made.kid
    assert deployment.said() == [(1, State.RETIRED), (2, State.IN_USE)]

    deployment.move(298)
    assert deployment.reads(last)
    deployment.move(31.999)
    assert deployment.published() == [first, made.kid]
    assert deployment.keeper.prune() == []
    deployment.move(0.001)
    assert deployment.published() == [made.kid]
    assert deployment.said() == [(1, State.OVER), (2, State.IN_USE)]
    assert [key.name for key in deployment.keeper.prune()] == ["signing-1"]
    assert deployment.said() == [(2, State.IN_USE)]


@pytest.mark.parametrize(("kind", "good"), [("codes", 3600.0), ("refresh", 30 * DAY)])
def test_a_secret_is_used_after_a_minute_and_the_one_before_is_kept_while_what_it_made_is_good(
    deployment: Deployment, kind: str, good: float
) -> None:
    deployment.keeper.rotate(kind)
    deployment.move(MINUTE - 1)
    assert deployment.said(kind) == [(1, State.IN_USE), (2, State.WAITING)]
    deployment.move(1)
    assert deployment.said(kind) == [(1, State.RETIRED), (2, State.IN_USE)]
    deployment.move(good - 1)
    assert deployment.keeper.prune() == []
    deployment.move(1)
    assert [key.name for key in deployment.keeper.prune()] == [f"{kind}-1"]


def test_what_is_made_is_for_its_owner_alone(directory: Path) -> None:
    keeper = KeyManager(FileKeyStore(directory))
    keeper.rotate("signing")
    keeper.rotate("signing", at_once=True)
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}


def test_while_one_waits_no_other_is_made(deployment: Deployment) -> None:
    deployment.keeper.rotate("signing")
    with pytest.raises(ValueError, match="signing-2 is the next one already: published, signs from 2027-01-16 08:00:00 UTC"):
        deployment.keeper.rotate("signing")
    assert deployment.said() == [(1, State.IN_USE), (2, State.WAITING)]


def test_at_once_the_one_that_waits_is_used_for_other_services_know_it(deployment: Deployment) -> None:
    waiting = deployment.keeper.rotate("signing")
    deployment.move(10)
    used = deployment.keeper.rotate("signing", at_once=True)
    assert (used.kid, used.state) == (waiting.kid, State.IN_USE)
    assert _kid(deployment.sign()) == waiting.kid


def test_at_once_a_new_one_is_used_where_none_waits(deployment: Deployment) -> None:
    before = deployment.sign()
    used = deployment.keeper.rotate("signing", at_once=True)
    deployment.move(2)
    assert _kid(deployment.sign()) == used.kid != _kid(before)
    assert deployment.reads(before)


def test_there_are_three_signing_keys_at_most(deployment: Deployment) -> None:
    for _ in range(2):
        deployment.keeper.rotate("signing", at_once=True)
        deployment.move(1)
    with pytest.raises(ValueError, match="3 signing keys already; signing-1: retired, verifies until"):
        deployment.keeper.rotate("signing", at_once=True)
    deployment.move(328)
    assert deployment.keeper.rotate("signing", at_once=True).number == 4
    assert [number for number, _ in deployment.said()] == [2, 3, 4]


# --- revoking ---------------------------------------------------------------------------------------------------------


def test_where_no_thread_is_to_be_had_the_keys_serve_on_and_whoever_asks_next_looks(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    leaked = deployment.sign()
    deployment.keeper.revoke("signing-1")
    deployment.move(2)
    with monkeypatch.context() as patched:
        patched.setattr(Thread, "start", refuse)
        assert deployment.reads(leaked)
    assert not deployment.reads(leaked)


@pytest.mark.parametrize("by", ["name", "kid"])
def test_a_leaked_key_is_refused_at_the_next_look_and_another_signs(deployment: Deployment, by: str) -> None:
    stolen = deployment.sign()
    assert deployment.reads(stolen)
    gone, successor = deployment.keeper.revoke("signing-1" if by == "name" else _kid(stolen))
    assert gone.kid == _kid(stolen)
    assert successor is not None
    deployment.move(2)
    assert not deployment.reads(stolen)
    assert deployment.published() == [successor.kid]
    assert _kid(deployment.sign()) == successor.kid


def test_the_key_that_waits_takes_the_place_of_a_leaked_one(deployment: Deployment) -> None:
    waiting = deployment.keeper.rotate("signing")
    _, successor = deployment.keeper.revoke("signing-1")
    assert successor is not None
    assert (successor.kid, successor.state) == (waiting.kid, State.IN_USE)


def test_a_leaked_key_that_is_not_in_use_goes_alone(deployment: Deployment) -> None:
    deployment.keeper.rotate("signing")
    assert deployment.keeper.revoke("signing-2")[1] is None
    assert deployment.said() == [(1, State.IN_USE)]
    deployment.keeper.rotate("signing", at_once=True)
    assert deployment.keeper.revoke("signing-1")[1] is None
    assert deployment.said() == [(2, State.IN_USE)]


def test_a_key_that_was_over_does_not_come_back_when_its_successor_is_revoked(deployment: Deployment) -> None:
    old = deployment.sign()
    deployment.keeper.rotate("signing", at_once=True)
    deployment.move(330)
    _, successor = deployment.keeper.revoke("signing-2")
    deployment.move(2)
    assert successor is not None
    assert deployment.published() == [successor.kid]
    assert _kid(old) not in deployment.published()


@pytest.mark.parametrize("kind", ["codes", "refresh", "blinding"])
def test_a_leaked_secret_is_replaced_by_another(deployment: Deployment, kind: str) -> None:
    before = open_keys(deployment.shelf)
    gone, successor = deployment.keeper.revoke(f"{kind}-1")
    assert (gone.name, successor and successor.name) == (f"{kind}-1", f"{kind}-2")
    after = open_keys(deployment.shelf)
    (old,), (new,) = getattr(before, kind), getattr(after, kind)
    assert old.key != new.key
    assert replace(after, **{kind: (old,)}) == before


def test_refresh_tokens_of_a_leaked_secret_are_refused(deployment: Deployment) -> None:
    stolen = deployment.tokens.issue_refresh(SESSION, 3)
    deployment.keeper.revoke("refresh-1")
    deployment.move(2)
    assert deployment.tokens.verify_refresh(stolen) is None
    assert deployment.tokens.verify_refresh(deployment.tokens.issue_refresh(SESSION, 3)) == (SESSION, 3)


@pytest.mark.parametrize("name", ["signing-7", "", "../signing-1", "signing-1.pem", "None"])
def test_what_is_no_key_cannot_be_revoked(deployment: Deployment, name: str) -> None:
    before = open_keys(deployment.shelf)
    with pytest.raises(ValueError, match="no such key"):
        deployment.keeper.revoke(name)
    assert open_keys(deployment.shelf) == before


# --- a server that goes on --------------------------------------------------------------------------------------------


def test_nothing_that_a_token_says_makes_a_server_look_at_its_keys(deployment: Deployment) -> None:
    successor = deployment.keeper.rotate("signing", at_once=True)
    other = JwtTokens(open_keys(deployment.shelf), issuer=URL, audience=URL).issue_access(7, SESSION, NOW)
    assert _kid(other) == successor.kid
    deployment.move(1.999)
    assert not any(deployment.reads(other) for _ in range(20))
    deployment.move(0.001)
    assert deployment.reads(other)


def test_keys_that_are_the_same_stay_the_same_object_so_that_nothing_is_forgotten(tmp_path: Path) -> None:
    clock = Clock()
    source = ReloadingKeys(FileKeyStore(tmp_path), clock)
    keys = source.current()
    (tmp_path / "README").touch()
    clock.now += 2
    assert source.current() is keys


def _spoilt(directory: Path) -> None:
    (directory / "signing-2.pem").write_text("no key")
    (directory / "signing-2.pem").chmod(0o600)


def _open_to_all(directory: Path) -> None:
    (directory / "refresh-1.key").chmod(0o644)


def _moved(directory: Path) -> None:
    directory.rename(directory.with_name("elsewhere"))


def _emptied(directory: Path) -> None:
    for path in directory.iterdir():
        path.unlink()


@pytest.mark.parametrize("spoil", [_spoilt, _open_to_all, _moved, _emptied])
def test_keys_that_cannot_be_read_again_stay_as_they_were_which_is_logged_once_and_none_are_made(
    spoil: Callable[[Path], None], directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deployment = Deployment(FileKeyStore(directory))
    text = deployment.sign()
    spoil(directory)
    with caplog.at_level(logging.INFO, "vestibule.keys"):
        for _ in range(3):
            deployment.move(2)
            assert deployment.reads(text)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert len(list(directory.glob("*-1.*"))) == (4 if spoil in {_spoilt, _open_to_all} else 0)


def test_once_the_fault_is_mended_the_keys_are_read_again_and_the_log_says_so(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deployment = Deployment(FileKeyStore(directory))
    _spoilt(directory)
    deployment.move(2)
    before = deployment.published()
    newer = SigningKey.generate()
    (directory / "signing-2.pem").write_bytes(newer.pem())
    with caplog.at_level(logging.INFO, "vestibule.keys"):
        for _ in range(3):
            deployment.move(2)
            assert deployment.published() == [*before, newer.kid]
    assert [record.getMessage() for record in caplog.records[1:]] == ["the keys have changed", "the keys can be read again"]


def test_a_secret_that_is_put_in_place_of_another_is_found_too(tmp_path: Path) -> None:
    clock = Clock()
    source = ReloadingKeys(FileKeyStore(tmp_path), clock)
    clock.now += 2
    source.current()
    newer = Secret.generate()
    (tmp_path / "codes-1.key").write_text(newer.text())
    clock.now += 2
    assert source.current().codes == (newer,)


# --- all of it, in any order ------------------------------------------------------------------------------------------

moves = st.sampled_from([1.0, 30.0, 331.0, 3 * 3600.0, DAY, 2 * DAY])
steps = st.lists(st.one_of(moves, st.sampled_from(["rotate", "rotate now", "revoke", "prune", "sign"])), max_size=14)


@given(steps)
@settings(max_examples=60, deadline=None)
def test_whatever_an_operator_does_one_key_signs_three_are_published_at_most_and_no_token_dies_early(
    steps: list[str | float],
) -> None:
    with TemporaryDirectory() as directory:
        deployment = Deployment(FileKeyStore(Path(directory) / "keys"))
        tokens: list[tuple[str, float]] = []
        emergencies = {_kid(deployment.sign())}
        published: dict[str, float] = {}
        for step in steps:
            _do(deployment, step, tokens, emergencies)
            deployment.move(2)
            text = deployment.sign()
            kids = deployment.published()
            for kid in kids:
                published.setdefault(kid, deployment.clock.now)
            assert len(kids) <= 3
            assert _kid(text) in kids
            assert _kid(text) in emergencies or deployment.clock.now - published[_kid(text)] >= DAY - 2
            assert [state for _, state in deployment.said()].count(State.IN_USE) == 1
            assert all(deployment.reads(text) for text, end in tokens if deployment.clock.now < end)


def _do(deployment: Deployment, step: str | float, tokens: list[tuple[str, float]], emergencies: set[str]) -> None:
    match step:
        case "rotate" | "rotate now":
            try:
                made = deployment.keeper.rotate("signing", at_once=step == "rotate now")
            except ValueError:
                return
            if step == "rotate now":
                emergencies.add(str(made.kid))
        case "revoke":
            gone, successor = deployment.keeper.revoke(_kid(deployment.sign()))
            emergencies.add(str(successor and successor.kid))
            tokens[:] = [(text, end) for text, end in tokens if _kid(text) != gone.kid]
        case "prune":
            deployment.keeper.prune()
        case "sign":
            tokens.append((deployment.sign(), deployment.clock.now + 298))
        case _:
            deployment.move(float(step))
