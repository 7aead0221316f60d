"""The generated blocks of `docs/performance.md`, each between two comments that name it."""

import re
from fnmatch import fnmatchcase

from bench import targets
from bench.gallery import plots
from bench.report import markdown
from bench.results import Origin, Results
from e2e.envoy_config import REPOSITORY

PAGE = REPOSITORY / "docs/performance.md"
FIGURES = REPOSITORY / "docs/bench/figures.json"
"""What the page is made from; the plots are beside it."""
BLOCK = re.compile(r"<!-- bench: (?P<name>[a-z0-9*-]+) -->\n.*?<!-- /bench -->", re.DOTALL)
ORIGIN = "origin"
MISSING = "*Not measured.*"


def rendered(page: str, results: Results) -> str:
    """The page with each block as the results have it. A block is of a table, or of all whose names begin as its own
    does before a `*`."""
    return BLOCK.sub(lambda found: _block(found["name"], results), page)


def unplaced(page: str, results: Results) -> set[str]:
    """The tables that no block shows."""
    names = [found["name"] for found in BLOCK.finditer(page)]
    return {table for table in results if not any(fnmatchcase(table, name) for name in names)}


def write(results: Results) -> None:
    """Brings the page up to the results."""
    PAGE.write_text(rendered(PAGE.read_text(), results))


def _block(name: str, results: Results) -> str:
    if name == targets.NAME:
        content = markdown(targets.table(results))
    elif name == ORIGIN:
        content = _origins(results)
    else:
        drawn = {plot.table: plot for plot in plots(results)}
        shown = []
        for table in filter(lambda table: fnmatchcase(table, name), results):
            shown.append(markdown(results[table]))
            if table in drawn:
                shown.append(f"![{drawn[table].title}](bench/{table}.svg)")
        content = "\n\n".join(shown) or MISSING
    return f"<!-- bench: {name} -->\n\n{content}\n\n<!-- /bench -->"


def _origins(results: Results) -> str:
    """Where the figures come from: of all, or of which if not all are of one run."""
    tables: dict[Origin, list[str]] = {}
    for name in results:
        tables.setdefault(results.origin(name), []).append(name)
    lines = []
    for origin, names in sorted(tables.items(), key=lambda item: (-len(item[1]), item[0].date)):
        which = "" if len(tables) == 1 else f": {', '.join(names)}"
        lines.append(f"- {origin.date}, commit `{origin.commit}`, {origin.machine}{which}")
    return "\n".join(lines)
