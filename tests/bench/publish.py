"""What of the results goes into the documentation: the figures, the plots and the page.

Run as a program it makes plots and page again from the figures that are there.
"""

from bench import page, plots
from bench.results import Results


def write(results: Results) -> None:
    """Writes all of it. Plots and page are made from the figures as they are in the file: with fewer digits."""
    results.save(page.FIGURES)
    results = Results.load(page.FIGURES)
    for drawn in page.FIGURES.parent.glob("*.svg"):
        drawn.unlink()  # Of a table that there may be no more.
    plots.draw(results, page.FIGURES.parent)
    page.write(results)


if __name__ == "__main__":
    write(Results.load(page.FIGURES))
