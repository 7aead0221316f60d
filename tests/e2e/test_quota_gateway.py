"""Quotas in mcp_gateway.wasm, where the token says whose they are, and may say how much there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.envoy import Envoy
from e2e.envoy_config import EnvoyConfig
from e2e.legacy import LegacySession
from e2e.messages import call, call_headers
from e2e.quota import FOREVER, ISSUER, bearer, is_refused, left, words
from e2e.raw import Answer, Header, post
from e2e.servers import McpServer

PACKAGINGS = ["alone"]  # it loads the gateway module itself

QUOTA = {
    "limits": [
        {
            "name": "calls",
            "key": ["tenant"],
            "match": {"methods": ["tools/call"]},
            "unit": "requests",
            "limit": 2,
            "window": FOREVER,
            "overrides": [{"tenants": ["large"], "limit": 4}],
        }
    ],
    "remaining_headers": True,
}


def load_gateway(config: EnvoyConfig) -> None:
    ISSUER.authenticate_in_gateway(config, tenant_claim="org.id", limits_claim="quota")
    config.change_settings("mcp_session", {"quota": QUOTA})


@pytest.fixture(scope="module")
def gateway(session_yaml: Path, python_server: McpServer) -> Iterator[Envoy]:
    ports = {"mcp_servers": [python_server.port]}
    with Envoy(session_yaml, upstreams=ports, edit=load_gateway, concurrency=2) as envoy:
        yield envoy


def ask(gateway: Envoy, *headers: Header) -> Answer:
    return post(gateway.port, call("add", {"a": 1, "b": 2}), [*call_headers("add"), *headers])


def passing(gateway: Envoy, *headers: Header) -> int:
    """How many calls pass before one is refused."""
    for count in range(10):
        answer = ask(gateway, *headers)
        assert answer.status == 200
        if is_refused(answer):
            return count
    raise AssertionError("nothing is refused")


def test_a_limit_is_what_the_token_says_else_the_tenants_else_everybodys(gateway: Envoy) -> None:
    assert passing(gateway, bearer("small")) == 2
    assert passing(gateway, bearer("large")) == 4
    assert passing(gateway, bearer("signed", quota={"calls": 3})) == 3
    assert passing(gateway, bearer("other", quota={"tokens": 3, "calls": "many"})) == 2


def test_the_limit_of_a_token_is_told_to_its_client(gateway: Envoy) -> None:
    answer = ask(gateway, bearer("told", quota={"calls": 7}))
    assert left(answer) == {"calls": 6}
    assert '"calls";q=7;' in answer.headers["ratelimit-policy"]
    # Who comes with less has less of what the tenant has left.
    assert "calls allows 1 requests" in words(ask(gateway, bearer("told", "ben", quota={"calls": 1})))


@pytest.mark.parametrize("name", ["x-mcp-tenant", "X-MCP-Tenant"])
def test_nobody_chooses_whose_quota_they_use(gateway: Envoy, name: str) -> None:
    tenant = f"forger-{name}"
    assert passing(gateway, bearer(tenant)) == 2
    assert is_refused(ask(gateway, bearer(tenant), (name, "large")))
    assert is_refused(ask(gateway, bearer(tenant, "ben"))), "another caller of the same tenant"


def test_a_session_lives_on_when_the_quota_is_used_up(gateway: Envoy) -> None:
    session = LegacySession.open(gateway.port, [bearer("legacy")])
    assert [session.text("add", a=1, b=2) for _ in range(2)] == ["3", "3"]
    assert is_refused(session.call("add", a=1, b=2))
    assert LegacySession.open(gateway.port, [bearer("legacy")]).id, "and another can be opened"
    assert session.delete().status == 200
