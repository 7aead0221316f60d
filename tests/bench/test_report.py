"""Tables for what the reports print."""

import pytest

from bench.figures import Figure
from bench.report import machine, markdown, size, terminal, text
from bench.results import Column, Row, Table

COLUMNS = [Column("total", "µs"), Column("x native", digits=2), Column("aim", digits=2, limit=True)]
ROWS = [Row("native", (Figure(1234.56, 1200, 1300), 1.0, None)), Row("ours | all", (Figure(9, 8, 10), 0.5, 0.75))]
TABLE = Table("name", "Title", COLUMNS, ROWS, 30)


def test_a_table_aligns_its_columns():
    assert terminal(TABLE).splitlines() == [
        "",
        "Title; 30 rounds",
        "",
        "  median (quartiles)                     total, µs  x native      aim",
        "  ------------------  ----------------------------  --------  -------",
        "  native              1,234.6 (1,200.0 to 1,300.0)      1.00",
        "  ours | all                     9.0 (8.0 to 10.0)      0.50  <= 0.75",
    ]


def test_markdown_has_the_same_cells():
    assert markdown(TABLE).splitlines() == [
        "**Title; 30 rounds**",
        "",
        "| median (quartiles) | total, µs | x native | aim |",
        "| --- | ---: | ---: | ---: |",
        "| native | 1,234.6 (1,200.0 to 1,300.0) | 1.00 | |",
        r"| ours \| all | 9.0 (8.0 to 10.0) | 0.50 | <= 0.75 |",
    ]


def test_a_curve_says_what_it_is_against():
    table = Table("name", "Title", [Column("total", "µs")], [Row("1", (5,), 1)], axis="limits")
    assert markdown(table).splitlines()[2] == "| limits | total, µs |"
    assert markdown(table).splitlines()[0] == "**Title**"


def test_a_row_of_another_length_is_an_error():
    with pytest.raises(ValueError, match="2 cells for 1 columns"):
        Table("name", "Title", [Column("value")], [Row("a", (1, 2))])


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (None, ""),
        ("yes", "yes"),
        (1848002, "1,848,002"),
        (0.756, "0.76"),
        (Figure(1, 0.5, 2), "1.00 (0.50 to 2.00)"),
    ],
)
def test_a_cell_is_shown_by_what_it_is(cell, shown):
    assert text(cell, Column("value", digits=2)) == shown


@pytest.mark.parametrize(("most", "shown"), [(0.25, "<= 0.25"), (900, "<= 900"), (None, "")])
def test_an_aim_is_a_limit_and_may_be_missing(most, shown):
    assert text(most, Column("aim", digits=2, limit=True)) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (200, "200 B"), (1024, "1 KiB"), (1536, "1536 B"), (1048576, "1 MiB")]
)
def test_sizes(count, shown):
    assert size(count) == shown


def test_the_machine_is_named():
    assert "CPUs, Linux" in machine()
