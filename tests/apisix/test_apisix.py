"""apisix/ holds only keys that APISIX has, its files agree with each other, and admin.sh sends them.

That the modules take each `conf` is shown by tests/tests/apisix.rs.
"""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

REPOSITORY = Path(__file__).resolve().parents[2]
APISIX = REPOSITORY / "apisix"
SCHEMA = json.loads((Path(__file__).parent / "schema.json").read_text())

Tree = dict[str, Any]
Change = Callable[[Tree], Any]


def load(name: str) -> Tree:
    return yaml.safe_load((APISIX / name).read_text())


CONFIG = load("config.yaml")
ROUTING = load("apisix.yaml")
ROUTES = {route["id"]: route for route in ROUTING["routes"]}
UPSTREAMS = {upstream["id"]: upstream for upstream in ROUTING["upstreams"]}


def problems(part: str, document: Tree) -> list[str]:
    """What the schema says against a document, with the path to it."""
    validator = Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{part}"})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def modules(route: Tree) -> list[str]:
    return [plugin for plugin in route["plugins"] if plugin.startswith("mcp_")]


def rules() -> list[Tree]:
    return ROUTES["mcp"]["plugins"]["traffic-split"]["rules"]


# --- each file by itself


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(("part", "document"), [("config", CONFIG), ("routing", ROUTING)])
def test_the_files_have_known_keys_only(part: str, document: Tree) -> None:
    assert problems(part, document) == []


def test_apisix_would_read_the_routes() -> None:
    assert (APISIX / "apisix.yaml").read_text().endswith("\n#END\n")


def plugins(document: Tree) -> Tree:
    return document["routes"][0]["plugins"]


def rule(document: Tree) -> Tree:
    return plugins(document)["traffic-split"]["rules"][0]


