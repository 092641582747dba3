"""Keys in a directory: made once, durable, private, the same for everybody, and refused when they are no good."""

import base64
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from vestibule.adapters.keys import FileKeyStore, JwtTokens, Keys, Secret, SigningKey, open_keys

FILES = {"signing-1.pem", "codes-1.key", "refresh-1.key", "blinding-1.key"}

PRINTS_ITS_KEYS = """
import sys
from pathlib import Path
from vestibule.adapters.keys import FileKeyStore, open_keys
print("ready", flush=True)
for directory in sys.stdin.readline().split():
    keys = open_keys(FileKeyStore(Path(directory)))
    print(keys.signing[0].kid, *(kind[0].text() for kind in (keys.codes, keys.refresh, keys.blinding)), flush=True)
"""


def _opened(directory: Path) -> Keys:
    return open_keys(FileKeyStore(directory))


def _said(keys: Keys) -> tuple[list[str], list[Secret]]:
    return [key.kid for key in keys.signing], [*keys.codes, *keys.refresh, *keys.blinding]


def _pem(private: Ed25519PrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _put(path: Path, content: bytes | str, mode: int = 0o600) -> None:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)


def test_the_first_start_makes_keys_and_every_later_one_finds_them(tmp_path: Path) -> None:
    directory = tmp_path / "data" / "keys"
    first = _opened(directory)
    assert _said(_opened(directory)) == _said(first)
    assert {path.name for path in directory.iterdir()} == FILES
    assert first.codes[0].key != first.refresh[0].key


def test_two_deployments_have_nothing_in_common(tmp_path: Path) -> None:
    one, other = _opened(tmp_path / "one"), _opened(tmp_path / "other")
    assert one.signing[0].kid != other.signing[0].kid
    assert len({secret.key for keys in (one, other) for secret in (*keys.codes, *keys.refresh, *keys.blinding)}) == 6


def test_nobody_but_the_owner_can_read_what_is_made_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        _opened(tmp_path / "keys")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()} == {0o600}


def test_processes_that_start_at_once_end_with_the_same_keys(tmp_path: Path) -> None:
    directories = [str(tmp_path / f"keys{number}") for number in range(20)]
    command = [sys.executable, "-c", PRINTS_ITS_KEYS]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    answers = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(" ".join(directories) + "\n")
        process.stdin.flush()
    for process in processes:
        answer, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        answers.append(answer.splitlines())
    assert answers[0] == answers[1] == answers[2]
    assert len(set(answers[0])) == len(directories)


def test_threads_that_start_at_once_end_with_the_same_keys_and_leave_nothing_behind(tmp_path: Path) -> None:
    workers = 4
    start = Barrier(workers)

    def opened(directory: Path) -> str:
        start.wait()
        return repr([key.text() for keys in (_opened(directory),) for key in (*keys.codes, *keys.refresh, *keys.blinding)])

    with ThreadPoolExecutor(workers) as pool:
        for number in range(20):
            directory = tmp_path / str(number)
            assert len(set(pool.map(opened, [directory] * workers))) == 1
            assert {path.name for path in directory.iterdir()} == FILES


def test_a_kind_of_key_that_is_lost_is_made_anew_and_the_others_stay(tmp_path: Path) -> None:
    before = _opened(tmp_path)
    (tmp_path / "codes-1.key").unlink()
    after = _opened(tmp_path)
    assert after.codes != before.codes
    assert replace(after, codes=before.codes) == before


def test_what_an_interrupted_start_left_behind_is_not_taken_for_a_key(tmp_path: Path) -> None:
    _put(tmp_path / ".new-abcdef", b"half a k")
    assert _said(_opened(tmp_path)) == _said(_opened(tmp_path))


def test_keys_are_in_the_order_of_their_numbers_and_not_of_their_spelling(tmp_path: Path) -> None:
    first = _opened(tmp_path)
    tenth, second = SigningKey.generate(), SigningKey.generate()
    _put(tmp_path / "signing-10.pem", tenth.pem())
    _put(tmp_path / "signing-2.pem", second.pem())
    _put(tmp_path / "refresh-2.key", Secret.generate().text())
    keys = _opened(tmp_path)
    assert [key.kid for key in keys.signing] == [first.signing[0].kid, second.kid, tenth.kid]
    assert [secret.number for secret in keys.refresh] == [1, 2]
    assert keys.codes == first.codes


def test_files_of_other_names_are_not_looked_at(tmp_path: Path) -> None:
    first = _opened(tmp_path)
    for name in (
        "signing-2.pem~",
        "signing-02.pem",
        "signing-0.pem",
        "signing-2.key",
        "refresh-99999.key",
        "README",
        "codes-٢.key",
    ):
        _put(tmp_path / name, b"anything", 0o644)
    assert _said(_opened(tmp_path)) == _said(first)


def test_keys_may_be_read_only(tmp_path: Path) -> None:
    first = _opened(tmp_path)
    for name in FILES:
        (tmp_path / name).chmod(0o400)
    assert _said(_opened(tmp_path)) == _said(first)


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o666])
def test_a_key_that_others_may_read_or_write_is_refused_by_name(tmp_path: Path, name: str, mode: int) -> None:
    _opened(tmp_path)
    (tmp_path / name).chmod(mode)
    with pytest.raises(ValueError, match=f"{name}: .*must be 0600, not {mode:04o}"):
        _opened(tmp_path)


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_directory_where_others_could_put_keys_is_refused(tmp_path: Path, mode: int) -> None:
    directory = tmp_path / "keys"
    directory.mkdir()
    directory.chmod(mode)
    with pytest.raises(ValueError, match=f"keys: .*must be 0700, not {mode:04o}"):
        _opened(directory)
    assert list(directory.iterdir()) == []


