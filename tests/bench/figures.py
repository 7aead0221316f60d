"""Medians and spread of interleaved rounds."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """The median of some measurements, and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        """Of at least two values; the quartiles include the extremes."""
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


def over(baseline: Sequence[float], values: Sequence[float]) -> Figure:
    """What `values` cost over `baseline`, paired round by round, so that noise both saw cancels.

    Raises:
        ValueError: They are not of the same rounds.
    """
    return Figure.of([value - base for base, value in zip(baseline, values, strict=True)])


def highest(baseline: Sequence[float], values: Sequence[float], percent: int) -> float:
    """What `values` cost over `baseline` at most in so many percent of the rounds."""
    differences = [value - base for base, value in zip(baseline, values, strict=True)]
    return statistics.quantiles(differences, n=100, method="inclusive")[percent - 1]


def order(names: Sequence[str], turn: int) -> list[str]:
    """The order of round `turn`: each round starts one further on, so that no place favours anyone."""
    start = turn % len(names)
    return [*names[start:], *names[:start]]


def ratio(figures: Mapping[str, Figure], name: str, reference: str) -> float | None:
    """The median of `name` as a multiple of that of `reference`; None where that is not above zero."""
    base = figures[reference].median
    return figures[name].median / base if base > 0 else None
