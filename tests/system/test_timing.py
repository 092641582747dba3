"""`vestibule prove`, as typed. What a busy machine measures is no matter here; that it measures, and how it says so, is."""

import json
from pathlib import Path

import pytest
from tests.system.test_command_line import vestibule

from vestibule.testing.timing.enumeration import PROBES

VERDICTS = {"alike", "unclear", "tells_apart"}


@pytest.mark.parametrize("command", [("prove",), ("prove", "enumeration")])
def test_help_teaches(command: tuple[str, ...]) -> None:
    shown = vestibule(*command, "--help")
    assert shown.returncode == 0
    assert "enumeration" in shown.stdout


def test_every_endpoint_is_measured_and_nothing_stays_behind(tmp_path: Path) -> None:
    shown = vestibule("prove", "enumeration", "--samples", "10", "--json", TMPDIR=str(tmp_path))

    assert shown.stderr == ""
    report = json.loads(shown.stdout)
    assert list(report) == [probe.name for probe in PROBES]
    for found in report.values():
        assert set(found) == {"samples", "known", "unknown", "difference", "auc", "verdict"}
        assert found["samples"] == 10
        assert found["known"] > 0 < found["unknown"]
        assert 0 <= found["auc"]["low"] <= found["auc"]["value"] <= found["auc"]["high"] <= 1
        assert found["verdict"] in VERDICTS
    assert shown.returncode == any(found["verdict"] == "tells_apart" for found in report.values())
    assert list(tmp_path.iterdir()) == []


def test_it_prints_a_table_of_the_endpoints_that_are_asked_for() -> None:
    shown = vestibule("prove", "enumeration", "--samples", "10", "--endpoint", "reset", "--endpoint", "otp-send-too-soon")

    assert shown.returncode in {0, 1}
    assert [name for name in (probe.name for probe in PROBES) if f" {name} " in shown.stdout] == [
        "otp-send-too-soon",
        "reset",
        "reset-without-code",
    ]
    assert "verdict" in shown.stdout


def test_an_endpoint_that_is_none_is_refused_and_the_others_are_named() -> None:
    shown = vestibule("prove", "enumeration", "--endpoint", "logout")
    assert shown.returncode == 2
    assert "login-username" in shown.stderr