_ED25519 = Ed25519PrivateKey.generate()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 119,
        _pem(_ED25519)[:60],
        _ED25519.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        _ED25519.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
        _ED25519.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    ],
    ids=["empty", "zeros", "cut", "der", "encrypted", "public", "another-curve"],
)
def test_a_file_that_is_no_signing_key_is_refused_in_one_line_that_names_it(tmp_path: Path, content: bytes) -> None:
    _put(tmp_path / "signing-1.pem", content)
    with pytest.raises(ValueError, match=r"signing-1\.pem: not an unencrypted Ed25519 private key") as refusal:
        _opened(tmp_path)
    assert "\n" not in str(refusal.value)
    assert refusal.value.__suppress_context__


@pytest.mark.parametrize("name", ["codes-1.key", "refresh-1.key", "blinding-1.key"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"changeme",
        b"\0" * 43,
        b"\xff" * 43,
        base64.urlsafe_b64encode(bytes(range(31))),
        base64.urlsafe_b64encode(bytes(32)),
        base64.urlsafe_b64encode(b"ab" * 16),
        base64.urlsafe_b64encode(bytes(range(256)) * 5),
        base64.b64encode(bytes(range(200, 255))),
        base64.urlsafe_b64encode(bytes(range(32))) + b"\n" + base64.urlsafe_b64encode(bytes(range(32))),
        b"x" * 100_000,
    ],
    ids=["empty", "word", "zeros", "binary", "short", "constant", "repeated", "long", "other-alphabet", "two-lines", "huge"],
)
def test_a_file_that_is_no_secret_is_refused_in_one_line_that_names_it_and_tells_none_of_it(
    tmp_path: Path, name: str, content: bytes
) -> None:
    _put(tmp_path / name, content)
    with pytest.raises(ValueError, match=f"{name}: ") as refusal:
        _opened(tmp_path)
    assert "\n" not in str(refusal.value)
    assert not content or content.decode("latin-1")[:20] not in str(refusal.value)


@given(st.binary(max_size=300))
def test_no_bytes_at_all_are_taken_for_a_signing_key(content: bytes) -> None:
    with pytest.raises(ValueError, match="not an unencrypted Ed25519 private key"):
        SigningKey.from_pem(content)


@given(st.binary(min_size=32, max_size=1024).filter(lambda key: len(set(key)) >= 10), st.sampled_from(["", "\n", "=", "==\n"]))
def test_a_secret_that_an_operator_wrote_is_read_as_it_was_meant(key: bytes, ending: str) -> None:
    text = base64.urlsafe_b64encode(key).decode().rstrip("=")
    assert Secret.from_text(3, text + ending) == Secret(3, key)
    assert Secret(3, key).text() == text


@pytest.mark.parametrize("number", [-1, 0, 10_000])
def test_a_secret_has_a_number_that_a_token_can_carry(number: int) -> None:
    with pytest.raises(ValueError, match="1 to 9999"):
        Secret.generate(number)


def test_a_key_id_is_the_thumbprint_of_rfc_7638() -> None:
    # The key of RFC 8037, appendix A.1, and its thumbprint in appendix A.3.
    seed = base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    key = SigningKey.from_pem(_pem(Ed25519PrivateKey.from_private_bytes(seed)))
    assert key.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert key.jwk()["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"


def test_a_key_survives_its_file(tmp_path: Path) -> None:
    keys = Keys.generate()
    _put(tmp_path / "signing-1.pem", keys.signing[0].pem())
    _put(tmp_path / "codes-1.key", keys.codes[0].text())
    _put(tmp_path / "refresh-1.key", keys.refresh[0].text())
    _put(tmp_path / "blinding-1.key", keys.blinding[0].text())
    assert _said(_opened(tmp_path)) == _said(keys)


def test_tokens_outlive_a_restart(tmp_path: Path) -> None:
    def started() -> JwtTokens:
        return JwtTokens(_opened(tmp_path), issuer="https://accounts.example", audience="api")

    before, after = started(), started()
    assert after.verify_access(before.issue_access(7, "session", 1000.0), 1000.0) is not None
    assert after.verify_refresh(before.issue_refresh("session", 3)) == ("session", 3)


def test_generated_keys_are_kept_nowhere_and_differ_each_time() -> None:
    assert _said(Keys.generate()) != _said(Keys.generate())


def test_a_deployment_needs_every_kind_of_key() -> None:
    keys = Keys.generate()
    with pytest.raises(ValueError, match="each kind"):
        replace(keys, signing=())


def test_no_secret_is_shown() -> None:
    keys = Keys.generate()
    shown = repr(keys)
    assert keys.signing[0].kid in shown
    for secret in (*keys.codes, *keys.refresh, *keys.blinding):
        assert repr(secret.key) not in shown
        assert secret.text() not in shown
    assert "private" not in shown
