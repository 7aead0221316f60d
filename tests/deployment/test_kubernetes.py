"""envoy/kubernetes/ holds only fields that there are, and its documents agree with each other.

That Envoy takes what is in them is shown by test_kubernetes_envoy.py, and that the module takes the APISIX
configuration by tests/tests/apisix.rs.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from deployment.kubernetes import BY_KIND, FILES, KUBERNETES, Tree, kind, one, problems
from e2e.envoy_config import REPOSITORY

DOCUMENTS = [(name, document) for name, documents in FILES.items() for document in documents]
WASM = "envoy.filters.http.wasm"

Change = Callable[[Tree], Any]


@pytest.mark.parametrize("wanted", BY_KIND)
def test_the_schemas_are_ones(wanted: str) -> None:
    Draft202012Validator.check_schema(BY_KIND[wanted])


@pytest.mark.parametrize(("name", "document"), DOCUMENTS, ids=[f"{n}-{d['kind']}" for n, d in DOCUMENTS])
def test_the_documents_have_known_fields_only(name: str, document: Tree) -> None:
    assert problems(document) == []


def wasm(document: Tree) -> Tree:
    return document["spec"]["wasm"][0]


def patches(document: Tree) -> list[Tree]:
    return document["spec"]["configPatches"]


EG, ISTIO, PLUGIN, APISIX = "envoy-gateway.yaml", "istio.yaml", "istio-wasmplugin.yaml", "apisix.yaml"
MISTAKES: dict[str, tuple[str, str, Change]] = {
    "unknown field": (
        EG,
        "EnvoyExtensionPolicy",
        lambda it: wasm(it).update(allowOnHeadersStopIteration=True),
    ),
    "module by tag": (EG, "EnvoyExtensionPolicy", lambda it: wasm(it)["code"]["image"].update(url="a/b:1")),
    "policy without target": (EG, "EnvoyExtensionPolicy", lambda it: it["spec"]["targetRefs"].clear()),
    "configuration as text": (EG, "EnvoyExtensionPolicy", lambda it: wasm(it).update(config="{}")),
    "misspelt operation": (
        EG,
        "EnvoyPatchPolicy",
        lambda it: it["spec"]["jsonPatches"][0]["operation"].update(jsonpath="$"),
    ),
    "listener without certificate": (EG, "Gateway", lambda it: it["spec"]["listeners"][0].pop("tls")),
    "buffer without unit": (
        EG,
        "ClientTrafficPolicy",
        lambda it: it["spec"]["connection"].update(bufferLimit="2 MB"),
    ),
    "time without unit": (
        EG,
        "ClientTrafficPolicy",
        lambda it: it["spec"]["timeout"]["http"].update(streamIdleTimeout=3600),
    ),
    "misspelt namespace": (ISTIO, "EnvoyFilter", lambda it: it["metadata"].update(namepsace="x")),
    "no such place": (ISTIO, "EnvoyFilter", lambda it: patches(it)[0].update(applyTo="EXTENSION")),
    "no such operation": (ISTIO, "EnvoyFilter", lambda it: patches(it)[0]["patch"].update(operation="SET")),
    "misspelt retries": (
        ISTIO,
        "VirtualService",
        lambda it: it["spec"]["http"][0]["retries"].update(retry_on="reset"),
    ),
    "the flag in a WasmPlugin": (
        PLUGIN,
        "WasmPlugin",
        lambda it: it["spec"].update(allowOnHeadersStopIteration=True),
    ),
    "fails open by another name": (
        PLUGIN,
        "WasmPlugin",
        lambda it: it["spec"].update(failStrategy="FAIL_CLOSED"),
    ),
    "secret that is no text": (APISIX, "Secret", lambda it: it["stringData"].update(conf={})),
    "misspelt plugin": (
        APISIX,
        "ApisixRoute",
        lambda it: it["spec"]["http"][0]["plugins"][0].update(conf={}),
    ),
    "backup node": (APISIX, "ApisixUpstream", lambda it: it["spec"].update(nodes=[])),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_noticed(mistake: str) -> None:
    name, wanted, change = MISTAKES[mistake]
    document = copy.deepcopy(next(document for document in FILES[name] if document["kind"] == wanted))
    change(document)
    assert problems(document) != []


def test_a_kind_that_nobody_knows_is_noticed() -> None:
    document = copy.deepcopy(one(EG, "Gateway"))
    document["apiVersion"] = "gateway.networking.k8s.io/v1beta7"
    assert problems(document) == ["no such kind: gateway.networking.k8s.io/v1beta7/Gateway"]


# --- Envoy Gateway


def test_every_object_that_is_named_is_in_the_file() -> None:
    there = {(document["kind"], document["metadata"]["name"]) for document in FILES[EG]}
    for document in FILES[EG]:
        spec = document["spec"]
        targets = spec.get("targetRefs", []) + ([spec["targetRef"]] if "targetRef" in spec else [])
        assert {(target["kind"], target["name"]) for target in targets} <= there
        assert {("Gateway", parent["name"]) for parent in spec.get("parentRefs", [])} <= there
        for rule in spec.get("rules", []):
            assert {(backend["kind"], backend["name"]) for backend in rule["backendRefs"]} <= there
    assert {document["metadata"]["namespace"] for document in FILES[EG]} == {"mcp"}


def test_the_flag_is_set_on_the_filter_that_the_policy_makes() -> None:
    gateway, policy = one(EG, "Gateway"), one(EG, "EnvoyExtensionPolicy")
    [flag, failure, cluster] = one(EG, "EnvoyPatchPolicy")["spec"]["jsonPatches"]
    [listener] = gateway["spec"]["listeners"]
    names = [gateway["metadata"]["namespace"], gateway["metadata"]["name"], listener["name"]]
    assert flag["name"] == failure["name"] == "/".join(names)
    owner = policy["metadata"]
    filter_name = f"{WASM}/envoyextensionpolicy/{owner['namespace']}/{owner['name']}/wasm/0"
    place = f"$..http_filters[?(@.name=='{filter_name}')].typed_config.config"
    assert flag["operation"]["jsonPath"] == failure["operation"]["jsonPath"] == place
    assert (flag["operation"]["path"], flag["operation"]["value"]) == (
        "/allow_on_headers_stop_iteration",
        True,
    )
    assert wasm(policy)["config"]["auth"]["issuers"][0]["jwks"]["service"] == cluster["name"] == "issuer"


def test_the_module_sees_all_that_its_metadata_and_the_routes_name() -> None:
    config = wasm(one(EG, "EnvoyExtensionPolicy"))["config"]
    resource = config["auth"]["metadata"]["resource"]
    endpoint = f"/{resource.split('/', 3)[3]}"
    routes = [one(EG, "HTTPRoute", name) for name in ("mcp-once", "mcp-again")]
    paths = {
        match["path"]["value"]
        for route in routes
        for rule in route["spec"]["rules"]
        for match in rule["matches"]
    }
    assert paths == {endpoint, f"/.well-known/oauth-protected-resource{endpoint}"}
    hosts = {host for route in routes for host in route["spec"]["hostnames"]}
    assert hosts == {resource.split("/")[2]} == {one(EG, "Gateway")["spec"]["listeners"][0]["hostname"]}


def test_what_belongs_to_a_session_is_the_more_specific_match() -> None:
    """The Gateway API prefers the match with more headers."""
    [again] = one(EG, "HTTPRoute", "mcp-again")["spec"]["rules"][0]["matches"]
    once = one(EG, "HTTPRoute", "mcp-once")["spec"]["rules"][0]["matches"]
    [session] = [match for match in once if "headers" in match]
    assert {header["name"] for header in session["headers"]} == {"x-mcp-method", "x-mcp-session"}
    assert len(session["headers"]) > len(again["headers"]) == 1


def test_only_what_may_be_asked_twice_is() -> None:
    safe = {"connect-failure", "refused-stream"}
    once = one(EG, "BackendTrafficPolicy", "mcp")["spec"]["retry"]
    again = one(EG, "BackendTrafficPolicy", "mcp-again")["spec"]
    assert set(once["retryOn"]["triggers"]) == safe and "httpStatusCodes" not in once["retryOn"]
    assert [target["name"] for target in again["targetRefs"]] == ["mcp-again"]
    assert again["retry"]["retryOn"]["httpStatusCodes"] == [503]
    [retried, all_else] = one(ISTIO, "VirtualService")["spec"]["http"]
    assert set(all_else["retries"]["retryOn"].split(",")) == safe
    assert retried["match"][0]["withoutHeaders"] == {"x-mcp-session": {}}
    gateway = yaml.safe_load((REPOSITORY / "envoy" / "gateway.yaml").read_text())
    manager = gateway["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    [method, _] = manager["route_config"]["virtual_hosts"][0]["routes"][0]["match"]["headers"]
    regex = method["string_match"]["safe_regex"]["regex"]
    assert retried["match"][0]["headers"]["x-mcp-method"]["regex"] == regex
    [match] = one(EG, "HTTPRoute", "mcp-again")["spec"]["rules"][0]["matches"]
    assert match["headers"][0]["value"] == regex


# --- Istio


def test_the_filter_of_the_chain_is_the_extension_that_is_added() -> None:
    extension, chain, *_ = patches(one(ISTIO, "EnvoyFilter"))
    assert extension["patch"]["operation"] == "ADD" and extension["applyTo"] == "EXTENSION_CONFIG"
    assert chain["patch"]["value"]["name"] == extension["patch"]["value"]["name"]
    typed = extension["patch"]["value"]["typed_config"]
    assert chain["patch"]["value"]["config_discovery"]["type_urls"] == [typed["@type"]]
    assert typed["config"]["allow_on_headers_stop_iteration"] is True


@pytest.mark.parametrize("name", [ISTIO, PLUGIN])
def test_the_issuer_is_the_host_that_the_mesh_is_told_of(name: str) -> None:
    [host] = one(ISTIO, "ServiceEntry")["spec"]["hosts"]
    port = one(ISTIO, "ServiceEntry")["spec"]["ports"][0]["number"]
    assert f"outbound|{port}||{host}" in (KUBERNETES / name).read_text()
    rule = one(ISTIO, "DestinationRule", "issuer")["spec"]
    assert (rule["host"], rule["trafficPolicy"]["tls"]["sni"]) == (host, host)


def test_there_is_a_backup_only_where_the_unhealthy_are_found() -> None:
    policy = one(ISTIO, "DestinationRule", "mcp")["spec"]["trafficPolicy"]
    assert policy["loadBalancer"]["localityLbSetting"]["failoverPriority"] and policy["outlierDetection"]
    assert "consistentHash" not in policy["loadBalancer"]


# --- APISIX


def test_the_guard_asks_for_the_module_of_the_route() -> None:
    [route] = one(APISIX, "ApisixRoute")["spec"]["http"]
    [guard, module] = route["plugins"]
    [function] = guard["config"]["functions"]
    assert re.findall(r'get\("(\w+)"\)', function) == [module["name"]] == ["mcp_gateway"]
    shipped = yaml.safe_load((REPOSITORY / "apisix" / "apisix.yaml").read_text())["routes"][0]["plugins"]
    assert function == shipped["serverless-pre-function"]["functions"][0]


def test_the_secret_is_the_whole_configuration_and_the_upstream_is_the_services() -> None:
    secret, upstream = one(APISIX, "Secret"), one(APISIX, "ApisixUpstream")
    [route] = one(APISIX, "ApisixRoute")["spec"]["http"]
    assert route["plugins"][1]["secretRef"] == secret["metadata"]["name"]
    assert list(secret["stringData"]) == ["conf"] and route["plugins"][1]["config"] == {}
    assert route["backends"][0]["serviceName"] == upstream["metadata"]["name"]
    assert upstream["spec"]["retries"] == 0


# --- README.md


def test_every_file_that_the_readme_names_is_there() -> None:
    text = (KUBERNETES / "README.md").read_text()
    links = [link for link in re.findall(r"\]\(([^)#:]+)\)", text)]
    assert links and [link for link in links if not (KUBERNETES / link).exists()] == []
    assert set(re.findall(r"`((?:istio|envoy|apisix)[\w-]*\.yaml)`", text)) == set(FILES)


def test_kinds_are_spelt_in_the_readme_as_in_the_files() -> None:
    text = (KUBERNETES / "README.md").read_text()
    named = set(re.findall(r"`([A-Z][a-z]+[A-Z][A-Za-z]+)`", text))
    assert named <= {kind(document).rpartition("/")[2] for _, document in DOCUMENTS}
