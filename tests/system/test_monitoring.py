"""The alerts and the dashboard of `examples/monitoring`: each query runs in a real Prometheus that scrapes a real server."""

import json
import math
import re
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.support.breached_passwords import Ranges, ranges_server
from tests.support.documents import table
from tests.support.legacy_system import SECRET, LegacySystem, legacy_system
from tests.support.prometheus_server import MONITORING, Prometheus, program, prometheus
from tests.support.server import Server
from tests.system.test_deliver import eventually
from tests.system.test_metrics import OPERATING, PASSWORD, documented, measured

RULES = MONITORING / "vestibule.rules.yml"
RULE_TESTS = MONITORING / "vestibule.rules.test.yml"
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "grafana-dashboard.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ALERTS: list[str] = re.findall(r"- alert: (\w+)", RULES.read_text())
VARIABLES = {"$job": "vestibule", "$instance": ".*", "$__rate_interval": "1m"}


class Query(NamedTuple):
    panel: str
    expression: str


def queries() -> Iterator[Query]:
    """Yields the queries of the dashboard, with values in place of its variables."""
    for panel in PANELS:
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            assert "$" not in expression
            yield Query(panel["title"], expression)


def metrics_in(text: str) -> set[str]:
    """Returns the names of metrics in it, without the suffixes of histograms."""
    return {re.sub("_(bucket|count|sum)$", "", name) for name in re.findall(r"\bvestibule_[a-z0-9_]+", text)}


@pytest.mark.parametrize("file", [MONITORING / "grafana-dashboard.json", RULES, RULE_TESTS], ids=lambda file: file.name)
def test_every_metric_of_the_files_exists(file: Path) -> None:
    found = metrics_in(file.read_text())
    assert found
    assert found <= documented().keys()  # which tests/system/test_metrics.py compares with a scrape


def test_every_metric_in_the_queries_of_the_page_exists() -> None:
    text = OPERATING.read_text().partition("\n## Metrics\n")[2].partition("\n## Traces\n")[0]
    assert metrics_in(text) == documented().keys()


def test_every_metric_is_on_the_dashboard() -> None:
    assert metrics_in(json.dumps(DASHBOARD)) == documented().keys()


