"""What Envoy Gateway and Istio make of envoy/kubernetes/, in real Envoy.

Neither controller is run here. What they write into Envoy's configuration is put together as their sources do it:
a filter with the module's configuration as JSON text, and what the patches add.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from deployment.kubernetes import one
from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, STRING_VALUE, Endpoint, EnvoyConfig
from e2e.identity import AUDIENCE, ISSUER, Issuer
from e2e.messages import LEGACY, call, call_headers, initialize, legacy, legacy_call, session_headers
from e2e.raw import Answer, TextHeader, post, send
from e2e.servers import McpServer
from e2e.test_affinity import await_healthy
from e2e.upstream import Exchange, ScriptedUpstream

GATEWAY_YAML = REPOSITORY / "envoy" / "gateway.yaml"
MODULE = {"local": {"filename": str(REPOSITORY / "dist" / "mcp_gateway.wasm")}}
METADATA = "/.well-known/oauth-protected-resource/mcp"
CALLERS = Issuer()
# In the place of the issuer, whose name nobody resolves here.
NOBODY = Endpoint(9)

EG, ISTIO = "envoy-gateway.yaml", "istio.yaml"
AGAIN = "envoy.retry_priorities.previous_priorities"
OTHER = "envoy.retry_host_predicates.previous_hosts"

Tree = dict[str, Any]
Edit = Callable[[EnvoyConfig], None]


def filter_config(config: Tree) -> Tree:
    return {"@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", "config": config}


def use(config: EnvoyConfig, typed: Tree, settings: Tree | None) -> None:
    """Puts a filter in the place of the shipped one, under its name; `settings` change the module's."""
    plugin = typed["config"]
    plugin["vm_config"]["code"] = MODULE
    [entry] = [entry for entry in config.http_filters() if entry["name"] == "mcp_gateway"]
    entry["typed_config"] = typed
    if settings:
        config.change_settings(plugin["name"], settings)


def envoy_gateway(patched: bool = True, settings: Tree | None = None) -> Edit:
    def edit(config: EnvoyConfig) -> None:
        [wasm] = one(EG, "EnvoyExtensionPolicy")["spec"]["wasm"]
        *patches, cluster = one(EG, "EnvoyPatchPolicy")["spec"]["jsonPatches"]
        plugin = {
            "name": wasm["name"],
            "vm_config": {"vm_id": "mcp", "runtime": "envoy.wasm.runtime.v8"},
            "configuration": {"@type": STRING_VALUE, "value": json.dumps(wasm["config"])},
            "fail_open": wasm["failOpen"],
        }
        if patched:
            for operation in (patch["operation"] for patch in patches):
                plugin[operation["path"].removeprefix("/")] = operation["value"]
        use(config, filter_config(plugin), settings)
        issuer = config.cluster("issuer")
        issuer.clear()
        issuer.update(cluster["operation"]["value"])
        config.set_upstreams("issuer", [NOBODY])

    return edit


def istio(settings: Tree | None = None) -> Edit:
    def edit(config: EnvoyConfig) -> None:
        patches = one(ISTIO, "EnvoyFilter")["spec"]["configPatches"]
        values = {patch["applyTo"]: patch["patch"]["value"] for patch in patches}
        use(config, values["EXTENSION_CONFIG"]["typed_config"], settings)
        manager = config.connection_manager()
        for key, value in values["NETWORK_FILTER"]["typed_config"].items():
            manager[key] = value
        config.document["static_resources"]["listeners"][0].update(values["LISTENER"])
        outbound(config)

    return edit


def routes(config: EnvoyConfig, found: list[Tree]) -> None:
    config.connection_manager()["route_config"]["virtual_hosts"][0]["routes"] = found


def route(match: Tree, triggers: list[str], codes: list[int], retries: int, leaves_after: int) -> Tree:
    """With the retries that both controllers write: other hosts, and after so many attempts another priority."""
    policy = {
        "retry_on": ",".join(triggers),
        "retriable_status_codes": codes,
        "num_retries": retries,
        "retry_priority": typed(AGAIN, "priority", "PreviousPriorities", {"update_frequency": leaves_after}),
        "retry_host_predicate": [typed(OTHER, "host", "PreviousHostsPredicate", {})],
        "host_selection_retry_max_attempts": 5,
    }
    return {"match": match, "route": {"cluster": "mcp_servers", "timeout": "0s", "retry_policy": policy}}


