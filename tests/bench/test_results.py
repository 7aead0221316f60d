"""What is kept of a run, and what replaces it."""

import json

import pytest

from bench import compare, targets
from bench.figures import Figure
from bench.gateway import ALL_FILTERS, CPU_SMALL
from bench.results import Column, Origin, Results, Row, Table

FIRST, SECOND = Origin("a machine", "2026-11-26", "abc1234"), Origin("another", "2026-11-27", "def5678")


def made(name: str, *cells, title: str = "Title") -> Table:
    columns = [Column("total", "µs"), Column("x native", digits=2), Column("aim", limit=True)]
    return Table(name, title, columns, [Row("ours", cells, at=10)], 30, "limits")


def test_what_is_kept_is_read_again(tmp_path):
    results = Results()
    results.add([made("one", Figure(1.5, 1, 2), 0.75, None), made("two", 7, "yes", 0.8)], FIRST)
    results.save(tmp_path / "new/figures.json")
    again = Results.load(tmp_path / "new/figures.json")
    assert list(again) == ["one", "two"]
    assert [again[name] for name in again] == [results[name] for name in results]
    assert again.origin("one") == FIRST
    assert again.text() == results.text()


def test_each_figure_has_its_unit_median_quartiles_and_origin():
    results = Results()
    results.add([made("one", Figure(123.4567, 100, 200), 0.75, None)], FIRST)
    kept = json.loads(results.text())["tables"]["one"]
    assert kept["columns"][0] == {"name": "total", "unit": "µs", "digits": 1, "limit": False}
    assert kept["rows"] == [
        {"name": "ours", "at": 10, "cells": [{"median": 123.46, "quartiles": [100.0, 200.0]}, 0.75, None]}
    ]
    assert kept["origin"] == {"machine": "a machine", "date": "2026-11-26", "commit": "abc1234"}
    assert kept["rounds"] == 30


def test_a_part_of_a_run_replaces_its_own_figures_only():
    results = Results()
    results.add([made("one", 1, None, None), made("two", 2, None, None)], FIRST)
    results.add([made("two", 3, None, None)], SECOND)
    assert [results.cell(name, "ours", "total") for name in results] == [1, 3]
    assert [results.origin(name) for name in results] == [FIRST, SECOND]


def test_a_change_of_one_figure_is_of_one_line():
    before, after = Results(), Results()
    before.add([made("one", 1, None, None), made("two", 2, None, None)], FIRST)
    after.add([made("one", 1, None, None), made("two", 3, None, None)], FIRST)
    lines = zip(before.text().splitlines(), after.text().splitlines(), strict=True)
    assert sum(old != new for old, new in lines) == 1


def test_what_is_not_there_is_nothing(tmp_path):
    results = Results.load(tmp_path / "none.json")
    assert list(results) == []
    results.add([made("one", 1, None, None)], FIRST)
    assert [
        results.cell(*place) for place in (("no", "ours", "total"), ("one", "no", "total"), ("one", "ours", "no"))
    ] == [None] * 3


# Against what was kept before


@pytest.mark.parametrize(
    ("before", "now", "different"),
    [
        (Figure(10, 9, 11), Figure(12, 10.5, 13), False),
        (Figure(10, 9, 11), Figure(12, 11.5, 13), True),
        (Figure(12, 11.5, 13), Figure(10, 9, 11), True),
        (Figure(10, 9, 11), Figure(12, 11, 13), False),
        (1000, 1000, False),
        (1000, 1001, True),
        (0.75, 0.5, False),
        (None, Figure(1, 1, 1), False),
        ("yes", "no", False),
    ],
)
def test_figures_differ_beyond_the_spread_of_both(before, now, different):
    assert compare.differ(before, now) is different


def test_a_comparison_says_what_a_figure_was_and_what_it_is():
    kept = Results()
    kept.add([made("one", Figure(100, 90, 110), 0.75, 1)], FIRST)
    table = compare.compared(kept, made("one", Figure(50, 45, 55), 0.5, 1))
    assert [(row.name, row.cells) for row in table.rows] == [
        ("ours: total, µs", ("100.0 (90.0 to 110.0)", "50.0 (45.0 to 55.0)", 0.5, "less"))
    ]
    assert compare.compared(kept, made("new", Figure(50, 45, 55), 0.5, 0.8)) is None


# Against what should be reached


def test_a_target_is_met_missed_or_not_measured():
    results = Results()
    rows = {row.name: row.cells for row in targets.table(results).rows}
    assert all(cells[1:] == ("not measured", None) for cells in rows.values())
    column = targets.TARGETS[0].column
    for value, verdict in ((0.75, "yes"), (1.5, "no, 2.00 times the aim")):
        results.add([Table(CPU_SMALL, "", [Column(column)], [Row(ALL_FILTERS, (value,))])], FIRST)
        assert targets.table(results).rows[0].cells == ("<= 0.75", f"{value:.2f}", verdict)


def test_a_target_is_told_with_the_spread_of_its_figure():
    (target,) = (target for target in targets.TARGETS if target.unit == "ms" and target.scale == 1000)
    rows = [Row(target.row, (Figure(150, 90, 240),))]
    results = Results()
    results.add([Table(target.table, "", [Column(target.column, "µs")], rows)], FIRST)
    (row,) = (row for row in targets.table(results).rows if row.name == target.name)
    assert row.cells == ("<= 0.20 ms", "0.15 (0.09 to 0.24) ms", "yes")


def test_growth_is_that_of_the_last_reading():
    (target,) = (target for target in targets.TARGETS if target.most == 0)
    rows = [Row("1,000", (0,)), Row("1,000,000", (64,))]
    results = Results()
    results.add([Table(target.table, "", [Column(target.column, "KiB")], rows)], FIRST)
    (row,) = (row for row in targets.table(results).rows if row.name == target.name)
    assert row.cells == ("<= 0 KiB", "64 KiB", "no, 64 KiB too much")
