"""`vestibule timing`: the form of its output. The figures are not tested, because the machine of the tests may be busy."""

import json
from pathlib import Path

import pytest
from tests.support.command_line import vestibule

from vestibule.testing.timing.enumeration import PROBES, probes_for

VERDICTS = {"alike", "unclear", "reveals"}


def test_help_explains_the_measurement() -> None:
    result = vestibule("timing", "--help")
    assert result.returncode == 0
    assert "existence of an account" in result.stdout


def test_all_endpoints_are_measured_and_no_file_is_left(tmp_path: Path) -> None:
    result = vestibule("timing", "--samples", "10", "--json", TMPDIR=str(tmp_path))

    assert result.stderr == ""
    report = json.loads(result.stdout)
    assert list(report) == [probe.name for probe in probes_for("open")]
    for found in report.values():
        assert set(found) == {"samples", "known", "unknown", "difference", "auc", "verdict"}
        assert found["samples"] == 10
        assert found["known"] > 0 < found["unknown"]
        assert 0 <= found["auc"]["low"] <= found["auc"]["value"] <= found["auc"]["high"] <= 1
        assert found["verdict"] in VERDICTS
    assert result.returncode == any(found["verdict"] == "reveals" for found in report.values())
    assert list(tmp_path.iterdir()) == []


def test_table_shows_the_selected_endpoints() -> None:
    result = vestibule("timing", "--samples", "10", "--endpoint", "reset", "--endpoint", "otp-send-too-soon")

    assert result.returncode in {0, 1}
    assert [name for name in (probe.name for probe in PROBES) if f" {name} " in result.stdout] == [
        "otp-send-too-soon",
        "reset",
        "reset-without-code",
        "reset-known-network",
        "reset-recovery",
    ]
    assert "verdict" in result.stdout


def test_endpoints_are_measured_in_memory() -> None:
    result = vestibule("timing", "--samples", "10", "--memory", "--endpoint", "otp-send-recovery", "--endpoint", "login-known")
    assert result.returncode in {0, 1}
    assert " login-known-network " in result.stdout


def test_endpoints_are_measured_on_postgres(postgres: str) -> None:
    result = vestibule("timing", "--samples", "10", "--database", postgres, "--endpoint", "reset-recovery", "--json")
    assert list(json.loads(result.stdout)) == ["reset-recovery"]


@pytest.mark.parametrize("registration", ["invited", "closed"])
def test_registrations_are_measured_where_they_are_refused(registration: str) -> None:
    options = ("--registration", registration, "--samples", "10", "--memory", "--json")
    assert list(json.loads(vestibule("timing", *options).stdout)) == [probe.name for probe in PROBES]
    assert "register" not in {probe.name for probe in probes_for("open")}


def test_unknown_endpoint_is_refused_with_the_list_of_known_ones() -> None:
    result = vestibule("timing", "--endpoint", "logout")
    assert result.returncode == 2
    assert "login-username" in result.stderr
