"""envoy/servers.yaml: several servers behind one gateway, each with its own callers, rules and limits; and
envoy/instances.yaml: filters that are on for some hosts only."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, EnvoyConfig
from e2e.identity import ISSUER, Issuer
from e2e.legacy import LegacySession
from e2e.messages import call, call_headers, initialize, legacy_call, modern, modern_headers, session_headers
from e2e.quota import left
from e2e.raw import MEDIA, Answer, Connection, TextHeader, post, request_head
from e2e.servers import dual_era
from e2e.upstream import Exchange, ScriptedUpstream

SERVERS_YAML = REPOSITORY / "envoy" / "servers.yaml"
INSTANCES_YAML = REPOSITORY / "envoy" / "instances.yaml"
CALLERS = Issuer()

BOOKINGS = "bookings.example.com"
OTHERS = "mcp.example.com"
ENDPOINTS = {"bookings": (BOOKINGS, "/mcp"), "search": (OTHERS, "/search/mcp"), "files": (OTHERS, "/files/mcp")}
CLUSTERS = ["bookings", "search", "search_canary", "search_large", "files", "files_batch"]


def trust_callers(config: EnvoyConfig) -> None:
    """Puts the key of the tests in the place of the issuer."""
    issuer = {"issuer": ISSUER, "jwks": {"keys": [CALLERS.key]}}
    config.change_settings("mcp_gateway", {"auth": {"issuers": [issuer]}})


def bearer(server: str, subject: str = "ann", **claims: object) -> TextHeader:
    """A token for that server."""
    host, path = ENDPOINTS[server]
    return CALLERS.bearer(subject, **{"aud": f"https://{host}{path}", "scope": "mcp:read mcp:write", **claims})


def ask(
    envoy: Envoy, host: str, path: str, message: Any, headers: Sequence[TextHeader], method: str = "POST"
) -> Answer:
    body = json.dumps(message).encode() if message is not None else b""
    fields = [("host", host), *MEDIA, ("content-length", str(len(body))), *headers]
    with Connection(envoy.port) as connection:
        connection.send(request_head(method, fields, path) + body)
        return connection.answer()


def answer(exchange: Exchange) -> None:
    request = json.loads(exchange.request.body or b"{}")
    body = {"jsonrpc": "2.0", "id": request.get("id"), "result": {"content": []}}
    exchange.send_json(json.dumps(body).encode(), b"mcp-session-id: minted-by-one-server")


class Gateway:
    """Envoy in front of a scripted upstream for each cluster."""

    def __init__(self, envoy: Envoy, upstreams: dict[str, ScriptedUpstream]) -> None:
        self.envoy = envoy
        self.upstreams = upstreams

    def ask(self, server: str, message: Any, headers: Sequence[TextHeader]) -> Answer:
        return ask(self.envoy, *ENDPOINTS[server], message, headers)

    def call(self, server: str, tool: str, *headers: TextHeader) -> Answer:
        return self.ask(server, call(tool), [*call_headers(tool), *headers])

    def reached(self) -> dict[str, int]:
        """How many requests came to each cluster so far."""
        return {name: len(upstream.requests()) for name, upstream in self.upstreams.items()}

    def cluster_of(self, server: str, message: Any, headers: Sequence[TextHeader]) -> str:
        """The one cluster that such a request comes to."""
        before = self.reached()
        answered = self.ask(server, message, headers)
        assert answered.status == 200, answered.body
        [name] = [name for name, count in self.reached().items() if count > before[name]]
        return name


@pytest.fixture(scope="module")
def upstreams() -> Iterator[dict[str, ScriptedUpstream]]:
    running = {name: ScriptedUpstream(answer) for name in CLUSTERS}
    for upstream in running.values():
        upstream.__enter__()
    yield running
    for upstream in running.values():
        upstream.__exit__(None)


@pytest.fixture(scope="module")
def gateway(upstreams: dict[str, ScriptedUpstream]) -> Iterator[Gateway]:
    ports = {name: [upstream.port] for name, upstream in upstreams.items()}
    with Envoy(SERVERS_YAML, upstreams=ports, edit=trust_callers) as envoy:
        yield Gateway(envoy, upstreams)


@pytest.mark.parametrize("server", ENDPOINTS)
def test_each_server_has_its_own_callers(gateway: Gateway, server: str) -> None:
    assert gateway.call(server, "add", bearer(server)).status == 200
    host, path = ENDPOINTS[server]
    for audience in [name for name in ENDPOINTS if name != server]:
        before = gateway.reached()
        refused = gateway.call(server, "add", bearer(audience))
        assert refused.status == 401
        metadata = f'resource_metadata="https://{host}/.well-known/oauth-protected-resource{path}"'
        assert metadata in refused.headers["www-authenticate"]
        assert gateway.reached() == before
    assert f'"server":"{server}"' in gateway.envoy.log_text()


@pytest.mark.parametrize("server", ENDPOINTS)
def test_metadata_are_where_the_challenge_says(gateway: Gateway, server: str) -> None:
    host, path = ENDPOINTS[server]
    document = ask(gateway.envoy, host, f"/.well-known/oauth-protected-resource{path}", None, [], "GET")
    assert document.json()["resource"] == f"https://{host}{path}"
    assert document.json()["authorization_servers"] == [ISSUER]


def test_each_server_has_its_own_rules(gateway: Gateway) -> None:
    assert gateway.call("bookings", "delete_all", bearer("bookings")).status == 403
    assert gateway.call("files", "delete_all", bearer("files")).status == 200
    # What stands beside the list is for those that say nothing else.
    assert gateway.call("bookings", "add", bearer("bookings", scope="mcp:read")).status == 403
    assert gateway.call("files", "add", bearer("files", scope="mcp:read")).status == 200


def test_a_limit_of_all_is_counted_once_and_a_servers_own_apart(gateway: Gateway) -> None:
    remains = []
    for server in ["bookings", "files", "search", "files", "search"]:
        answered = gateway.call(server, "add", bearer(server, "counted"))
        remains.append(left(answered))
    assert [found["caller-cap"] for found in remains] == [299, 298, 297, 296, 295]
    assert [found.get("searches") for found in remains] == [None, None, 59, None, 58]


def test_the_server_is_told_in_a_header(gateway: Gateway) -> None:
    for server in ENDPOINTS:
        gateway.call(server, "add", bearer(server), ("x-mcp-server", "forged"))
        [request] = gateway.upstreams[server].requests()[-1:]
        if server != "search":
            assert request.header("x-mcp-server") == server.encode()
        assert request.line == "POST /mcp HTTP/1.1", "as the server behind knows it"
    entries = [entry for entry in gateway.envoy.settled_log() if entry["status"] == 200]
    assert {entry["server"] for entry in entries} <= {*ENDPOINTS, None}


GAMES: dict[str, tuple[str, str]] = {
    "another host of the gateway": (OTHERS, "/mcp"),
    "no host of the gateway": ("evil.example", "/mcp"),
    "a final dot": (f"{BOOKINGS}.", "/mcp"),
    "a longer name": (f"{BOOKINGS}.evil.example", "/mcp"),
    "another server's path": (BOOKINGS, "/search/mcp"),
    "another spelling": ("evil.example", "/%6dcp"),
    "a detour": ("evil.example", "/x/../mcp"),
    "more slashes": ("evil.example", "//mcp"),
    "a query": ("evil.example", "/mcp?x=/files/mcp"),
    "an absolute target": (BOOKINGS, f"http://{OTHERS}/mcp"),
}


@pytest.mark.parametrize("wide", [False, True], ids=["routes as shipped", "routes for any host"])
def test_nobody_gets_in_by_another_host(upstreams: dict[str, ScriptedUpstream], wide: bool) -> None:
    def edit(config: EnvoyConfig) -> None:
        trust_callers(config)
        if wide:
            # What an operator must not write, since a route for everybody leads whoever the filter lets pass.
            hosts = config.connection_manager()["route_config"]["virtual_hosts"]
            hosts[:] = [hosts[0] | {"domains": ["*"], "routes": hosts[1]["routes"] + hosts[0]["routes"]}]

    ports = {name: [upstream.port] for name, upstream in upstreams.items()}
    with Envoy(SERVERS_YAML, upstreams=ports, edit=edit) as envoy:
        gateway = Gateway(envoy, upstreams)
        before = gateway.reached()
        for name, (host, path) in GAMES.items():
            for headers in ([], [bearer("bookings")], [bearer("files")]):
                refused = ask(envoy, host, path, call("add"), [*call_headers("add"), *headers])
                assert refused.status == 421, (name, refused.body)
        assert gateway.reached() == before
        for host in (BOOKINGS.upper(), f"{BOOKINGS}:10000"):
            let_in = ask(envoy, host, "/mcp?x=1", call("add"), [*call_headers("add"), bearer("bookings")])
            assert let_in.status == 200, host
        assert gateway.call("bookings", "add").status == 401


def test_a_tool_a_client_and_an_era_choose_the_cluster(gateway: Gateway) -> None:
    def of(server: str, message: Any, headers: list[TextHeader], **claims: object) -> str:
        return gateway.cluster_of(server, message, [*headers, bearer(server, **claims)])

    assert of("search", call("summarize"), call_headers("summarize")) == "search_large"
    assert of("search", legacy_call("summarize"), []) == "search"
    assert of("files", call("summarize"), call_headers("summarize")) == "files"
    assert of("files", call("add"), call_headers("add"), client_id="nightly-batch") == "files_batch"
    forged: list[TextHeader] = [("x-mcp-agent", "nightly-batch"), ("x-mcp-name", "summarize")]
    assert of("files", call("add"), [*call_headers("add"), *forged]) == "files"
    assert of("search", legacy_call("add"), forged) == "search"


def test_modern_requests_are_divided_and_sessions_are_not(gateway: Gateway) -> None:
    listing = (modern("tools/list"), [*modern_headers("tools/list"), bearer("search", "many")])
    divided = Counter(gateway.cluster_of("search", *listing) for _ in range(80))
    assert set(divided) == {"search", "search_canary"}
    assert divided["search"] > divided["search_canary"]
    opened = gateway.ask("search", initialize(), [bearer("search", "many")])
    session = session_headers(opened.headers["mcp-session-id"])
    legacy = {
        gateway.cluster_of("search", legacy_call("add"), [*session, bearer("search", "many")]) for _ in range(20)
    }
    assert legacy == {"search"}


def test_sessions_stay_with_the_version_where_they_began(tmp_path: Path) -> None:
    """Two real servers as the version that is and the one to come, nine of ten for the former."""

    def edit(config: EnvoyConfig) -> None:
        trust_callers(config)
        settings = config.settings("mcp_gateway")
        settings["servers"][0]["hosts"].append("127.0.0.1")
        config.replace_settings("mcp_gateway", settings)
        config.connection_manager()["route_config"]["virtual_hosts"][0]["domains"].append("127.0.0.1:*")
        [locality] = config.cluster("bookings")["load_assignment"]["endpoints"]
        for entry, port in zip(locality["lb_endpoints"], [stable.port, canary.port], strict=True):
            entry["endpoint"]["address"]["socket_address"]["port_value"] = port

    with dual_era(tmp_path, "stable") as stable, dual_era(tmp_path, "canary") as canary:
        with Envoy(SERVERS_YAML, edit=edit) as envoy:
            token = bearer("bookings")

            def replica() -> str:
                answered = post(envoy.port, call("which_replica"), [*call_headers("which_replica"), token])
                return answered.json()["result"]["content"][0]["text"]

            divided = Counter(replica() for _ in range(50))
            assert divided["canary"] in range(1, 11), divided
            assert divided["stable"] == 50 - divided["canary"]
            sessions: dict[str, LegacySession] = {}
            for _ in range(60):
                session = LegacySession.open(envoy.port, [token])
                sessions.setdefault(session.text("which_replica"), session)
                if len(sessions) == 2:
                    break
            assert set(sessions) == {"stable", "canary"}
            for _ in range(12):
                for home, session in sessions.items():
                    assert session.text("which_replica") == home


KEY = "a key for the tests of instances"
HASH = "sha256:" + hashlib.sha256(KEY.encode()).hexdigest()
PARTNERS, STAFF, WWW = "partners.example.com", "staff.example.com", "www.example.com"


@pytest.fixture(scope="module")
def instances() -> Iterator[Gateway]:
    def edit(config: EnvoyConfig) -> None:
        config.change_settings("partners", {"auth": {"api_keys": [{"hash": HASH, "principal": "batch"}]}})
        # A route that a client could choose by what it says, before the one that is meant.
        by_name = {"name": "x-mcp-name", "string_match": {"exact": "add"}}
        route = {"match": {"path": "/mcp", "headers": [by_name]}, "route": {"cluster": "partners"}}
        config.connection_manager()["route_config"]["virtual_hosts"][0]["routes"].insert(0, route)

    with ScriptedUpstream(answer) as partners, ScriptedUpstream(answer) as staff, ScriptedUpstream(answer) as www:
        upstreams = {"partners": partners, "staff": staff, "www": www}
        ports = {name: [upstream.port] for name, upstream in upstreams.items()}
        with Envoy(INSTANCES_YAML, upstreams=ports, edit=edit) as envoy:
            yield Gateway(envoy, upstreams)


@pytest.mark.parametrize("forged", [[], [("x-mcp-name", "add")]], ids=["as meant", "by another route"])
def test_an_instance_is_on_for_its_host(instances: Gateway, forged: list[TextHeader]) -> None:
    before = instances.reached()
    refused = ask(instances.envoy, PARTNERS, "/mcp", call("add"), [*call_headers("add"), *forged])
    assert refused.status == 401
    assert instances.reached() == before
    known = [*call_headers("add"), *forged, ("x-api-key", KEY)]
    let_in = ask(instances.envoy, PARTNERS, "/mcp", call("add"), known)
    assert "caller-cap" in left(let_in)
    assert instances.upstreams["partners"].requests()[-1].header("x-mcp-principal") is not None


def test_another_host_has_another_instance(instances: Gateway) -> None:
    opened = ask(instances.envoy, STAFF, "/mcp", initialize(), [("x-mcp-principal", "forged")])
    assert opened.status == 200
    assert opened.headers["mcp-session-id"].startswith("s1."), "it is sealed"
    assert not left(opened), "nothing is counted"
    [request] = instances.upstreams["staff"].requests()
    assert request.header("x-mcp-method") == b"initialize"
    assert request.header("x-mcp-principal") is None


def test_no_instance_is_on_elsewhere(instances: Gateway) -> None:
    answered = ask(instances.envoy, WWW, "/mcp", {"no": "MCP"}, [("x-mcp-method", "as it came")])
    assert answered.status == 200
    assert answered.headers["mcp-session-id"] == "minted-by-one-server"
    assert instances.upstreams["www"].requests()[-1].header("x-mcp-method") == b"as it came"
