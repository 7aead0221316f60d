"""A short soak: the same as `make soak`, until two servers have died."""

from __future__ import annotations

import pytest

from soak.report import print_figures
from soak.run import run


@pytest.mark.timeout(240)
def test_half_a_minute_of_mixed_traffic_while_servers_die() -> None:
    figures = run(seconds=20, workers=4, seed=2)
    print_figures(figures)
    assert figures.right
    assert figures.deaths >= 2
    assert figures.verdict.events > 0
