"""envoy/grafana.json and envoy/alerts.yml: every query is put to a Prometheus that scraped real traffic.

A query that misspells a metric or a label answers with nothing, or with a curve without a name, and nobody
notices. So each has to answer with data, and each word of it that is misspelt has to be noticed here.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from e2e.busy_gateway import MODEL, BusyGateway, busy_gateway
from e2e.envoy_config import REPOSITORY
from e2e.prometheus import Prometheus, QueryError, check_rules

DASHBOARD = json.loads((REPOSITORY / "envoy" / "grafana.json").read_text())
ALERTS = REPOSITORY / "envoy" / "alerts.yml"

WINDOW = "60s"
"""What Grafana would put in the place of `$__rate_interval`: all of the test's traffic is in it."""

PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
WORD = re.compile(r'"[^"]+"|[a-z][a-z_]*\b(?!\s*\()')
BY = re.compile(r"by \(([^)]*)\)")
LEGEND_LABEL = re.compile(r"{{(\w+)}}")
NOT_OURS = {"by", "s"}


@dataclass(frozen=True)
class Query:
    """A curve of a panel."""

    title: str
    expression: str
    legend: str

    @property
    def labels(self) -> list[str]:
        """Those that its curves are named by."""
        return LEGEND_LABEL.findall(self.legend)

    def problem(self, prometheus: Prometheus) -> str | None:
        """Why an operator would see nothing, or nothing of use."""
        try:
            samples = prometheus.query(self.expression)
        except QueryError as error:
            return str(error)
        if not samples:
            return "no data"
        unnamed = [label for label in self.labels if not any(sample.labels.get(label) for sample in samples)]
        if unnamed:
            return f"nothing has {unnamed}"
        if "rate(" in self.expression and not any(sample.value > 0 for sample in samples):
            return "nothing but zeros"
        return None

    def misspelt(self) -> Iterator[Query]:
        """The same with one word wrong: a metric, a label or what one must be."""
        for word in WORD.finditer(self.expression):
            if word[0] not in NOT_OURS:
                wrong = f"{word[0][:-1]}x\"" if word[0].endswith('"') else f"{word[0]}x"
                expression = self.expression[: word.start()] + wrong + self.expression[word.end() :]
                yield Query(self.title, expression, self.legend)


def queries() -> list[Query]:
    return [
        Query(panel["title"], target["expr"].replace("$__rate_interval", WINDOW), target["legendFormat"])
        for panel in PANELS
        for target in panel["targets"]
    ]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BusyGateway]:
    with busy_gateway(tmp_path_factory.mktemp("busy")) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def prometheus(busy: BusyGateway) -> Iterator[Prometheus]:
    """One that saw everything happen twice: from a single time nobody can tell a rate."""
    with Prometheus(busy.envoy.admin_address) as prometheus, busy.open_stream():
        for times in (1, 2):
            busy.drive()
            # Streams and limits are told with the next tick, a second away at most, histograms with the next
            # flush; the last thing that happened is this.
            time.sleep(2)
            prometheus.await_answer(f'sum(mcp_requests{{outcome="shadowed"}}) >= {times}')
            prometheus.await_answer(f"sum(gen_ai_client_token_usage_count) >= {2 * times}")
        yield prometheus


@pytest.mark.parametrize("query", queries(), ids=lambda query: f"{query.title}-{query.legend}")
def test_a_curve_shows_what_happened_and_would_be_missed(prometheus: Prometheus, query: Query) -> None:
    assert query.problem(prometheus) is None, query.expression
    for wrong in query.misspelt():
        assert wrong.problem(prometheus) is not None, f"nobody would notice {wrong.expression}"


def test_the_labels_that_tell_curves_apart_name_them() -> None:
    for query in queries():
        grouped = [label.strip() for by in BY.findall(query.expression) for label in by.split(",")]
        assert set(grouped) - {"le"} == set(query.labels), query.title


def test_the_dashboard_is_what_grafana_imports() -> None:
    assert DASHBOARD["uid"] and DASHBOARD["title"] and DASHBOARD["schemaVersion"] >= 36
    [source] = DASHBOARD["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == ("datasource", "datasource", "prometheus")
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in PANELS:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert references and len(set(references)) == len(references), panel["title"]


def test_panels_do_not_lie_on_each_other() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]


def test_durations_are_histograms_and_their_labels_are_few(prometheus: Prometheus) -> None:
    types = {name: entry[0]["type"] for name, entry in prometheus.metadata().items()}
    labels = {
        "mcp_server_operation_duration_milliseconds": {"mcp_method_name", "gen_ai_tool_name", "error_type"},
        "gen_ai_client_operation_duration_milliseconds": {"gen_ai_request_model"},
        "gen_ai_client_operation_time_to_first_chunk_milliseconds": {"gen_ai_request_model"},
        "gen_ai_client_token_usage": {"gen_ai_request_model", "gen_ai_token_type"},
        "mcp_sse_first_event_milliseconds": set(),
        "mcp_sse_longest_gap_milliseconds": set(),
    }
    for name, expected in labels.items():
        assert types[name] == "histogram"
        found = {label for sample in prometheus.query(f"{name}_count") for label in sample.labels}
        assert found - {"__name__", "instance", "job"} == expected, name


def test_tokens_of_models_are_what_the_models_said(prometheus: Prometheus) -> None:
    for kind, tokens in (("input", 100), ("output", 50)):
        labels = f'gen_ai_token_type="{kind}",gen_ai_request_model="{MODEL}"'
        for answered in ("_sum", "_count"):
            [sample] = prometheus.query(f"gen_ai_client_token_usage{answered}{{{labels}}}")
            expected = 2 * tokens if answered == "_sum" else 2
            assert sample.value == pytest.approx(expected, rel=0.1), "two calls, within a bucket"


def test_the_alerts_are_rules_about_what_there_is(prometheus: Prometheus) -> None:
    checked = check_rules(ALERTS)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    for rule in rules:
        for metric in re.findall(r"\b(?:mcp|envoy|gen_ai)_\w+(?:{[^}]*})?", rule["expr"]):
            assert prometheus.query(metric), f"{rule['alert']}: {metric}"
