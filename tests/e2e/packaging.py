"""Which tests run in one packaging only.

All tests of a filter run with the filter in its own module, and with the gateway module in its place (the fixture
`packaging`). A test module that has a reason not to imports one of these as its `pytest_generate_tests`, and says
the reason in the same line.
"""

from __future__ import annotations

import pytest


def alone(metafunc: pytest.Metafunc) -> None:
    """The filter's own module only."""
    _only(metafunc, "alone")


def together(metafunc: pytest.Metafunc) -> None:
    """The gateway module only."""
    _only(metafunc, "gateway")


def _only(metafunc: pytest.Metafunc, packaging: str) -> None:
    if "packaging" in metafunc.fixturenames:
        metafunc.parametrize("packaging", [packaging], indirect=True, scope="session")
