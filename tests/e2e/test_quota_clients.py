"""Real MCP clients whose quota is used up: they are told so in words, and go on with what they may."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.envoy import Envoy
from e2e.envoy_config import EnvoyConfig
from e2e.identity import JWT_FILTER
from e2e.quota import ISSUER, QUOTA_YAML, limit, limited_by
from e2e.servers import McpServer
from e2e.test_clients import Step, Tourist

CLIENTS = [
    Tourist("tour_mcp2.py", "legacy", "tour-mcp2"),
    Tourist("tour_mcp2.py", "2026-07-28", "tour-mcp2"),
    Tourist("tour_mcp1.py", "legacy", "tour-mcp1"),
    Tourist("tour_sdk1.mjs", "legacy", "tour-sdk1"),
    Tourist("tour_client2.mjs", "auto", "tour-client2"),
]
ADD: Step = {"tool": "add", "arguments": {"a": 1, "b": 2}}
COUNT: Step = {"tool": "count", "arguments": {"to": 3}}
HEADERS: Step = {"tool": "request_headers", "arguments": {}}
FLIGHT: Step = {"tool": "book_flight", "arguments": {"destination": "Oslo"}}

LIMITS = [
    limit("adding", "requests", 2, match={"methods": ["tools/call"], "names": ["add"]}),
    limit("headers", "output_tokens", 5, match={"names": ["request_headers"]}, hard=True),
    limit("flights", "requests", 2, match={"names": ["book_flight"]}),
]


def with_tokens_in_urls(config: EnvoyConfig) -> None:
    """The tours are given a URL and nothing else. No gateway of anybody's should do that."""
    [jwt_filter] = [entry for entry in config.http_filters() if entry["name"] == JWT_FILTER]
    provider = jwt_filter["typed_config"]["providers"]["issuer"]
    del provider["from_headers"]
    provider["from_params"] = ["access_token"]


@pytest.fixture(scope="module", params=["tool_error", "jsonrpc"])
def denial(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def gateway(packaging: str, denial: str, python_server: McpServer) -> Iterator[Envoy]:
    def edit(config: EnvoyConfig) -> None:
        limited_by(*LIMITS, denial=denial)(config)
        with_tokens_in_urls(config)

    ports = {"mcp_servers": [python_server.port]}
    with Envoy(QUOTA_YAML, upstreams=ports, edit=edit, concurrency=2) as envoy:
        yield envoy


def tour(gateway: Envoy, client: Tourist, steps: list[Step]) -> list[dict[str, Any]]:
    """What a client sees that is a tenant of its own."""
    token = ISSUER.token("ann", org={"id": str(client)})
    return client.tour(f"{gateway.url}?access_token={token}", steps)["seen"]


@pytest.mark.parametrize("client", CLIENTS, ids=str)
def test_a_refused_call_is_told_and_the_client_goes_on(gateway: Envoy, denial: str, client: Tourist) -> None:
    seen = tour(gateway, client, [ADD, ADD, ADD, COUNT, HEADERS, FLIGHT, FLIGHT, FLIGHT, COUNT])
    first, second, third, counted, headers, *flights, last = seen
    assert [first["text"], second["text"]] == ["3", "3"]
    refused = [(third, "adding allows 2 requests"), (flights.pop(), "flights allows 2 requests")]
    for step, expected in refused:
        told = step["text"] if denial == "tool_error" else step["error"]
        assert "Quota exceeded" in told and expected in told
        assert ("error" in step) == (denial == "jsonrpc")
    assert "headers allows 5 output_tokens" in headers["error"], "the answer was on its way"
    # In the era that asks by answering, a call that was asked to come again is charged once.
    assert [flight["text"] for flight in flights] == ["Ada flies to Oslo"] * 2
    assert [counted["text"], last["text"]] == ["counted to 3"] * 2
