"""envoy/quota.yaml as it is shipped, but for the length of its windows: tokens say who has which limits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.envoy import Envoy
from e2e.envoy_config import EnvoyConfig
from e2e.messages import call, call_headers, legacy_call, session_headers
from e2e.quota import FOREVER, ISSUER, PLUGIN, QUOTA_YAML, answering, bearer, is_refused, left, words
from e2e.raw import Answer, Connection, Header, post
from e2e.upstream import ScriptedUpstream


def without_end(config: EnvoyConfig) -> None:
    """Nothing is regained while the tests run."""
    ISSUER.replace_authority(config)
    limits = config.settings(PLUGIN)["quota"]["limits"]
    config.change_settings(PLUGIN, {"quota": {"limits": [{**limit, "window": FOREVER} for limit in limits]}})


@pytest.fixture(scope="module")
def gateway(packaging: str) -> Iterator[Envoy]:
    with ScriptedUpstream(answering("found")) as upstream:
        ports = {"mcp_servers": [upstream.port]}
        with Envoy(QUOTA_YAML, upstreams=ports, edit=without_end, concurrency=2) as envoy:
            yield envoy


def call_tool(gateway: Envoy, tool: str, *headers: Header) -> Answer:
    return post(gateway.port, call(tool), [*call_headers(tool), *headers])


def test_a_tool_that_was_called_often_enough_is_refused_and_others_are_not(gateway: Envoy) -> None:
    tom, tim = bearer("tools", "tom"), bearer("tools", "tim")
    assert not any(is_refused(call_tool(gateway, "search_web", tom)) for _ in range(30))
    refused = call_tool(gateway, "search_web", tom)
    assert is_refused(refused)
    assert "searches allows 30 requests" in words(refused)
    assert int(refused.headers["retry-after"]) > 0
    assert not is_refused(call_tool(gateway, "search_mail", tom)), "another tool"
    assert not is_refused(call_tool(gateway, "add", tom)), "a tool without such a limit"
    assert not is_refused(call_tool(gateway, "search_web", tim)), "another caller"


def test_a_session_has_its_burst_and_all_of_a_caller_have_one_limit(gateway: Envoy) -> None:
    """A client that invents sessions gains nothing."""
    caller = bearer("sessions", "sam")
    refusals: list[str] = []
    passed = 0
    with Connection(gateway.port) as client:
        for session in range(16):
            for _ in range(21):
                client.post(legacy_call("add"), [*session_headers(f"session-{session}"), caller])
                answer = client.answer()
                if is_refused(answer):
                    refusals.append(words(answer))
                else:
                    passed += 1
    assert passed == 300
    assert all("session-burst allows 60 requests" in text for text in refusals[:14])
    assert all("caller-cap allows 300 requests" in text for text in refusals[15:])


def test_tokens_are_the_tenants_and_a_tenant_may_have_more(gateway: Envoy) -> None:
    answers = [
        call_tool(gateway, "add", bearer(tenant, who))
        for tenant, who in [("tokens", "ann"), ("tokens", "ben"), ("other", "ann"), ("acme", "ann")]
    ]
    ann, ben, other, acme = [left(answer)["tenant-tokens"] for answer in answers]
    assert ben < ann < 1_000_000, "what one spent, another of the tenant does not have"
    assert other == ann, "what one tenant spent, another has"
    assert 1_000_000 < acme < 5_000_000


@pytest.mark.parametrize("claims", [{"org": {"id": "mine"}}, {}], ids=["with a tenant", "without one"])
@pytest.mark.parametrize("name", ["x-jwt-tenant", "X-JWT-Tenant", "x-mcp-tenant"])
def test_nobody_chooses_whose_quota_they_use(gateway: Envoy, name: str, claims: dict[str, object]) -> None:
    """The tenant that has five times as much is not the one that a header names."""
    answer = call_tool(gateway, "add", ISSUER.bearer("eve", **claims), (name, "acme"))
    assert answer.status == 200
    assert left(answer)["tenant-tokens"] < 1_000_000


def test_nobody_calls_without_a_token_or_with_one_in_the_query(gateway: Envoy) -> None:
    assert call_tool(gateway, "add").status == 401
    with Connection(gateway.port) as client:
        target = f"/mcp?access_token={ISSUER.token('eve')}"
        client.send(f"GET {target} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        assert client.answer().status == 401


def test_metrics_have_the_labels_that_the_configuration_gives_them(gateway: Envoy) -> None:
    for _ in range(31):
        call_tool(gateway, "search_labels", bearer("metrics", "max"))
    for outcome, least in [("allowed", 30), ("refused", 1)]:
        name = f"wasmcustom.mcp_quota_calls.limit.searches.outcome.{outcome}"
        gateway.await_stat(name, lambda count, least=least: count >= least)
    expected = {
        "calls": [{"limit": "searches", "outcome": outcome} for outcome in ("allowed", "refused")],
        "units": [
            {"limit": "tenant-tokens", "stage": stage} for stage in ("reserved", "settled", "refunded")
        ],
        "remaining": [{"limit": "searches", "rank": "1"}],
        "usage": [{"provenance": "estimated"}],
    }
    for name, labels in expected.items():
        samples = gateway.samples(f"mcp_quota_{name}")
        assert all(one in [found for found, _ in samples] for one in labels), samples
        # What clients choose is no label.
        assert {key for found, _ in samples for key in found} == set(labels[0])
    requests = gateway.samples("mcp_requests")
    assert {key for found, _ in requests for key in found} == {
        "era",
        "mcp_method_name",
        "gen_ai_tool_name",
        "outcome",
        "error_type",
    }


def test_a_refusal_is_logged_with_its_limit_and_without_its_caller(gateway: Envoy) -> None:
    def exceed() -> None:
        for _ in range(31):
            call_tool(gateway, "search_log", bearer("planted", "planted-too"), ("x-other", "planted"))

    _, entries = gateway.logged(exceed)
    last = entries[-1]
    assert (last["principal"], last["tenant"], last["upstream"]) == ("planted-too", "planted", None)
    assert "mcp_refused" in last["details"]
    log = gateway.log_text()
    assert '"detail":"limit searches"' in log
    assert "planted" not in log, "what callers and clients are called is not for this log"