def test_dashboard_is_whole() -> None:
    everything = DASHBOARD["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    assert len({panel["title"] for panel in everything}) == len(everything)
    for one, other in combinations([panel["gridPos"] for panel in everything], 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart or above, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in everything)
    used = {"type": "prometheus", "uid": "${datasource}"}
    for panel in PANELS:
        assert panel["description"].endswith("."), panel["title"]
        assert all(target["datasource"] == used for target in (panel, *panel["targets"]))
        assert all('job="$job"' in target["expr"] for target in panel["targets"])
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource", "job", "instance"]


def test_alerts_are_documented() -> None:
    rows = table("operating.md", "alerts")
    assert [name.strip("`") for name, _, _ in rows] == ALERTS


def test_each_alert_is_tested_to_fire_and_to_be_silent() -> None:
    cases = re.findall(r"alertname: (\w+)\n +eval_time: \w+\n +exp_alerts:( \[\])?", RULE_TESTS.read_text())
    assert {name for name, silent in cases if silent} == {name for name, silent in cases if not silent} == set(ALERTS)


@pytest.mark.parametrize("check", [("check", "rules", RULES), ("test", "rules", RULE_TESTS)], ids=lambda check: check[0])
def test_promtool_accepts_the_alerts(check: tuple[str, str, Path]) -> None:
    command, kind, file = check
    done = subprocess.run(
        [program("promtool"), command, kind, file.name], cwd=MONITORING, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def visit(server: Server, name: str) -> None:
    """Makes calls that change the metrics that begin with their first event."""
    email = f"{name}@mail.example.com"
    fields = {"username": name, "name": name.title(), "email": email, "password": PASSWORD}
    assert server.call("POST", "/register/", fields)[0] == 201
    tokens = server.call("POST", "/login/", {"username": name, "password": PASSWORD})[1]
    assert server.call("GET", "/account/", token=tokens["token"])[0] == 200
    assert server.call("POST", "/refresh-token/", {"refresh": tokens["refresh_token"]})[0] == 200
    for status in (401, 401, 401, 401, 401, 429):
        assert server.call("POST", "/login/", {"username": name, "password": "not this one"})[0] == status
    assert server.call("POST", "/login/", {"username": f"{name}s-friend", "password": PASSWORD})[0] == 401
    assert server.call("GET", "/nowhere/")[0] == 404
    status, sent = server.call("POST", "/otp/", {"destination": email})
    assert status == 201
    assert server.call("POST", "/otp/", {"destination": email})[0] == 429
    code = server.code(email, sent["reference"])
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    assert server.call("POST", "/otp/", {"destination": email, "verify_otp": wrong})[0] == 403
    assert server.call("POST", "/otp/", {"destination": email, "verify_otp": code})[0] == 201


def urls_of(ranges: Ranges, old: LegacySystem) -> dict[str, str]:
    """The settings of the servers that are asked about passwords."""
    return {"pwned_passwords": ranges.url, "legacy_directory_url": old.url, "legacy_directory_secret": SECRET}


def selectors(rules: list[dict[str, Any]]) -> Iterator[str]:
    """Yields each selector of a series in the queries of dashboard and rules."""
    for text in [query.expression for query in queries()] + [rule["query"] for rule in rules]:
        yield from re.findall(r"(?:vestibule_\w+|\bup)\{[^}]*\}", text)


FAULTS = ('problem="internal"', 'problem="unavailable"', 'status=~"5.."')
"""Labels of faults, whose series begin with the first one; here there may be none."""


def test_every_query_works_in_prometheus(tmp_path: Path, database_url_for: Callable[[Path], str]) -> None:
    data = tmp_path / "data"
    url = database_url_for(data)
    no_data = {"Connections to PostgreSQL"} if "sqlite" in url else set()
    settings = {"limit_failed_logins_per_network": "100/min"}
    with (
        ranges_server() as ranges,
        legacy_system() as old,
        measured(data, "--workers", "2", database_url=url, **settings, **urls_of(ranges, old)) as one,
        measured(tmp_path / "other", **settings, **urls_of(ranges, old)) as other,
        prometheus(tmp_path / "prometheus", [one.port, other.port]) as scraping,
    ):
        visit(one.server, "ada")  # the series exist, and the next visit increases them
        assert eventually(lambda: scraping.values("sum(vestibule_events_total{type='code_accepted'})") == [1])
        visit(other.server, "bob")
        visit(one.server, "cy")
        assert eventually(lambda: scraping.values("sum(vestibule_events_total{type='code_accepted'})") == [3])
        for query in queries():
            condition = partial(has_data, scraping, query.expression)
            assert query.panel in no_data or eventually(condition), query
            assert query.panel not in no_data or not condition(), query
        rules = scraping.rules()
        assert sorted(rule["name"] for rule in rules) == sorted(ALERTS)
        assert eventually(lambda: all(rule["health"] == "ok" for rule in scraping.rules())), scraping.rules()
        for selector in {*selectors(rules)}:
            may_be_absent = any(part in selector for part in FAULTS) or (no_data and "_connections" in selector)
            assert may_be_absent or scraping.query(selector), selector
        for metric in ("vestibule_workers", 'vestibule_events_total{type="login_failed"}'):
            assert len(scraping.query(metric)) == 2, "one series for each server, whatever the number of its workers"
        assert sorted(scraping.values("vestibule_workers")) == [1, 2]
        assert scraping.values('sum(vestibule_events_total{type="login_failed"})') == [18]
        assert {rule["name"] for rule in scraping.rules() if rule["state"] == "firing"} == set()


def has_data(scraping: Prometheus, expression: str) -> bool:
    """Returns whether the expression has samples, and a number among them."""
    return any(not math.isnan(value) for value in scraping.values(expression))
