"""The dashboard and the alert rules in deploy/ use metrics that trially has, and are valid."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from documentation.anchors import anchors_of
from flask import Flask
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from trially.config import ROOT
from trially.state import state_of

FOLDER = ROOT / "deploy" / "monitoring"
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "rules.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
QUERIES = [variable["query"]["query"] for variable in VARIABLES.values() if "sort" in variable]
EXPRESSIONS = [
    *(rule["expr"] for rule in RULES),
    *(target["expr"] for panel in PANELS for target in panel["targets"]),
]
PROMETHEUS_OWN = {"up"}
PROMETHEUS_LABELS = {"job", "instance", "le"}
GRID_WIDTH = 24
TOKEN = "a token for the metrics"

_METRIC = re.compile(r"\b(trially_\w+|up)\b(?!\s*[=!]|\")(?:\{(?P<matchers>[^}]*)\})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_GROUPING = re.compile(r"\bby \(([^)]*)\)")

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="There is no promtool (Debian: prometheus)."
)


@pytest.fixture(scope="module")
def served(app: Flask) -> set[str]:
    """The names of the samples that `/metrics` of the app has, or has after the first of a kind."""
    with pytest.MonkeyPatch.context() as patching:
        settings = replace(state_of(app).settings, metrics_token=TOKEN)
        patching.setattr(state_of(app), "settings", settings)
        page = app.test_client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert page.status_code == 200
    endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}
    return {
        family.name + ending
        for family in text_string_to_metric_families(page.text)
        for ending in endings.get(family.type, [])
    }


@pytest.mark.parametrize("expression", [*EXPRESSIONS, *QUERIES])
def test_every_metric_exists(served: set[str], expression: str) -> None:
    named = {found[1] for found in _METRIC.finditer(expression)}

    assert named
    assert named <= served | PROMETHEUS_OWN


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_label_is_one_of_the_metrics(expression: str) -> None:
    known: set[str] = set(PROMETHEUS_LABELS)
    for found in _METRIC.finditer(expression):
        labels = labels_of(found[1])
        known |= labels
        asked = set(_MATCHER.findall(re.sub(r'"[^"]*"', "", found["matchers"] or "")))
        assert asked <= labels | PROMETHEUS_LABELS, found[0]
    for grouping in _GROUPING.findall(expression):
        assert {label.strip() for label in grouping.split(",")} <= known


def test_each_alert_says_what_and_what_to_do() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert anchor in anchors_of((ROOT / page).read_text("utf-8")), rule["alert"]


def test_each_alert_is_on_the_page() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
    described = re.findall(r"^\| `([A-Z]\w+)` \|", page, re.MULTILINE)

    assert described == [rule["alert"] for rule in RULES]


def test_the_dashboard_can_be_imported() -> None:
    assert {"title", "uid", "time", "refresh", "templating"} <= DASHBOARD.keys()
    assert DASHBOARD["schemaVersion"] >= 36
    assert VARIABLES["datasource"]["type"] == "datasource"
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in PANELS:
        assert panel["type"] in {"stat", "timeseries"}
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        references = [target["refId"] for target in panel["targets"]]
        assert references
        assert len(set(references)) == len(references)
        for each in (panel, *panel["targets"]):
            assert each["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_no_panel_covers_another() -> None:
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= GRID_WIDTH
    for one, other in combinations(DASHBOARD["panels"], 2):
        assert not set(cells_of(one)) & set(cells_of(other)), (one["title"], other["title"])


def test_every_variable_is_declared() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            used = set(re.findall(r"\$(\w+)", target["expr"]))
            assert used <= {*VARIABLES, "__rate_interval"}, target["expr"]


def test_a_metric_that_does_not_exist_is_noticed(served: set[str]) -> None:
    assert "trially_wishes_total" not in served
    with pytest.raises(KeyError):
        labels_of("trially_wishes_total")


@needs_promtool
def test_prometheus_accepts_the_rules(tmp_path: Path) -> None:
    promtool("check", "rules", "rules.yml")
    promtool("check", "config", "--syntax-only", "prometheus.yml")
    dashboard = tmp_path / "dashboard.yml"
    rules = [
        {"record": f"panel:{number}", "expr": without_variables(expression)}
        for number, expression in enumerate(EXPRESSIONS)
    ]
    dashboard.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(dashboard))


@needs_promtool
def test_alerts_fire_when_they_should() -> None:
    promtool("test", "rules", "rules.test.yml")


def promtool(*arguments: str) -> None:
    checked = subprocess.run(
        ["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def labels_of(sample: str) -> set[str]:
    """Return the labels of a metric of trially. Raises `KeyError` if there is none."""
    if sample in PROMETHEUS_OWN:
        return set()
    # The registry offers no public way to a metric's labels before it has a series.
    collector: Any = REGISTRY._names_to_collectors[sample]
    return set(collector._labelnames)


def cells_of(panel: dict[str, Any]) -> Iterator[tuple[int, int]]:
    place = panel["gridPos"]
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y


def without_variables(expression: str) -> str:
    """Return an expression with a value for each of Grafana's variables."""
    return expression.replace("$__rate_interval", "5m").replace("$instance", ".*").replace(
        "$tenant", ".*"
    )  # fmt: skip