MISTAKES: dict[str, tuple[str, Change]] = {
    "unknown key": ("config", lambda config: config.update(wams={})),
    "admin API on a data plane": ("config", lambda config: config["apisix"].update(enable_admin=True)),
    "access phase": (
        "config",
        lambda config: config["wasm"]["plugins"][0].update(http_request_phase="access"),
    ),
    "default phase": (
        "config",
        lambda config: config["wasm"]["plugins"][0].pop("http_request_phase"),
    ),
    "before authentication": ("config", lambda config: config["wasm"]["plugins"][1].update(priority=2600)),
    "plugin that loses the request": ("config", lambda config: config["plugins"].append("proxy-buffering")),
    "snippet without 503": (
        "config",
        lambda config: config["nginx_config"].update(http_configuration_snippet="proxy_buffering off;\n"),
    ),
    "connections that are kept": ("config", lambda config: config["nginx_config"]["http"].pop("upstream")),
    "workers by machine": ("config", lambda config: config["nginx_config"].update(worker_processes="auto")),
    "route by a header of ours": (
        "routing",
        lambda routing: routing["routes"][0].update(vars=[["http_x_mcp_method", "==", "ping"]]),
    ),
    "no guard": ("routing", lambda routing: plugins(routing).pop("serverless-pre-function")),
    "guard after the module": (
        "routing",
        lambda routing: plugins(routing)["serverless-pre-function"].update(phase="access"),
    ),
    "misspelt module": (
        "routing",
        lambda routing: plugins(routing).update(mcp_gatway=plugins(routing).pop("mcp_gateway")),
    ),
    "empty conf": ("routing", lambda routing: plugins(routing).update(mcp_gateway={"conf": {}})),
    "upstream inside the plugin": (
        "routing",
        lambda routing: rule(routing).update(weighted_upstreams=[{"upstream": {}, "weight": 1}]),
    ),
    "operator that is none": (
        "routing",
        lambda routing: rule(routing).update(match=[{"vars": [["http_x_mcp_name", "eq", "x"]]}]),
    ),
    "retries left to APISIX": ("routing", lambda routing: routing["upstreams"][0].pop("retries")),
    "hash of nothing": ("routing", lambda routing: routing["upstreams"][0].pop("key")),
    "node without priority": ("routing", lambda routing: routing["upstreams"][0]["nodes"][0].pop("priority")),
    "port as text": ("routing", lambda routing: routing["upstreams"][0]["nodes"][0].update(port="3901")),
    "collector where nobody looks": (
        "config",
        lambda config: config["plugin_attr"].update(opentelemetry={"collector": {"address": "127.0.0.1:4318"}}),
    ),
    "attributes that clients write": (
        "routing",
        lambda routing: routing["global_rules"][0]["plugins"].update(
            opentelemetry={"additional_attributes": ["http_x_mcp_method"]}
        ),
    ),
    "misspelt check": (
        "routing",
        lambda routing: routing["upstreams"][0]["checks"]["active"].update(path="/health"),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_noticed(mistake: str) -> None:
    part, change = MISTAKES[mistake]
    document = copy.deepcopy(CONFIG if part == "config" else ROUTING)
    change(document)
    assert problems(part, document) != []


# --- the files together


def test_every_plugin_of_a_route_is_one_that_the_process_loads() -> None:
    there = {*CONFIG["plugins"], *(plugin["name"] for plugin in CONFIG["wasm"]["plugins"])}
    used = {plugin for item in ROUTING["routes"] + ROUTING["global_rules"] for plugin in item["plugins"]}
    assert used <= there


def test_every_module_that_is_built_can_be_used_and_runs_in_its_place() -> None:
    declared = {plugin["name"]: plugin for plugin in CONFIG["wasm"]["plugins"]}
    manifests = (REPOSITORY / "filters" / "modules").glob("*/Cargo.toml")
    loadable = [manifest for manifest in manifests if "[package.metadata.proxy-wasm]" in manifest.read_text()]
    assert set(declared) == {f"mcp_{manifest.parent.name}" for manifest in loadable}
    assert all(Path(plugin["file"]).stem == name for name, plugin in declared.items())
    order = sorted(declared, key=lambda name: -declared[name]["priority"])
    assert order == ["mcp_gateway", "mcp_auth", "mcp_session", "mcp_quota", "mcp_sse"]


@pytest.mark.parametrize("route", ROUTES)
def test_the_guard_asks_for_every_module_of_its_route(route: str) -> None:
    [guard] = ROUTES[route]["plugins"]["serverless-pre-function"]["functions"]
    assert sorted(re.findall(r'get\("(\w+)"\)', guard)) == sorted(modules(ROUTES[route])) != []


def test_limits_are_divided_by_the_workers_there_are() -> None:
    confs = [route["plugins"][module]["conf"] for route in ROUTES.values() for module in modules(route)]
    workers = [conf["quota"]["workers"] for conf in confs if "quota" in conf]
    assert set(workers) == {CONFIG["nginx_config"]["worker_processes"]} and len(workers) == 2


def test_every_upstream_that_is_named_is_there() -> None:
    targets = [target["upstream_id"] for rule in rules() for target in rule["weighted_upstreams"]]
    assert {*targets, *(route["upstream_id"] for route in ROUTES.values())} == set(UPSTREAMS)


def test_only_what_may_be_asked_twice_is() -> None:
    again = [name for name, upstream in UPSTREAMS.items() if upstream["retries"] > 0]
    assert again == ["mcp_retry"] and ROUTES["mcp"]["upstream_id"] not in again
    [session, safe, *others] = rules()
    # Before all others: what belongs to a session.
    assert session["match"] == [{"vars": [["http_x_mcp_session", "~~", "."]]}]
    assert session["weighted_upstreams"] == [{"upstream_id": "mcp_once", "weight": 1}]
    [(variable, operator, methods)] = safe["match"][0]["vars"]
    assert (variable, operator) == ("http_x_mcp_method", "in")
    assert all(method in ("initialize", "server/discover") or method.endswith("/list") for method in methods)
    assert [target["upstream_id"] for target in safe["weighted_upstreams"]] == again
    assert again[0] not in {target["upstream_id"] for rule in others for target in rule["weighted_upstreams"]}


def test_once_and_again_are_the_same_servers_with_a_backup() -> None:
    once, again = UPSTREAMS["mcp_once"], UPSTREAMS["mcp_retry"]
    assert (once["nodes"], once["checks"]) == (again["nodes"], again["checks"])
    priorities = [node["priority"] for node in once["nodes"]]
    assert len(set(priorities)) == 2
    assert again["retries"] == priorities.count(max(priorities)), "the backup would never be asked"


# --- admin.sh


class Admin:
    """Stands for the Admin API: takes down what is put, and answers with one status."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.objects: Tree = {}
        self.keys: set[str | None] = set()


@contextmanager
def admin_api(status: int) -> Iterator[Admin]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            admin.objects[self.path] = json.loads(body)
            admin.keys.add(self.headers["x-api-key"])
            answer = b'{"error_msg":"as the test wants it"}'
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    admin = Admin(server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield admin
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


KEY = "a-key-that-nobody-may-see"


def run_admin(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    inherited = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        [APISIX / "admin.sh"], env=inherited | environment, capture_output=True, text=True, timeout=60
    )


def test_admin_sends_the_routes_of_apisix_yaml_and_no_others() -> None:
    with admin_api(200) as admin:
        done = run_admin({"APISIX_ADMIN": admin.url, "APISIX_ADMIN_KEY": KEY})
    assert done.returncode == 0, done.stderr
    expected = {
        f"/apisix/admin/{kind}/{item['id']}": {key: value for key, value in item.items() if key != "id"}
        for kind, items in ROUTING.items()
        for item in items
    }
    assert admin.objects == expected
    # A route names an upstream that is there already.
    kinds = [path.split("/")[3] for path in admin.objects]
    assert kinds == sorted(kinds, key=["upstreams", "routes", "global_rules", "plugin_metadata"].index)
    assert admin.keys == {KEY}
    assert KEY not in done.stdout + done.stderr


def test_admin_stops_at_the_first_object_that_is_not_taken_and_says_why() -> None:
    with admin_api(400) as admin:
        done = run_admin({"APISIX_ADMIN": admin.url, "APISIX_ADMIN_KEY": KEY})
    assert done.returncode == 1 and len(admin.objects) == 1
    assert "upstreams/mcp_once was not put" in done.stderr and "as the test wants it" in done.stderr
    assert KEY not in done.stdout + done.stderr


@pytest.mark.parametrize("missing", ["APISIX_ADMIN", "APISIX_ADMIN_KEY"])
def test_admin_asks_for_what_it_needs(missing: str) -> None:
    environment = {"APISIX_ADMIN": "http://127.0.0.1:9", "APISIX_ADMIN_KEY": KEY}
    del environment[missing]
    done = run_admin(environment)
    assert done.returncode == 1 and missing in done.stderr


def test_admin_gives_no_command_the_key_as_an_argument() -> None:
    """Arguments are for everyone on the machine to see; printf is the shell's own, no command."""
    lines = (APISIX / "admin.sh").read_text().splitlines()
    uses = [line for line in lines if "$APISIX_ADMIN_KEY" in line]
    assert len(uses) == 1 and "--header @<(printf 'X-API-KEY: %s\\n' \"$APISIX_ADMIN_KEY\")" in uses[0]


# --- README.md


def test_every_file_that_the_readme_names_is_there() -> None:
    text = (APISIX / "README.md").read_text()
    links = {APISIX / link for link in re.findall(r"\]\(([^)#:]+)\)", text)}
    # As the reader types them in the root of the repository, or as they are called beside the README.
    commands = text.replace("$PWD/", "")
    typed = {REPOSITORY / path for path in re.findall(r"(?<![\w/])apisix/[\w.]+\w", commands)}
    named = {APISIX / name for name in re.findall(r"`(\w+\.(?:yaml|sh|conf))`", text)}
    built = set(re.findall(r"\bdist/(\w+)\.wasm", text)) | set(re.findall(r"`(mcp_\w+)\.wasm`", text))
    assert len(links) == 3 and len(typed) == 4 and len(named) == 5 and built
    assert [path for path in links | typed | named if not path.exists()] == []
    assert built <= {plugin["name"] for plugin in CONFIG["wasm"]["plugins"]}


def test_the_readme_names_the_route_and_the_log_line_of_a_module_there_is() -> None:
    text = (APISIX / "README.md").read_text()
    assert f'route="{ROUTING["routes"][0]["id"]}"' in text
    assert set(re.findall(r"plugin \[(\w+)\]", text)) <= {plugin["name"] for plugin in CONFIG["wasm"]["plugins"]}
