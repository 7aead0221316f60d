"""Envoy with the shipped configuration in front of real servers, shared by the tests that change nothing in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY
from e2e.servers import McpServer, dual_era, everything

SESSION_YAML = REPOSITORY / "envoy" / "session.yaml"
MODULES = [REPOSITORY / "dist" / f"mcp_{name}.wasm" for name in ("auth", "gateway", "quota", "session", "sse")]


@pytest.fixture(scope="session", autouse=True)
def built_modules() -> None:
    """Every test runs the built modules; without them none can mean anything."""
    for module in MODULES:
        if not module.exists():
            pytest.exit(f"{module} is missing: run make wasm", returncode=2)


@pytest.fixture(scope="session")
def python_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[McpServer]:
    with dual_era(tmp_path_factory.mktemp("python-server")) as server:
        yield server


@pytest.fixture(scope="session")
def typescript_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[McpServer]:
    with everything(tmp_path_factory.mktemp("typescript-server")) as server:
        yield server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests of one filter run in each packaging, unless their module says in which, and why."""
    if "packaging" in metafunc.fixturenames:
        packagings = getattr(metafunc.module, "PACKAGINGS", ["alone", "gateway"])
        metafunc.parametrize("packaging", packagings, indirect=True, scope="session")


@pytest.fixture(scope="session")
def packaging(request: pytest.FixtureRequest) -> Iterator[str]:
    """What the filter under test is loaded in: its own module, or the gateway module with the same settings.

    Every fixture asks for it that starts an Envoy with a shipped configuration of one filter.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Envoy, "loads_gateway", request.param == "gateway")
        yield request.param


@pytest.fixture(scope="session")
def session_yaml(packaging: str) -> Path:
    """The configuration that users copy."""
    return SESSION_YAML


@pytest.fixture(scope="session")
def gateway(packaging: str, python_server: McpServer) -> Iterator[Envoy]:
    """The shipped configuration in front of the Python server."""
    with Envoy(SESSION_YAML, upstreams={"mcp_servers": [python_server.port]}) as envoy:
        yield envoy


@pytest.fixture(scope="session")
def typescript_gateway(packaging: str, typescript_server: McpServer) -> Iterator[Envoy]:
    """The shipped configuration in front of the TypeScript server."""
    with Envoy(SESSION_YAML, upstreams={"mcp_servers": [typescript_server.port]}) as envoy:
        yield envoy
