"""Key rotation: a key is published before it is used, verifies while its values are valid, and is refused when revoked."""

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
    KeyKind,
    KeyManager,
    KeyState,
    KeyStore,
    ReloadingKeys,
    SigningKey,
    SymmetricKey,
    open_keys,
)

SESSION = "01hv3k5m7p9r1t3w5y7z9b2d4f"
NOW = 1_800_000_000.0
DAY = 86_400.0
MINUTE = 60.0
URL = "https://accounts.example"


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Deployment:
    """A store of keys, a server that uses it, the operator's manager of it, and a clock for them all."""

    def __init__(self, store: KeyStore) -> None:
        self.store = store
        self.clock = Clock()
        self.manager = KeyManager(store, self.clock)
        self.manager.list_keys()
        self.tokens = JwtTokens(ReloadingKeys(store, self.clock), issuer=URL, audience=URL, clock=self.clock)

    def node(self, algorithm: str = "EdDSA", days: int = 0) -> KeyManager:
        """The part of a server that rotates keys when they are due."""
        return KeyManager(self.store, self.clock, algorithm=algorithm, rotation_days=days)

    def advance(self, seconds: float) -> None:
        self.clock.now += seconds

    def sign(self) -> str:
        return self.tokens.issue_access(7, SESSION, self.clock())

    def accepts(self, text: str) -> bool:
        return self.tokens.verify_access(text, self.clock()) is not None

    def published(self) -> list[str]:
        return [key["kid"] for key in self.tokens.jwks()["keys"]]

    def states(self, kind: str = "signing") -> list[tuple[int, KeyState]]:
        return [(key.number, key.state) for key in self.manager.list_keys() if key.kind == kind]


