"""The page's figures are those that are kept."""

import re

import pytest

from bench import gallery, growth, page, targets
from bench.gateway import CPU_SMALL
from bench.results import Column, Origin, Results, Row, Table

FIRST, SECOND = Origin("a machine", "2026-11-26", "abc1234"), Origin("another", "2026-11-27", "def5678")


def one(name: str, value: int = 5) -> Table:
    return Table(name, f"Of {name}", [Column("total", "µs")], [Row("ours", (value,))])


def results(*names: str) -> Results:
    made = Results()
    made.add(map(one, names), FIRST)
    return made


def block(name: str, content: str = "\nold\n") -> str:
    return f"<!-- bench: {name} -->\n{content}\n<!-- /bench -->"


def test_a_block_has_its_table_and_what_is_around_it_stays():
    page_before = f"# Title\n\n{block('scan')}\n\nBetween\n\n{block('verify')}\nEnd\n"
    written = page.rendered(page_before, results("scan", "verify"))
    assert written.startswith("# Title\n\n<!-- bench: scan -->\n\n**Of scan**\n")
    assert "old" not in written and "\n\nBetween\n\n" in written and written.endswith("<!-- /bench -->\nEnd\n")
    assert page.rendered(written, results("scan", "verify")) == written


def test_a_block_may_be_of_all_tables_of_a_kind():
    written = page.rendered(block("cpu-*"), results("cpu-small", "cpu-large", "scan"))
    assert re.findall(r"\*\*(.*)\*\*", written) == ["Of cpu-large", "Of cpu-small"]


def test_a_block_without_figures_says_so():
    assert page.MISSING in page.rendered(block("scan"), results("verify"))


def test_a_table_that_is_drawn_has_its_plot():
    written = page.rendered(block("*"), results("scan", CPU_SMALL))
    assert re.findall(r"!\[.+\]\((.*)\)", written) == [f"bench/{CPU_SMALL}.svg"]


def test_where_figures_come_from_is_said_of_all_or_of_each():
    made = results("scan", "verify")
    assert page.rendered(block(page.ORIGIN), made).splitlines()[2] == "- 2026-11-26, commit `abc1234`, a machine"
    made.add([one("scan")], SECOND)
    assert page.rendered(block(page.ORIGIN), made).splitlines()[2:4] == [
        "- 2026-11-26, commit `abc1234`, a machine: verify",
        "- 2026-11-27, commit `def5678`, another: scan",
    ]


def test_a_table_that_no_block_shows_is_named():
    assert page.unplaced(f"{block('cpu-*')} {block('scan')}", results("cpu-small", "scan", "verify")) == {"verify"}


def test_curves_and_bars_are_drawn_of_what_was_measured():
    made = results("scan", CPU_SMALL, growth.PREFIX + "body")
    assert [plot.table for plot in gallery.plots(made)] == [CPU_SMALL, growth.PREFIX + "body"]


# The page as it is


KEPT, PAGE = Results.load(page.FIGURES), page.PAGE.read_text()


def test_the_page_says_what_was_measured():
    assert page.rendered(PAGE, KEPT) == PAGE, "docs/performance.md is not of docs/bench/figures.json: make bench-page"


def test_the_page_has_every_table_and_no_block_without_one():
    assert page.unplaced(PAGE, KEPT) == set()
    assert page.MISSING not in PAGE


def test_every_plot_is_there_and_no_other():
    drawn = {f"{plot.table}.svg" for plot in gallery.plots(KEPT)}
    assert {file.name for file in page.FIGURES.parent.glob("*.svg")} == drawn


@pytest.mark.parametrize("target", targets.TARGETS, ids=lambda target: target.name)
def test_every_target_was_measured(target):
    assert target.measured(KEPT) is not None
