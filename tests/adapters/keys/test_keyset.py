"""The key set in its file: created once, durable, private, the same for every process, and refused if it is invalid."""

import base64
import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.adapters.keys import FileKeyStore, JwtTokens, KeyKind, KeyManager, KeySet, SigningKey, SymmetricKey, open_keys

NOW = 1_800_000_000.0
DAY = 86_400.0
SECRET_KINDS = ["codes", "refresh", "digests"]

PRINTS_ITS_KEYS = """
import sys
from pathlib import Path
from vestibule.adapters.keys import FileKeyStore, open_keys
print("ready", flush=True)
for directory in sys.stdin.readline().split():
    print(open_keys(FileKeyStore(Path(directory) / "keys.json")).to_json().hex(), flush=True)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "keys.json"


def _opened(file: Path) -> KeySet:
    return open_keys(FileKeyStore(file))


def _write(file: Path, content: bytes, mode: int = 0o600) -> None:
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_bytes(content)
    file.chmod(mode)


def _entries(keys: KeySet) -> list[dict[str, Any]]:
    entries = json.loads(keys.to_json())["keys"]
    assert isinstance(entries, list)
    return entries


def _document(*entries: Any) -> bytes:
    return json.dumps({"keys": entries}).encode()


def _changed(kind: str, **members: Any) -> bytes:
    """A document in which the entry of one kind has other members; None removes a member."""
    entries = _entries(KeySet.generate())
    entry = next(entry for entry in entries if entry["kind"] == kind)
    entry.update(members)
    for name in [name for name, value in members.items() if value is None]:
        del entry[name]
    return _document(*entries)


# --- the first start --------------------------------------------------------------------------------------------------


def test_first_start_creates_keys_and_later_starts_read_them(file: Path) -> None:
    first = _opened(file)
    assert _opened(file) == first
    assert {path.name for path in file.parent.iterdir()} == {"keys.json", ".keys.json.lock"}
    assert first.codes[0].key != first.refresh[0].key


def test_two_deployments_share_no_key(tmp_path: Path) -> None:
    first, second = _opened(tmp_path / "one" / "keys.json"), _opened(tmp_path / "other" / "keys.json")
    assert first.signing[0].kid != second.signing[0].kid
    assert len({secret.key for keys in (first, second) for secret in (*keys.codes, *keys.refresh, *keys.digests)}) == 6


def test_only_the_owner_can_read_a_created_file_whatever_the_umask(file: Path) -> None:
    before = os.umask(0)
    try:
        _opened(file)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()} == {0o600}


def test_processes_that_start_at_once_end_up_with_the_same_keys(tmp_path: Path) -> None:
    directories = [str(tmp_path / f"data{number}") for number in range(20)]
    command = [sys.executable, "-c", PRINTS_ITS_KEYS]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    outputs = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(" ".join(directories) + "\n")
        process.stdin.flush()
    for process in processes:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        outputs.append(output.splitlines())
    assert outputs[0] == outputs[1] == outputs[2]
    assert len(set(outputs[0])) == len(directories)


def test_threads_that_start_at_once_end_up_with_the_same_keys_and_leave_no_temporary_file(tmp_path: Path) -> None:
    workers = 4
    start = Barrier(workers)

    def opened(file: Path) -> bytes:
        start.wait()
        return _opened(file).to_json()

    with ThreadPoolExecutor(workers) as pool:
        for number in range(20):
            file = tmp_path / str(number) / "keys.json"
            assert len(set(pool.map(opened, [file] * workers))) == 1
            assert {path.name for path in file.parent.iterdir()} == {"keys.json", ".keys.json.lock"}


@pytest.mark.parametrize("kind", list(KeyKind))
def test_missing_kind_of_key_is_generated_and_the_others_stay(file: Path, kind: KeyKind) -> None:
    before = _opened(file)
    _write(file, _document(*(entry for entry in _entries(before) if entry["kind"] != kind)))
    after = _opened(file)
    assert after.of(kind) != before.of(kind)
    assert {other: after.of(other) for other in KeyKind if other != kind} == {
        other: before.of(other) for other in KeyKind if other != kind
    }
    assert _opened(file) == after


def test_temporary_file_of_an_interrupted_start_is_ignored(file: Path) -> None:
    _write(file.with_name(".keys.json.abcdef.unfinished"), b"half a k")
    assert _opened(file) == _opened(file)


def test_tokens_survive_a_restart(file: Path) -> None:
    def started() -> JwtTokens:
        return JwtTokens(_opened(file), issuer="https://accounts.example", audience="api")

    before, after = started(), started()
    assert after.verify_access(before.issue_access(7, "session", 1000.0), 1000.0) is not None
    assert after.verify_refresh(before.issue_refresh("session", 3)) == ("session", 3)


# --- permissions of the file ------------------------------------------------------------------------------------------


def test_key_file_may_be_read_only(file: Path) -> None:
    first = _opened(file)
    file.chmod(0o400)
    assert _opened(file) == first


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o666])
def test_key_file_that_others_may_read_or_write_is_made_private(file: Path, mode: int) -> None:
    first = _opened(file)
    file.chmod(mode)
    assert _opened(file) == first
    assert stat.S_IMODE(file.stat().st_mode) == mode & 0o700


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_directory_where_others_could_replace_the_keys_is_made_private_or_refused(file: Path, mode: int) -> None:
    file.parent.mkdir()
    (file.parent / "index.html").touch()
    file.parent.chmod(mode)
    with pytest.raises(ValueError, match=rf"data is open to other users \(mode {mode:04o}\): run chmod 0700"):
        _opened(file)
    assert not file.exists()
    (file.parent / "index.html").unlink()
    _opened(file)
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


# --- the document -----------------------------------------------------------------------------------------------------


def test_document_is_a_private_jwk_set() -> None:
    keys = KeySet.generate(NOW + 0.9)
    signing, codes, refresh, digests = _entries(keys)
    assert {name: signing[name] for name in ("kty", "crv", "alg", "use", "kid")} == {
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "use": "sig",
        "kid": keys.signing[0].kid,
    }
    assert [entry["kid"] for entry in (codes, refresh, digests)] == ["codes-1", "refresh-1", "digests-1"]
    assert {entry["kty"] for entry in (codes, refresh, digests)} == {"oct"}
    assert {(entry["number"], entry["nbf"]) for entry in _entries(keys)} == {(1, int(NOW))}


def test_key_set_round_trips_through_json() -> None:
    keys = replace(
        KeySet.generate(),
        signing=(SigningKey.generate(2), SigningKey.generate(10, NOW)),
        refresh=(SymmetricKey.generate(1), SymmetricKey.generate(2, NOW + 60)),
    )
    assert KeySet.from_json(keys.to_json()) == keys


def test_keys_are_ordered_by_number() -> None:
    keys = replace(KeySet.generate(), signing=(SigningKey.generate(2), SigningKey.generate(10)))
    assert KeySet.from_json(_document(*reversed(_entries(keys)))) == keys


def test_rotation_times_are_in_the_document_and_survive_a_copy(file: Path) -> None:
    manager = KeyManager(FileKeyStore(file), lambda: NOW)
    manager.rotate(KeyKind.SIGNING)
    manager.rotate(KeyKind.REFRESH)
    copy = file.with_name("copy.json")
    _write(copy, file.read_bytes())
    keys = _opened(copy)
    assert keys == _opened(file)
    assert [key.active_from for key in keys.signing] == [NOW, NOW + DAY]
    assert [secret.active_from for secret in keys.refresh] == [NOW, NOW + 60]


def test_signing_key_of_the_operator_is_used(file: Path) -> None:
    # The key of RFC 8037, appendix A.1, and its thumbprint in appendix A.3.
    own = {
        "kty": "OKP",
        "crv": "Ed25519",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "kind": "signing",
        "number": 1,
    }
    _write(file, _document(own))
    (key,) = _opened(file).signing
    assert key.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert key.public_jwk()["x"] == own["x"]
    assert key.active_from == 0.0


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 119, b"[]", b"{}", b'{"keys":{}}', b'{"keys":[', b"[" * 100_000, b"\xff", b"x" * 2_000_000],
    ids=["empty", "zeros", "list", "object", "not-a-list", "cut", "nested", "binary", "huge"],
)
def test_file_that_is_no_key_set_is_refused_in_one_line(file: Path, content: bytes) -> None:
    _write(file, content)
    with pytest.raises(ValueError, match=r"keys\.json: not a JSON Web Key set") as refusal:
        _opened(file)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "entry", [None, 7, [], {}, {"kind": "signing"}, {"kind": "other", "number": 1}, {"kind": ["codes"], "number": 1}], ids=repr
)
def test_entry_without_kind_or_number_is_refused(file: Path, entry: Any) -> None:
    _write(file, _document(entry))
    with pytest.raises(ValueError, match=r"keys\.json: key 1: its kind is one of signing, codes, refresh, digests"):
        _opened(file)


@pytest.mark.parametrize("number", [-1, 0, 10_000, 1.0, True, "1", None])
@pytest.mark.parametrize("kind", ["signing", "codes"])
def test_entry_needs_a_number_that_a_token_can_carry(kind: str, number: Any) -> None:
    with pytest.raises(ValueError, match="1 to 9999"):
        KeySet.from_json(_changed(kind, number=number))


_OTHER = _entries(KeySet.generate())[0]


@pytest.mark.parametrize(
    "members",
    [
        {"d": None},
        {"x": None},
        {"x": _OTHER["x"]},
        {"d": ""},
        {"d": _OTHER["d"][:20]},
        {"d": 7},
        {"kty": "EC"},
        {"kty": "oct", "k": "A" * 43},
        {"crv": "X25519"},
        {"crv": "Ed448"},
    ],
    ids=["public", "no-x", "other-x", "empty", "short", "number", "ec", "secret", "x25519", "ed448"],
)
def test_invalid_signing_key_is_refused_in_one_line_that_names_it(file: Path, members: dict[str, Any]) -> None:
    _write(file, _changed("signing", **members))
    with pytest.raises(ValueError, match=r"keys\.json: signing-1: not a private key for EdDSA") as refusal:
        _opened(file)
    assert "\n" not in str(refusal.value)
    assert refusal.value.__suppress_context__


@pytest.mark.parametrize("kind", SECRET_KINDS)
@pytest.mark.parametrize(
    "text",
    [
        None,
        1_234_567_890,
        "",
        "changeme",
        "\0" * 43,
        "é" * 43,
        base64.urlsafe_b64encode(bytes(range(31))).decode().rstrip("="),
        base64.urlsafe_b64encode(bytes(32)).decode().rstrip("="),
        base64.urlsafe_b64encode(b"ab" * 16).decode().rstrip("="),
        base64.urlsafe_b64encode(bytes(range(256)) * 5).decode().rstrip("="),
        base64.b64encode(bytes(range(200, 255))).decode().rstrip("="),
        base64.urlsafe_b64encode(bytes(range(32))).decode(),
    ],
    ids=["none", "number", "empty", "word", "zeros", "letters", "short", "constant", "repeated", "long", "alphabet", "padded"],
)
def test_invalid_secret_is_refused_in_one_line_that_names_it_and_reveals_none_of_it(file: Path, kind: str, text: Any) -> None:
    _write(file, _changed(kind, k=text))
    with pytest.raises(ValueError, match=rf"keys\.json: {kind}-1: (not )?a secret") as refusal:
        _opened(file)
    assert "\n" not in str(refusal.value)
    assert not text or str(text)[:20] not in str(refusal.value)


@pytest.mark.parametrize("kind", SECRET_KINDS)
def test_secret_of_another_type_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match=f"{kind}-1: not a secret"):
        KeySet.from_json(_changed(kind, kty="RSA"))


@pytest.mark.parametrize("nbf", ["2026-11-24T20:00:00Z", "1800000000", -1, 1.5, True, [], float("nan"), float("inf"), 10**400])
@pytest.mark.parametrize("kind", ["signing", "refresh"])
def test_key_with_an_unreadable_nbf_is_refused_for_it_would_be_active_too_early(kind: str, nbf: Any) -> None:
    with pytest.raises(ValueError, match=f"^{kind}-1: its nbf is the whole number of seconds since 1970"):
        KeySet.from_json(_changed(kind, nbf=nbf))


def test_key_without_an_nbf_is_active_from_the_beginning() -> None:
    entries = [{name: entry[name] for name in entry if name != "nbf"} for entry in _entries(KeySet.generate(NOW))]
    keys = KeySet.from_json(_document(*entries))
    assert {key.active_from for kind in KeyKind for key in keys.of(kind)} == {0.0}


@pytest.mark.parametrize("kind", list(KeyKind))
def test_two_keys_with_the_same_name_are_refused(kind: KeyKind) -> None:
    entries = [*_entries(KeySet.generate()), *_entries(KeySet.generate())]
    with pytest.raises(ValueError, match=f"^{kind}-1 occurs more than once"):
        KeySet.from_json(_document(*(entry for entry in entries if entry["kind"] == kind)))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([*KeyKind, "OKP", "oct", "Ed25519"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["keys", *_OTHER, "k"]) | st.text(), inner),
)


@given(st.binary(max_size=300) | _json.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_content_is_no_key_set(content: bytes) -> None:
    try:
        keys = KeySet.from_json(content)
    except ValueError as refusal:
        assert "\n" not in str(refusal)  # noqa: PT017 — most content is refused, and an empty set is not
    else:
        assert keys == KeySet()


@given(_json, _json)
@pytest.mark.slow
def test_arbitrary_key_material_is_refused(first: Any, second: Any) -> None:
    for kind, members in (("signing", {"d": first, "x": second}), ("codes", {"k": first})):
        with pytest.raises(ValueError, match=f"^{kind}-1: "):
            KeySet.from_json(_document({**_OTHER, "kty": "OKP" if kind == "signing" else "oct", "kind": kind, **members}))


@given(st.binary(min_size=32, max_size=1024).filter(lambda key: len(set(key)) >= 10))
def test_secret_round_trips_through_jwk(key: bytes) -> None:
    assert SymmetricKey.from_jwk(SymmetricKey(3, key).private_jwk(), 3, 0.0) == SymmetricKey(3, key)


@pytest.mark.parametrize("number", [-1, 0, 10_000])
def test_secret_needs_a_number_that_a_token_can_carry(number: int) -> None:
    with pytest.raises(ValueError, match="1 to 9999"):
        SymmetricKey.generate(number)


@pytest.mark.parametrize("length", [0, 16, 31, 1025])
def test_secret_of_a_wrong_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 to 1024 bytes"):
        SymmetricKey(1, bytes(number % 256 for number in range(length)))


def test_generated_keys_differ_each_time() -> None:
    assert KeySet.generate() != KeySet.generate()


@pytest.mark.parametrize("kind", list(KeyKind))
def test_tokens_need_every_kind_of_key(kind: KeyKind) -> None:
    keys = KeySet.generate()
    with pytest.raises(ValueError, match=f"no key of the kind {kind}$"):
        JwtTokens(keys.without(kind, 1), issuer="https://accounts.example", audience="api")


def test_no_secret_is_shown() -> None:
    keys = KeySet.generate()
    shown = repr(keys)
    assert keys.signing[0].kid in shown
    for secret in (*keys.codes, *keys.refresh, *keys.digests):
        assert repr(secret.key) not in shown
        assert secret.private_jwk()["k"] not in shown
    assert "private" not in shown
