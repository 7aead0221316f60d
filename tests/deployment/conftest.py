"""A real server behind what is deployed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.servers import McpServer, dual_era


@pytest.fixture(scope="session")
def python_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[McpServer]:
    with dual_era(tmp_path_factory.mktemp("python-server")) as server:
        yield server