def typed(name: str, kind: str, message: str, values: Tree) -> Tree:
    package = f"envoy.extensions.retry.{kind}.{name.rpartition('.')[2]}.v3"
    config = "Config" if kind == "priority" else ""
    return {
        "name": name,
        "typed_config": {"@type": f"type.googleapis.com/{package}.{message}{config}"} | values,
    }


def header(name: str, regex: str) -> Tree:
    return {"name": name, "string_match": {"safe_regex": {"regex": regex}}}


def envoy_gateway_routes(config: EnvoyConfig) -> None:
    """The match with the most headers first, as the Gateway API wants it."""
    envoy_gateway(settings=TRUST)(config)
    found = []
    for name, policy in (("mcp-once", "mcp"), ("mcp-again", "mcp-again")):
        retry = one(EG, "BackendTrafficPolicy", policy)["spec"]["retry"]
        on, codes = retry["retryOn"]["triggers"], retry["retryOn"].get("httpStatusCodes", [])
        for match in one(EG, "HTTPRoute", name)["spec"]["rules"][0]["matches"]:
            headers = [header(entry["name"], entry["value"]) for entry in match.get("headers", [])]
            there = {"path": match["path"]["value"], "headers": headers}
            found.append(route(there, on, codes, retry["numRetries"], retry["numAttemptsPerPriority"]))
    routes(config, sorted(found, key=lambda entry: -len(entry["match"]["headers"])))


def istio_routes(config: EnvoyConfig) -> None:
    """In their order; numbers among the conditions are status codes, and a priority is left after two attempts."""
    istio(TRUST)(config)
    found = []
    for rule in one(ISTIO, "VirtualService")["spec"]["http"]:
        conditions = rule["retries"]["retryOn"].split(",")
        codes = [int(condition) for condition in conditions if condition.isdigit()]
        on = [condition for condition in conditions if not condition.isdigit()]
        on += ["retriable-status-codes"] if codes else []
        assert rule["retries"]["retryRemoteLocalities"] is True
        for match in rule["match"]:
            headers = [header(name, entry["regex"]) for name, entry in match.get("headers", {}).items()]
            headers += [
                {"name": name, "present_match": True, "invert_match": True}
                for name in match.get("withoutHeaders", {})
            ]
            there = {"path": match["uri"]["exact"], "headers": headers}
            found.append(route(there, on, codes, rule["retries"]["attempts"], 2))
    routes(config, found)


def wasm_plugin(settings: Tree | None = None) -> Edit:
    def edit(config: EnvoyConfig) -> None:
        plugin = one("istio-wasmplugin.yaml", "WasmPlugin")["spec"]
        value = json.dumps(plugin["pluginConfig"])
        typed = filter_config(
            {
                "name": "istio-system.mcp-gateway",
                "vm_config": {"runtime": "envoy.wasm.runtime.v8"},
                "configuration": {"@type": STRING_VALUE, "value": value},
            }
        )
        use(config, typed, settings)
        outbound(config)

    return edit


def outbound(config: EnvoyConfig) -> None:
    """Istio's name for the cluster of the ServiceEntry."""
    config.copy_cluster("issuer", "outbound|443||login.example.com", [NOBODY])
    config.set_upstreams("issuer", [NOBODY])


TRUST: Tree = {
    "admission": {"body_timeout": "1s"},
    "auth": {"issuers": [{"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": {"keys": [CALLERS.key]}}]},
}


def token() -> TextHeader:
    return CALLERS.bearer("ann", scope="mcp:read")


def add(envoy: Envoy) -> Answer:
    return post(envoy.port, call("add", {"a": 1, "b": 2}), [*call_headers("add"), token()])


