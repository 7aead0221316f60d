"""Plots, as far as they are ours: which points they have, and that they are the same for the same figures."""

import sys

import pytest

from bench import page
from bench.figures import Figure
from bench.gallery import Bars, Curve
from bench.results import Column, Origin, Results, Row, Table
from e2e.envoy_config import REPOSITORY

sys.path.append(str(REPOSITORY / ".tools/bench"))
pytest.importorskip("pygal", reason="tests/bench/setup.sh installs it")

from bench import plots, publish  # noqa: E402

ROWS = [Row("1", (Figure(50, 49, 51), 3), 1), Row("10", (Figure(-2, -3, 1), 30), 10), Row("100", (None, 300), 100)]
TABLE = Table("growth", "Title", [Column("mcp_gateway", "µs"), Column("native", "µs")], ROWS, 5, "limits")
CURVE = Curve("growth", ("mcp_gateway", "native"), "Growth of what")
BARS = Bars("growth", ("mcp_gateway", "native"), "Cost of what")


def test_a_curve_has_the_points_of_which_there_is_a_logarithm():
    assert plots.points(TABLE, "mcp_gateway") == [(1, 50)]
    assert plots.points(TABLE, "native") == [(1, 3), (10, 30), (100, 300)]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([11, 34, 75], [0, 20, 40, 60, 80]),
        ([0.2, 0.1], [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ([-3, 60], [-20, 0, 20, 40, 60]),
        ([23_108, 702], [0, 5000, 10_000, 15_000, 20_000, 25_000]),
    ],
)
def test_an_axis_has_few_round_steps_around_all_values(values, shown):
    assert plots.ticks(values) == pytest.approx(shown)
    assert len(shown) <= plots.TICKS + 1


@pytest.mark.parametrize("plot", [CURVE, BARS], ids=["curve", "bars"])
def test_a_plot_is_the_same_again_and_says_what_it_shows(plot):
    drawn = plots.svg(plot, TABLE)
    assert drawn == plots.svg(plot, TABLE)
    for words in (plot.title, "µs", "mcp_gateway", "native"):
        assert words in drawn
    assert "<script" not in drawn


def test_what_is_written_is_made_from_what_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "FIGURES", tmp_path / "bench/figures.json")
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    page.PAGE.write_text("<!-- bench: * -->\n<!-- /bench -->\n")
    results, exact = Results(), Row("1", (Figure(12.749996, 1, 20), 1), 1)
    results.add([Table("growth-rules", "Rules", TABLE.columns, [exact], 5, "rules")], Origin("machine", "today", "abc"))
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench/growth-gone.svg").write_text("of a table that there is no more")
    publish.write(results)
    written = page.PAGE.read_text()
    assert page.rendered(written, Results.load(page.FIGURES)) == written
    assert "12.8" in written and "(bench/growth-rules.svg)" in written
    assert [file.name for file in (tmp_path / "bench").glob("*.svg")] == ["growth-rules.svg"]
