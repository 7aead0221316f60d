"""Routes match on the headers the filter writes, though Envoy chose one before the filter ran."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.envoy import Envoy
from e2e.envoy_config import Endpoint, EnvoyConfig
from e2e.messages import call, call_headers
from e2e.raw import Header, post
from e2e.readme import suggestion
from e2e.servers import McpServer, dual_era


@pytest.fixture(scope="module", params=["enforce", "trust_headers"])
def gateway(
    request: pytest.FixtureRequest,
    session_yaml: Path,
    python_server: McpServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Envoy]:
    """The route that the README suggests for `summarize`, here for `which_replica`."""
    with dual_era(tmp_path_factory.mktemp("large"), "large") as large:

        def add_route(config: EnvoyConfig) -> None:
            route = suggestion("Route by method, tool, client or session")
            tool = next(header for header in route["match"]["headers"] if header["name"] == "x-mcp-name")
            tool["string_match"] = {"exact": "which_replica"}
            config.copy_cluster("mcp_servers", route["route"]["cluster"], [Endpoint(large.port)])
            config.connection_manager()["route_config"]["virtual_hosts"][0]["routes"].insert(0, route)

        upstreams = {"mcp_servers": [python_server.port]}
        settings = {"mcp_session": {"admission": {"validation": request.param}}}
        with Envoy(session_yaml, upstreams=upstreams, settings=settings, edit=add_route) as envoy:
            yield envoy


def upstream_of(gateway: Envoy, tool: str, headers: list[Header]) -> str:
    """Where a call of that tool went."""
    _, [entry] = gateway.logged(lambda: post(gateway.port, call(tool), [*call_headers(tool), *headers]))
    assert entry["name"] == tool
    return entry["upstream"]


def test_the_named_tool_goes_to_servers_of_its_own(gateway: Envoy, python_server: McpServer) -> None:
    shared = f"127.0.0.1:{python_server.port}"
    assert upstream_of(gateway, "add", []) == shared
    assert upstream_of(gateway, "which_replica", []) != shared


def test_a_client_cannot_choose_the_route(gateway: Envoy, python_server: McpServer) -> None:
    forged: list[Header] = [("x-mcp-method", "tools/call"), ("x-mcp-name", "which_replica")]
    assert upstream_of(gateway, "add", forged) == f"127.0.0.1:{python_server.port}"
