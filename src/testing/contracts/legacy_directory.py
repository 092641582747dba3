"""The contract of the port `LegacyDirectory`."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from ...application.ports import ImportRecord, LegacyDirectory, LegacyRefusal
from ...domain.errors import Unavailable

PASSWORD = " päss of the old house "
OTHER = "päss of the old house"


@dataclass(frozen=True)
class LegacyHarness:
    """A directory and the system behind it.

    `add` makes an account there with this username, email and password. After `break_down` the system answers nothing until
    `repair`.
    """

    directory: LegacyDirectory
    add: Callable[[str, str, str], object]
    break_down: Callable[[], object]
    repair: Callable[[], object] = lambda: None


class LegacyDirectoryContract:
    """The promises of every `LegacyDirectory`.

    Define the fixture `harness`: a new `LegacyHarness` for each test.
    """

    def test_right_password_gives_the_account(self, harness: LegacyHarness) -> None:
        harness.add("ann", "ann@example.com", PASSWORD)
        found = harness.directory.check("ann", PASSWORD)
        assert isinstance(found, ImportRecord)
        assert (found.username, found.email, found.is_active) == ("ann", "ann@example.com", True)
        assert found.key

    def test_key_of_an_account_stays_and_is_its_own(self, harness: LegacyHarness) -> None:
        harness.add("ann", "ann@example.com", PASSWORD)
        harness.add("bob", "bob@example.com", PASSWORD)
        records = [harness.directory.check(name, PASSWORD) for name in ("ann", "ann", "bob")]
        keys = [record.key for record in records if isinstance(record, ImportRecord)]
        assert keys[0] == keys[1] != keys[2]

    @pytest.mark.parametrize("wrong", [OTHER, f"{PASSWORD} ", PASSWORD.upper(), "", "\0", "x" * 5000])
    def test_wrong_password_gives_no_account(self, harness: LegacyHarness, wrong: str) -> None:
        harness.add("ann", "ann@example.com", PASSWORD)
        assert isinstance(harness.directory.check("ann", wrong), LegacyRefusal)

    @pytest.mark.parametrize("unknown", ["eve", "", " ", "\0", "ann'--", "ann%", "a" * 5000, "\u202e\U0010ffff", '{"a": 1}'])
    def test_unknown_identifier_gives_no_account(self, harness: LegacyHarness, unknown: str) -> None:
        harness.add("ann", "ann@example.com", PASSWORD)
        assert isinstance(harness.directory.check(unknown, PASSWORD), LegacyRefusal)

    def test_system_that_is_down_is_no_refusal_and_reveals_no_secret(self, harness: LegacyHarness) -> None:
        harness.add("ann", "ann@example.com", PASSWORD)
        harness.break_down()
        with pytest.raises(Unavailable) as failure:
            harness.directory.check("ann", PASSWORD)
        assert OTHER not in f"{failure.value!r} {failure.value.__cause__!r}"
        assert "ann" not in str(failure.value)
        harness.repair()
        assert isinstance(harness.directory.check("ann", PASSWORD), ImportRecord)

    def test_concurrent_calls_get_their_own_answers(self, harness: LegacyHarness) -> None:
        for number in range(4):
            harness.add(f"ann{number}", f"ann{number}@example.com", f"{PASSWORD}{number}")

        def ask(number: int) -> str | None:
            found = harness.directory.check(f"ann{number % 4}", f"{PASSWORD}{number % 4}")
            return found.username if isinstance(found, ImportRecord) else None

        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(ask, range(16))) == [f"ann{number % 4}" for number in range(16)]