@pytest.fixture
def deployment(open_store: Callable[[], KeyStore]) -> Deployment:
    """A deployment on each kind of store."""
    return Deployment(open_store())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of keys that are active since `NOW`."""
    KeyManager(FileKeyStore(tmp_path / "data" / "keys.json"), Clock()).list_keys()
    return tmp_path / "data" / "keys.json"


def _kid(text: str) -> str:
    return str(jwt.get_unverified_header(text)["kid"])


# --- rotating ---------------------------------------------------------------------------------------------------------


def test_signing_key_is_published_for_a_day_then_signs_and_verifies_while_its_tokens_live(deployment: Deployment) -> None:
    first = _kid(deployment.sign())
    added = deployment.manager.rotate(KeyKind.SIGNING)
    assert added.description == "published, signs from 2027-01-16 08:00:00 UTC"
    deployment.advance(2)
    assert deployment.published() == [first, added.kid]

    deployment.advance(DAY - 2.001)
    last = deployment.sign()
    assert _kid(last) == first
    assert deployment.states() == [(1, KeyState.ACTIVE), (2, KeyState.PENDING)]
    deployment.advance(0.001)
    assert _kid(deployment.sign()) == added.kid
    assert deployment.states() == [(1, KeyState.RETIRED), (2, KeyState.ACTIVE)]

    deployment.advance(298)
    assert deployment.accepts(last)
    deployment.advance(3331.999)
    assert deployment.published() == [first, added.kid]
    assert deployment.manager.prune() == []
    deployment.advance(0.001)
    assert deployment.published() == [added.kid]
    assert deployment.states() == [(1, KeyState.EXPIRED), (2, KeyState.ACTIVE)]
    assert [key.name for key in deployment.manager.prune()] == ["signing-1"]
    assert deployment.states() == [(2, KeyState.ACTIVE)]


@pytest.mark.parametrize(("kind", "good"), [("codes", 3600.0), ("refresh", 365 * DAY)])
def test_secret_is_used_after_a_minute_and_the_previous_one_is_kept_while_its_values_are_valid(
    deployment: Deployment, kind: str, good: float
) -> None:
    deployment.manager.rotate(KeyKind(kind))
    deployment.advance(MINUTE - 1)
    assert deployment.states(kind) == [(1, KeyState.ACTIVE), (2, KeyState.PENDING)]
    deployment.advance(1)
    assert deployment.states(kind) == [(1, KeyState.RETIRED), (2, KeyState.ACTIVE)]
    deployment.advance(good - 1)
    assert deployment.manager.prune() == []
    deployment.advance(1)
    assert [key.name for key in deployment.manager.prune()] == [f"{kind}-1"]


def test_changed_file_is_readable_by_its_owner_only(file: Path) -> None:
    manager = KeyManager(FileKeyStore(file))
    manager.rotate(KeyKind.SIGNING)
    manager.rotate(KeyKind.SIGNING, at_once=True)
    assert {stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()} == {0o600}


def test_rotation_is_refused_while_a_key_is_pending(deployment: Deployment) -> None:
    deployment.manager.rotate(KeyKind.SIGNING)
    with pytest.raises(ValueError, match="signing-2 is already pending: published, signs from 2027-01-16 08:00:00 UTC"):
        deployment.manager.rotate(KeyKind.SIGNING)
    assert deployment.states() == [(1, KeyState.ACTIVE), (2, KeyState.PENDING)]


def test_immediate_rotation_activates_the_pending_key_which_other_services_know(deployment: Deployment) -> None:
    waiting = deployment.manager.rotate(KeyKind.SIGNING)
    deployment.advance(10)
    used = deployment.manager.rotate(KeyKind.SIGNING, at_once=True)
    assert (used.kid, used.state) == (waiting.kid, KeyState.ACTIVE)
    assert _kid(deployment.sign()) == waiting.kid


def test_immediate_rotation_activates_a_new_key_if_none_is_pending(deployment: Deployment) -> None:
    before = deployment.sign()
    used = deployment.manager.rotate(KeyKind.SIGNING, at_once=True)
    deployment.advance(2)
    assert _kid(deployment.sign()) == used.kid != _kid(before)
    assert deployment.accepts(before)


def test_fourth_signing_key_is_refused(deployment: Deployment) -> None:
    for _ in range(2):
        deployment.manager.rotate(KeyKind.SIGNING, at_once=True)
        deployment.advance(1)
    with pytest.raises(ValueError, match="3 signing keys already; signing-1: retired, verifies until"):
        deployment.manager.rotate(KeyKind.SIGNING, at_once=True)
    deployment.advance(3628)
    assert deployment.manager.rotate(KeyKind.SIGNING, at_once=True).number == 4
    assert [number for number, _ in deployment.states()] == [2, 3, 4]


# --- rotating when due ------------------------------------------------------------------------------------------------


def test_keys_are_replaced_at_their_age_and_the_signing_key_is_published_a_day_before(deployment: Deployment) -> None:
    node = deployment.node(days=90)
    old = deployment.sign()
    assert [(key.kind, key.published_at, key.active_from) for key in node.next_keys()] == [
        ("signing", NOW + 89 * DAY, NOW + 90 * DAY),
        ("codes", NOW + 90 * DAY - MINUTE, NOW + 90 * DAY),
        ("refresh", NOW + 90 * DAY - MINUTE, NOW + 90 * DAY),
    ]
    deployment.advance(89 * DAY - 1)
    assert node.rotate_due() == []
    deployment.advance(1)
    assert node.rotate_due() == ["rotated signing-2"]
    assert node.rotate_due() == []
    assert deployment.states() == [(1, KeyState.ACTIVE), (2, KeyState.PENDING)]
    assert node.list_keys()[0].description == "signs since 2027-01-15 08:00:00 UTC until 2027-04-15 08:00:00 UTC"

    deployment.advance(DAY - MINUTE)
    assert node.rotate_due() == ["rotated codes-2", "rotated refresh-2"]
    assert _kid(deployment.sign()) == _kid(old)
    deployment.advance(MINUTE)
    assert _kid(deployment.sign()) == deployment.published()[1]
    assert [deployment.states(kind)[1] for kind in ("signing", "codes", "refresh")] == [(2, KeyState.ACTIVE)] * 3

    deployment.advance(3630)
    assert node.rotate_due() == ["pruned signing-1", "pruned codes-1"]
    assert node.next_keys()[0].active_from == NOW + 180 * DAY


def test_nothing_is_replaced_by_its_age_without_days_or_while_the_clock_may_be_wrong(deployment: Deployment) -> None:
    deployment.advance(1000 * DAY)
    assert deployment.node().next_keys() == []
    assert deployment.node().rotate_due() == []
    assert deployment.node(days=90).rotate_due(by_age=False) == []
    assert deployment.node(days=90).rotate_due() == ["rotated signing-2", "rotated codes-2", "rotated refresh-2"]


def test_key_that_somebody_wrote_without_a_time_is_not_replaced_by_itself(deployment: Deployment) -> None:
    with deployment.store.changing() as change:
        change.keys = replace(change.keys, signing=(SigningKey.generate(1),))
    deployment.advance(1000 * DAY)
    assert deployment.node(days=90).rotate_due() == ["rotated codes-2", "rotated refresh-2"]


def test_late_node_replaces_a_key_with_the_same_day_of_notice(deployment: Deployment) -> None:
    deployment.advance(200 * DAY)
    assert deployment.node(days=90).rotate_due()[0] == "rotated signing-2"
    first = deployment.published()[0]
    deployment.advance(DAY - 1)
    assert _kid(deployment.sign()) == first
    deployment.advance(1)
    assert _kid(deployment.sign()) != first


@pytest.mark.parametrize("days", [0, 90])
def test_another_algorithm_comes_by_a_rotation_in_which_no_token_is_rejected(deployment: Deployment, days: int) -> None:
    node = deployment.node("ES256", days)
    assert node.rotate_due() == ["rotated signing-2"]
    assert node.rotate_due() == []
    deployment.advance(DAY - 1)
    last = deployment.sign()
    assert jwt.get_unverified_header(last)["alg"] == "EdDSA"
    assert [key["alg"] for key in deployment.tokens.jwks()["keys"]] == ["EdDSA", "ES256"]
    deployment.advance(1)
    assert jwt.get_unverified_header(deployment.sign())["alg"] == "ES256"
    deployment.advance(298)
    assert deployment.accepts(last)
    assert node.rotate_due() == []
    deployment.advance(3630)
    assert node.rotate_due() == ["pruned signing-1"]
    assert [key["alg"] for key in deployment.tokens.jwks()["keys"]] == ["ES256"]


def test_algorithm_that_is_taken_back_before_it_signed_leaves_nothing(deployment: Deployment) -> None:
    deployment.node("RS256").rotate_due()
    deployment.advance(DAY / 2)
    assert deployment.node("EdDSA").rotate_due() == ["removed signing-2, RS256"]
    assert deployment.states() == [(1, KeyState.ACTIVE)]
    deployment.node("RS256").rotate_due()
    assert deployment.node("ES256").rotate_due() == ["removed signing-2, RS256", "rotated signing-2"]


def test_manual_rotation_makes_a_key_of_the_algorithm(deployment: Deployment) -> None:
    deployment.manager.rotate(KeyKind.SIGNING)
    added = deployment.node("ES256").rotate(KeyKind.SIGNING, at_once=True)
    assert (added.name, added.algorithm, added.state) == ("signing-2", "ES256", KeyState.ACTIVE)
    _, successor = deployment.node("RS256").revoke("signing-2")
    assert successor is not None
    assert (successor.algorithm, successor.state) == ("RS256", KeyState.ACTIVE)


def test_due_signing_key_waits_while_there_are_three(deployment: Deployment) -> None:
    for _ in range(2):
        deployment.manager.rotate(KeyKind.SIGNING, at_once=True)
        deployment.advance(1)
    node = deployment.node("ES256")
    assert node.rotate_due() == []
    deployment.advance(3630)
    assert node.rotate_due() == ["pruned signing-1", "pruned signing-2", "rotated signing-4"]


# --- revoking ---------------------------------------------------------------------------------------------------------


def test_reload_is_retried_by_the_next_call_if_no_thread_can_be_started(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    leaked = deployment.sign()
    deployment.manager.revoke("signing-1")
    deployment.advance(2)
    with monkeypatch.context() as patched:
        patched.setattr(Thread, "start", refuse)
        assert deployment.accepts(leaked)
    assert not deployment.accepts(leaked)


@pytest.mark.parametrize("failure", [KeyError("document"), SystemExit(1)])
def test_any_failure_of_a_reload_is_logged_and_the_previous_keys_go_on(
    deployment: Deployment, failure: BaseException, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise failure

    leaked = deployment.sign()
    deployment.manager.revoke("signing-1")
    deployment.advance(2)
    with monkeypatch.context() as patched:
        patched.setattr("vestibule.adapters.keys.reloading.read_keys", fail)
        assert deployment.accepts(leaked)
    assert f"cannot reload the keys, using the previous ones: {type(failure).__name__}" in caplog.text
    deployment.advance(2)
    assert not deployment.accepts(leaked)


@pytest.mark.parametrize("by", ["name", "kid"])
def test_revoked_key_is_refused_after_the_next_reload_and_another_signs(deployment: Deployment, by: str) -> None:
    leaked = deployment.sign()
    assert deployment.accepts(leaked)
    revoked, successor = deployment.manager.revoke("signing-1" if by == "name" else _kid(leaked))
    assert revoked.kid == _kid(leaked)
    assert successor is not None
    deployment.advance(2)
    assert not deployment.accepts(leaked)
    assert deployment.published() == [successor.kid]
    assert _kid(deployment.sign()) == successor.kid


def test_pending_key_replaces_a_revoked_one(deployment: Deployment) -> None:
    waiting = deployment.manager.rotate(KeyKind.SIGNING)
    _, successor = deployment.manager.revoke("signing-1")
    assert successor is not None
    assert (successor.kid, successor.state) == (waiting.kid, KeyState.ACTIVE)


def test_revoked_key_that_is_not_active_is_not_replaced(deployment: Deployment) -> None:
    deployment.manager.rotate(KeyKind.SIGNING)
    assert deployment.manager.revoke("signing-2")[1] is None
    assert deployment.states() == [(1, KeyState.ACTIVE)]
    deployment.manager.rotate(KeyKind.SIGNING, at_once=True)
    assert deployment.manager.revoke("signing-1")[1] is None
    assert deployment.states() == [(2, KeyState.ACTIVE)]


def test_expired_key_does_not_come_back_when_its_successor_is_revoked(deployment: Deployment) -> None:
    old = deployment.sign()
    deployment.manager.rotate(KeyKind.SIGNING, at_once=True)
    deployment.advance(3630)
    _, successor = deployment.manager.revoke("signing-2")
    deployment.advance(2)
    assert successor is not None
    assert deployment.published() == [successor.kid]
    assert _kid(old) not in deployment.published()


@pytest.mark.parametrize("kind", ["codes", "refresh", "digests"])
def test_revoked_secret_is_replaced(deployment: Deployment, kind: str) -> None:
    before = open_keys(deployment.store)
    revoked, successor = deployment.manager.revoke(f"{kind}-1")
    assert (revoked.name, successor and successor.name) == (f"{kind}-1", f"{kind}-2")
    after = open_keys(deployment.store)
    (old,), (new,) = getattr(before, kind), getattr(after, kind)
    assert old.key != new.key
    assert replace(after, **{kind: (old,)}) == before


def test_refresh_tokens_of_a_revoked_secret_are_refused(deployment: Deployment) -> None:
    leaked = deployment.tokens.issue_refresh(SESSION, 3)
    deployment.manager.revoke("refresh-1")
    deployment.advance(2)
    assert deployment.tokens.verify_refresh(leaked) is None
    assert deployment.tokens.verify_refresh(deployment.tokens.issue_refresh(SESSION, 3)) == (SESSION, 3)


@pytest.mark.parametrize("name", ["signing-7", "", "signing", "signing-01", "None"])
def test_unknown_key_cannot_be_revoked(deployment: Deployment, name: str) -> None:
    before = open_keys(deployment.store)
    with pytest.raises(ValueError, match="no such key"):
        deployment.manager.revoke(name)
    assert open_keys(deployment.store) == before


# --- a running server --------------------------------------------------------------------------------------------


def test_no_token_makes_a_server_reload_its_keys(deployment: Deployment) -> None:
    successor = deployment.manager.rotate(KeyKind.SIGNING, at_once=True)
    other = JwtTokens(open_keys(deployment.store), issuer=URL, audience=URL).issue_access(7, SESSION, NOW)
    assert _kid(other) == successor.kid
    deployment.advance(1.999)
    assert not any(deployment.accepts(other) for _ in range(20))
    deployment.advance(0.001)
    assert deployment.accepts(other)


def test_unchanged_keys_stay_the_same_object_so_that_verified_tokens_stay_cached(file: Path) -> None:
    clock = Clock()
    source = ReloadingKeys(FileKeyStore(file), clock)
    keys = source.current()
    file.touch()
    clock.now += 2
    assert source.current() is keys


def _spoil(file: Path) -> None:
    file.write_text("no key")


def _remove(file: Path) -> None:
    file.unlink()


def _move_directory(file: Path) -> None:
    file.parent.rename(file.parent.with_name("elsewhere"))


def _leave_out_codes(file: Path) -> None:
    file.write_bytes(replace(FileKeyStore(file).read(), codes=()).to_json())


@pytest.mark.parametrize("spoil", [_spoil, _remove, _move_directory, _leave_out_codes])
def test_failed_reload_keeps_the_keys_creates_none_and_is_logged_once(
    spoil: Callable[[Path], None], file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deployment = Deployment(FileKeyStore(file))
    text = deployment.sign()
    spoil(file)
    spoilt = file.read_bytes() if file.exists() else None
    with caplog.at_level(logging.INFO, "vestibule.keys"):
        for _ in range(3):
            deployment.advance(2)
            assert deployment.accepts(text)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert caplog.records[0].getMessage().startswith("cannot reload the keys, using the previous ones: ")
    assert (file.read_bytes() if file.exists() else None) == spoilt


def test_reload_after_a_failure_takes_the_new_keys_and_is_logged(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    deployment = Deployment(FileKeyStore(file))
    keys = FileKeyStore(file).read()
    _spoil(file)
    deployment.advance(2)
    before = deployment.published()
    newer = SigningKey.generate(2)
    file.write_bytes(replace(keys, signing=(*keys.signing, newer)).to_json())
    with caplog.at_level(logging.INFO, "vestibule.keys"):
        for _ in range(3):
            deployment.advance(2)
            assert deployment.published() == [*before, newer.kid]
    assert [record.getMessage() for record in caplog.records[1:]] == ["the keys have changed", "the keys can be read again"]


def test_reload_finds_a_replaced_secret(file: Path) -> None:
    clock = Clock()
    source = ReloadingKeys(FileKeyStore(file), clock)
    clock.now += 2
    newer = SymmetricKey.generate()
    file.write_bytes(replace(source.current(), codes=(newer,)).to_json())
    clock.now += 2
    assert source.current().codes == (newer,)


# --- any sequence of changes ------------------------------------------------------------------------------------------

pauses = st.sampled_from([1.0, 30.0, 3631.0, 3 * 3600.0, DAY, 2 * DAY])
changes = st.sampled_from(["rotate", "rotate now", "revoke", "prune", "sign", "due EdDSA", "due ES256"])
steps = st.lists(st.one_of(pauses, changes), max_size=14)


@given(steps)
@settings(max_examples=60, deadline=None)
def test_any_sequence_of_changes_leaves_one_active_key_at_most_three_published_and_no_token_rejected_early(
    steps: list[str | float],
) -> None:
    with TemporaryDirectory() as directory:
        deployment = Deployment(FileKeyStore(Path(directory) / "keys.json"))
        tokens: list[tuple[str, float]] = []
        emergencies = {_kid(deployment.sign())}
        published: dict[str, float] = {}
        for step in steps:
            _apply(deployment, step, tokens, emergencies)
            deployment.advance(2)
            text = deployment.sign()
            kids = deployment.published()
            for kid in kids:
                published.setdefault(kid, deployment.clock.now)
            assert len(kids) <= 3
            assert _kid(text) in kids
            assert _kid(text) in emergencies or deployment.clock.now - published[_kid(text)] >= DAY - 2
            assert [state for _, state in deployment.states()].count(KeyState.ACTIVE) == 1
            published = {kid: since for kid, since in published.items() if kid in kids}
            assert all(deployment.accepts(text) for text, end in tokens if deployment.clock.now < end)


def _apply(deployment: Deployment, step: str | float, tokens: list[tuple[str, float]], emergencies: set[str]) -> None:
    match step:
        case "rotate" | "rotate now":
            try:
                added = deployment.manager.rotate(KeyKind.SIGNING, at_once=step == "rotate now")
            except ValueError:
                return
            if step == "rotate now":
                emergencies.add(str(added.kid))
        case "revoke":
            revoked, successor = deployment.manager.revoke(_kid(deployment.sign()))
            emergencies.add(str(successor and successor.kid))
            tokens[:] = [(text, end) for text, end in tokens if _kid(text) != revoked.kid]
        case "prune":
            deployment.manager.prune()
        case "due EdDSA" | "due ES256":
            deployment.node(str(step).removeprefix("due "), days=2).rotate_due()
        case "sign":
            tokens.append((deployment.sign(), deployment.clock.now + 298))
        case _:
            deployment.advance(float(step))
