"""The contracts as a host application runs them, by plain pytest from any directory: a broken promise fails its test."""

import re
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

pytestmark = pytest.mark.slow

BROKEN = Path(__file__).with_name("broken.py")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "library.md"


@dataclass(frozen=True)
class Report:
    """The failed tests of each class, and the output of pytest."""

    failed: dict[str, set[str]]
    text: str


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    home = tmp_path_factory.mktemp("host")
    shutil.copyfile(BROKEN, home / "test_adapters_of_mine.py")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--junitxml=report.xml", "test_adapters_of_mine.py"]
    ran = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED, ran.stdout + ran.stderr
    failed: dict[str, set[str]] = defaultdict(set)
    for case in ET.parse(home / "report.xml").iter("testcase"):  # noqa: S314 — written by pytest
        assert case.find("error") is None, case.attrib
        broken = failed[case.attrib["classname"].rpartition(".")[2]]
        if case.find("failure") is not None:
            broken.add(case.attrib["name"].partition("[")[0])
    return Report(failed, ran.stdout)


@pytest.mark.parametrize(
    ("adapter", "promise"),
    [
        ("TestRollbackThatDoesNothing", "test_exception_rolls_back_the_whole_transaction"),
        ("TestLockThatDoesNotWait", "test_second_lock_waits_and_then_sees_the_saved_row"),
        ("TestStorageThatForgets", "test_stored_data_is_returned_unchanged"),
        ("TestStorageWhoseNamesAreGuessed", "test_name_is_url_safe_and_unguessable"),
        ("TestHasherThatVerifiesEverything", "test_only_the_hashed_password_verifies"),
        ("TestHasherThatVerifiesEverything", "test_no_password_verifies_without_a_hash"),
        ("TestHasherThatTruncates", "test_long_password_is_not_truncated"),
        ("TestRateLimiterThatNeverWaits", "test_calls_above_the_limit_are_rejected"),
        ("TestRateLimiterWithoutALock", "test_concurrent_calls_never_exceed_the_limit"),
        ("TestNotifierThatSendsDecoys", "test_decoy_arrives_nowhere"),
        ("TestTokensThatNeverEnd", "test_access_token_is_accepted_until_its_expiry_however_often_it_was_verified"),
        ("TestCodesThatAnotherProcessDoesNotKnow", "test_code_is_the_same_at_each_call_and_in_each_process"),
        ("TestImagesThatAreNotDecoded", "test_each_format_becomes_webp"),
        ("TestDevicesThatRepeatTheUserAgent", "test_two_versions_have_one_name"),
        ("TestDevicesThatRepeatTheUserAgent", "test_name_holds_nothing_that_a_client_chose"),
        ("TestUsernamesThatDifferByCase", "test_canonical_form_ignores_case_and_separators"),
    ],
)
def test_broken_promise_fails_its_test(report: Report, adapter: str, promise: str) -> None:
    assert promise in report.failed[adapter]


def test_adapter_that_keeps_all_promises_passes(report: Report) -> None:
    assert report.failed["TestNothingIsBroken"] == set()


def test_failure_shows_the_actual_result(report: Report) -> None:
    assert "assert [0, 0, 0, 0, 0] == [0, 0, 0, 60, 60]" in report.text


def test_adapter_of_the_documentation_passes(tmp_path: Path) -> None:
    snippets = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    [snippet] = [snippet for snippet in snippets if "Contract" in snippet]
    (tmp_path / "test_page.py").write_text(snippet)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", "test_page.py"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout
    assert " passed in" in ran.stdout


def test_import_loads_no_pytest() -> None:
    program = "import sys, vestibule.testing; sys.exit('pytest' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