@pytest.mark.parametrize(
    "edit", [envoy_gateway(), istio(), wasm_plugin()], ids=["envoy-gateway", "istio", "plugin"]
)
def test_envoy_takes_it_nobody_is_let_in_unknown_and_is_told_where_to_ask(edit: Edit) -> None:
    with Envoy(GATEWAY_YAML, edit=edit) as envoy:
        refused = post(envoy.port, call("add", {"a": 1, "b": 2}), call_headers("add"))
        assert refused.status == 401
        metadata = send(envoy.port, "GET", path=METADATA)
        assert metadata.json()["authorization_servers"] == ["https://login.example.com"]


@pytest.mark.parametrize(
    "edit", [envoy_gateway(settings=TRUST), istio(TRUST)], ids=["envoy-gateway", "istio"]
)
def test_who_has_a_token_reaches_the_server(edit: Edit, python_server: McpServer) -> None:
    with Envoy(GATEWAY_YAML, upstreams={"mcp_servers": [python_server.port]}, edit=edit) as envoy:
        assert add(envoy).json()["result"]["content"][0]["text"] == "3"
        began = post(envoy.port, initialize(), [token()])
        assert began.status == 200 and began.headers["mcp-session-id"]


def test_without_the_patch_every_post_ends_in_408(python_server: McpServer) -> None:
    edit = envoy_gateway(patched=False, settings=TRUST)
    with Envoy(GATEWAY_YAML, upstreams={"mcp_servers": [python_server.port]}, edit=edit) as envoy:
        assert add(envoy).status == 408


def test_a_wasm_plugin_serves_modern_clients_and_no_others(python_server: McpServer) -> None:
    with Envoy(
        GATEWAY_YAML, upstreams={"mcp_servers": [python_server.port]}, edit=wasm_plugin(TRUST)
    ) as envoy:
        assert add(envoy).json()["result"]["content"][0]["text"] == "3"
        # Refused as well: the filter waits for the body, whose id belongs into its answer.
        denied = post(envoy.port, call("delete_all"), [*call_headers("delete_all"), token()])
        assert denied.status == 408
        assert post(envoy.port, initialize(), [token()]).status == 408
        version = ("mcp-protocol-version", LEGACY)
        assert post(envoy.port, legacy_call("add", {"a": 1, "b": 2}), [version, token()]).status >= 400


def overloaded(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")


def answering(exchange: Exchange) -> None:
    request = json.loads(exchange.request.body)
    answer = {"jsonrpc": "2.0", "id": request["id"], "result": {}}
    exchange.send_json(json.dumps(answer).encode(), b"mcp-session-id: minted-here")


@pytest.mark.parametrize("edit", [envoy_gateway_routes, istio_routes], ids=["envoy-gateway", "istio"])
def test_what_changes_nothing_is_asked_again_of_the_backup_and_nothing_else_is(edit: Edit) -> None:
    with ScriptedUpstream(answering) as primary, ScriptedUpstream(answering) as backup:
        servers = {"mcp_servers": [Endpoint(primary.port), Endpoint(backup.port, priority=1)]}
        with Envoy(GATEWAY_YAML, upstreams=servers, edit=edit) as envoy:
            await_healthy(envoy, 2)
            session = post(envoy.port, initialize(), [token()]).headers["mcp-session-id"]
            assert session and len(primary.requests()) == 1
            primary.answer = overloaded
            assert post(envoy.port, initialize(), [token()]).status == 200
            asked, served = len(primary.requests()), len(backup.requests())
            assert served == 1
            in_session = [*session_headers(session), token()]
            assert add(envoy).status == 503
            assert post(envoy.port, legacy("tools/list"), in_session).status == 503
            assert (len(primary.requests()), len(backup.requests())) == (asked + 2, served)


@pytest.mark.parametrize("edit", [envoy_gateway_routes, istio_routes], ids=["envoy-gateway", "istio"])
def test_what_never_reached_the_primary_is_sent_to_the_backup(edit: Edit) -> None:
    with ScriptedUpstream() as gone:
        port = gone.port
    with ScriptedUpstream(answering) as backup:
        servers = {"mcp_servers": [Endpoint(port), Endpoint(backup.port, priority=1)]}
        with Envoy(GATEWAY_YAML, upstreams=servers, edit=edit) as envoy:
            assert [add(envoy).status for _ in range(2)] == [200, 200]
            assert len(backup.requests()) == 2
