"""Whether memory grows: the line through the second half of the samples, when caches and pools are full."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

MIB = 1 << 20
MOST_GROWTH = 0.05
"""Of what is in use, over the second half."""
LEAST_SECONDS = 240.0
"""A shorter time tells nothing."""

Sample = tuple[float, int]


@dataclass(frozen=True)
class Memory:
    """Samples of seconds and bytes."""

    samples: Sequence[Sample]

    @property
    def start(self) -> int:
        return self.samples[0][1]

    @property
    def end(self) -> int:
        return self.samples[-1][1]

    @property
    def most(self) -> int:
        return max(size for _, size in self.samples)

    @property
    def growth(self) -> float:
        """Bytes gained over the second half, by its line of least squares."""
        half = self.samples[len(self.samples) // 2 :]
        times, sizes = zip(*half, strict=True)
        return statistics.linear_regression(times, sizes).slope * (times[-1] - times[0])

    @property
    def judged(self) -> bool:
        return self.samples[-1][0] - self.samples[0][0] >= LEAST_SECONDS

    @property
    def stable(self) -> bool:
        return not self.judged or self.growth <= MOST_GROWTH * self.end
