"""Tables for what the reports print."""

import pytest

from bench.figures import Figure
from bench.report import aim, machine, size, spread, table, times


def test_a_table_aligns_its_columns():
    assert table("Title", ["name", "value"], [["a", "1"], ["longer", "1,000"]]).splitlines() == [
        "",
        "Title",
        "",
        "  name    value",
        "  ------  -----",
        "  a           1",
        "  longer  1,000",
    ]


def test_a_row_of_another_length_is_an_error():
    with pytest.raises(ValueError, match="zip"):
        table("Title", ["name", "value"], [["a"]])


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (200, "200 B"), (1024, "1 KiB"), (1536, "1536 B"), (1048576, "1 MiB")]
)
def test_sizes(count, text):
    assert size(count) == text


def test_spread_scales():
    assert spread(Figure(1.25e9, 1.2e9, 1.3e9), 2, 1e9) == "1.25 (1.20 to 1.30)"


def test_a_missing_ratio_is_a_dash():
    assert [times(0.756), times(None)] == ["0.76", "-"]


def test_an_aim_is_a_limit_and_may_be_missing():
    assert [aim(1.5), aim(None)] == ["<= 1.50", ""]


def test_the_machine_is_named():
    assert "CPUs, Linux" in machine()
