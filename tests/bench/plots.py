"""Plots of the results, as SVG."""

import math
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import pygal
from pygal.style import Style

from bench.figures import Figure
from bench.gallery import Bars, Curve, plots
from bench.results import Cell, Results, Table

OURS = "mcp_gateway"
BLUE, GREY, COLOURS = "#1f77b4", "#9a9a9a", ("#1f77b4", "#9a9a9a", "#e08214", "#2ca02c")
TICKS = 6
STYLE = Style(
    background="white",
    plot_background="white",
    foreground="#333333",
    foreground_strong="#111111",
    foreground_subtle="#777777",
    guide_stroke_color="#dddddd",
    major_guide_stroke_color="#dddddd",
    guide_stroke_dasharray="0",
    major_guide_stroke_dasharray="0",
    opacity="1",
    colors=COLOURS,
    font_family="sans-serif",
    label_font_size=12,
    major_label_font_size=12,
    title_font_size=14,
    legend_font_size=12,
    value_font_size=12,
    value_colors=("#111111",) * len(COLOURS),
)


def draw(results: Results, directory: Path) -> None:
    """Writes each plot for which there are figures, by its table's name."""
    directory.mkdir(parents=True, exist_ok=True)
    for plot in plots(results):
        (directory / f"{plot.table}.svg").write_text(svg(plot, results[plot.table]))


def svg(plot: Bars | Curve, table: Table) -> str:
    """A plot of the table."""
    return _bars(plot, table) if isinstance(plot, Bars) else _curve(plot, table)


def _bars(plot: Bars, table: Table) -> str:
    chosen = [column for column in table.columns if column.name in plot.columns]
    rows = []
    for row in table.rows:
        values = [median(table.cell(row.name, column.name)) for column in chosen]
        if None not in values:
            rows.insert(0, (row.name, values))  # They are drawn from below.
    chart = pygal.HorizontalBar(
        **_settings(plot.title, 130 + 26 * len(rows) * len(chosen)),
        show_legend=len(chosen) > 1,
        legend_at_bottom=True,
        value_formatter=lambda value: f"{value:,.0f}",
        x_title=chosen[0].heading if len(chosen) == 1 else chosen[0].unit,
    )
    # The figures are beside the names: on the bars they would be in the way of the short ones.
    chart.x_labels = [f"{name}: {' / '.join(f'{value:,.0f}' for value in values)}" for name, values in rows]
    chart.y_labels = ticks([value for _, values in rows for value in values])
    for place, column in enumerate(chosen):
        colour = COLOURS[place]
        shown = [
            {"value": values[place], "color": colour if len(chosen) > 1 or name.startswith(OURS) else GREY}
            for name, values in rows
        ]
        chart.add(column.name, shown)
    return _svg(chart, plot.table)


def ticks(values: Sequence[float]) -> list[float]:
    """From 0 (or below, if a value is) to the largest value and beyond, in at most `TICKS` round steps."""
    lowest, highest = min(0.0, *values), max(1.0, *values)
    rough = (highest - lowest) / (TICKS - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.floor(lowest / step), math.ceil(highest / step)
    return [step * place for place in range(first, last + 1)]


def _curve(plot: Curve, table: Table) -> str:
    chosen = [column for column in table.columns if column.name in plot.columns]
    lines = {column.name: points(table, column.name) for column in chosen}
    decades = _decades([value for line in lines.values() for _, value in line])
    chart = pygal.XY(
        **_settings(plot.title, 340),
        show_legend=len(lines) > 1,
        legend_at_bottom=True,
        dots_size=3,
        x_title=table.axis,
        y_title=chosen[0].heading if len(chosen) == 1 else chosen[0].unit,
        range=(decades[0], decades[-1]),
    )
    chart.x_labels = [{"label": row.name, "value": math.log10(row.at)} for row in table.rows if row.at]
    chart.y_labels = [{"label": f"{10**decade:,}", "value": decade} for decade in decades]
    for name, line in lines.items():
        chart.add(name, [(math.log10(at), math.log10(value)) for at, value in line])
    return _svg(chart, plot.table)


def points(table: Table, column: str) -> list[tuple[float, float]]:
    """Where the column's figures are on the axis, and what they are; only those that a logarithm has."""
    found = [(row.at or 0.0, median(table.cell(row.name, column)) or 0.0) for row in table.rows]
    return [(at, value) for at, value in found if at > 0 and value > 0]


def median(cell: Cell) -> float | None:
    """A cell's number, if it has one."""
    match cell:
        case Figure():
            return cell.median
        case int() | float():
            return float(cell)
    return None


def _decades(values: Sequence[float]) -> list[int]:
    """The powers of ten around the values, from at least 1."""
    logarithms = [math.log10(max(value, 1.0)) for value in values] or [0.0]
    lowest = math.floor(min(logarithms))
    return list(range(lowest, max(math.ceil(max(logarithms)), lowest + 1) + 1))


def _settings(title: str, height: int) -> dict[str, object]:
    return {
        "title": title,
        "width": 760,
        "height": height,
        "explicit_size": True,
        "margin": 16,
        "margin_right": 48,
        "style": STYLE,
        "js": [],
        "pretty_print": True,
        "disable_xml_declaration": True,
        "truncate_label": -1,
        "truncate_legend": -1,
    }


def _svg(chart: pygal.Graph, name: str) -> str:
    chart.uuid = name  # Else it is another with each run.
    chart.add_xml_filter(_without_scripts)
    return chart.render(is_unicode=True) + "\n"


def _without_scripts(root: Element) -> Element:
    """The drawing alone: what it has for a browser to run is of no use in a page."""
    for parent in list(root.iter()):
        for child in list(parent):
            if str(child.tag).endswith("script"):
                parent.remove(child)
    return root
