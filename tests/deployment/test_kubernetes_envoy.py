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
from e2e.messages import LEGACY, call, call_headers, initialize, legacy_call
from e2e.raw import Answer, TextHeader, post, send
from e2e.servers import McpServer

GATEWAY_YAML = REPOSITORY / "envoy" / "gateway.yaml"
MODULE = {"local": {"filename": str(REPOSITORY / "dist" / "mcp_gateway.wasm")}}
METADATA = "/.well-known/oauth-protected-resource/mcp"
CALLERS = Issuer()
# In the place of the issuer, whose name nobody resolves here.
NOBODY = Endpoint(9)

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
        [wasm] = one("envoy-gateway.yaml", "EnvoyExtensionPolicy")["spec"]["wasm"]
        [flag, cluster] = one("envoy-gateway.yaml", "EnvoyPatchPolicy")["spec"]["jsonPatches"]
        plugin = {
            "name": wasm["name"],
            "vm_config": {"vm_id": "mcp", "runtime": "envoy.wasm.runtime.v8"},
            "configuration": {"@type": STRING_VALUE, "value": json.dumps(wasm["config"])},
            "fail_open": wasm["failOpen"],
        }
        if patched:
            plugin[flag["operation"]["path"].removeprefix("/")] = flag["operation"]["value"]
        use(config, filter_config(plugin), settings)
        config.cluster("issuer").clear()
        config.document["static_resources"]["clusters"][-1].update(cluster["operation"]["value"])
        config.set_upstreams("issuer", [NOBODY])

    return edit


def istio(settings: Tree | None = None) -> Edit:
    def edit(config: EnvoyConfig) -> None:
        patches = one("istio.yaml", "EnvoyFilter")["spec"]["configPatches"]
        values = {patch["applyTo"]: patch["patch"]["value"] for patch in patches}
        use(config, values["EXTENSION_CONFIG"]["typed_config"], settings)
        manager = config.connection_manager()
        for key, value in values["NETWORK_FILTER"]["typed_config"].items():
            manager[key] = value
        config.document["static_resources"]["listeners"][0].update(values["LISTENER"])
        outbound(config)

    return edit


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
TOKEN: TextHeader = CALLERS.bearer("ann", scope="mcp:read")


def add(envoy: Envoy) -> Answer:
    return post(envoy.port, call("add", {"a": 1, "b": 2}), [*call_headers("add"), TOKEN])


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
        began = post(envoy.port, initialize(), [TOKEN])
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
        denied = post(envoy.port, call("delete_all"), [*call_headers("delete_all"), TOKEN])
        assert denied.status == 408
        assert post(envoy.port, initialize(), [TOKEN]).status == 408
        version = ("mcp-protocol-version", LEGACY)
        assert post(envoy.port, legacy_call("add", {"a": 1, "b": 2}), [version, TOKEN]).status >= 400
