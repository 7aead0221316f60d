"""`make oci`: images that real tools take, the same ones every time, and what they are made of."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deployment import debian
from deployment.debian import REGISTRY, SKOPEO
from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, EnvoyConfig
from e2e.messages import call, call_headers
from e2e.process import Process, accepts, free_port
from e2e.raw import post

DIST = REPOSITORY / "dist"
NAMES = sorted(file.stem for file in DIST.glob("*.wasm"))
VERSION = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())["workspace"]["package"]["version"]
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

Tree = dict[str, Any]


def pack(dist: Path, *options: str, **environment: str) -> None:
    """Copies the modules there and packs them, as `make oci` does in dist/."""
    dist.mkdir()
    for module in DIST.glob("*.wasm"):
        shutil.copy(module, dist)
    subprocess.run(
        [sys.executable, "-m", "oci", "--dist", dist, *options],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "filters" / "modules")} | environment,
        check=True,
        capture_output=True,
        timeout=60,
    )


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("oci") / "dist"
    pack(directory)
    return directory


class Stored:
    """A module's image layout, read by what the OCI image specification says of one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        index = json.loads((directory / "index.json").read_text())
        name = "org.opencontainers.image.ref.name"
        self.tags: dict[str, Tree] = {entry["annotations"][name]: entry for entry in index["manifests"]}

    def blob(self, descriptor: Tree) -> bytes:
        algorithm, _, hexadecimal = descriptor["digest"].partition(":")
        content = (self._directory / "blobs" / algorithm / hexadecimal).read_bytes()
        assert digest(content) == descriptor["digest"] and len(content) == descriptor["size"]
        return content

    def manifest(self, tag: str) -> Tree:
        return json.loads(self.blob(self.tags[tag]))


def module_in(layer: bytes) -> bytes:
    """The module as Envoy Gateway and Istio look for it: a file called plugin.wasm in the last layer."""
    with tarfile.open(fileobj=io.BytesIO(layer), mode="r:gz") as archive:
        [entry] = archive.getmembers()
        file = archive.extractfile(entry)
        assert entry.name == "plugin.wasm" and file
        return file.read()


def bill(dist: Path, name: str) -> Tree:
    return json.loads((dist / "oci" / f"{name}.cdx.json").read_text())


# --- the same every time


def contents(directory: Path) -> dict[str, str]:
    files = (file for file in directory.rglob("*") if file.is_file())
    return {str(file.relative_to(directory)): digest(file.read_bytes()) for file in files}


def test_the_same_modules_give_the_same_bytes_wherever_and_whenever(dist: Path, tmp_path: Path) -> None:
    pack(tmp_path / "another", TZ="Pacific/Chatham", PYTHONHASHSEED="7", LC_ALL="C")
    assert contents(dist) == contents(tmp_path / "another")


def test_who_wants_a_date_gets_one_and_nothing_else_changes(dist: Path, tmp_path: Path) -> None:
    pack(tmp_path / "dated", SOURCE_DATE_EPOCH="1764140400")
    plain, dated = Stored(dist / "oci/mcp_sse").manifest(VERSION), Stored(tmp_path / "dated/oci/mcp_sse")
    created = "org.opencontainers.image.created"
    assert plain["annotations"][created] == "1970-01-01T00:00:00Z"
    assert dated.manifest(VERSION)["annotations"][created] == "2025-11-26T07:00:00Z"
    assert (dist / "SHA256SUMS").read_bytes() == (tmp_path / "dated/SHA256SUMS").read_bytes()


def test_the_compressed_layer_says_neither_when_nor_where_it_was_made(dist: Path) -> None:
    stored = Stored(dist / "oci" / "mcp_session")
    layer = stored.blob(stored.manifest(VERSION)["layers"][0])
    flags, modified = layer[3], layer[4:8]
    assert (flags, modified) == (0, bytes(4))
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        [entry] = archive.getmembers()
    assert (entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname) == (0, 0, 0, "", "")


# --- what is in it


@pytest.mark.parametrize("name", NAMES)
def test_the_image_holds_the_module_and_says_what_it_is(dist: Path, name: str) -> None:
    stored = Stored(dist / "oci" / name)
    manifest = stored.manifest(VERSION)
    [layer] = manifest["layers"]
    assert layer["mediaType"] == LAYER
    assert module_in(stored.blob(layer)) == (DIST / f"{name}.wasm").read_bytes()
    config = json.loads(stored.blob(manifest["config"]))
    assert config["rootfs"]["diff_ids"] == [digest(gzip.decompress(stored.blob(layer)))]
    said = {key.rpartition(".")[2]: value for key, value in manifest["annotations"].items()}
    assert said["title"] == name and said["version"] == VERSION and said["licenses"] == "Apache-2.0"
    assert "source" not in said


def test_the_source_is_named_if_it_is_told(tmp_path: Path) -> None:
    pack(tmp_path / "named", "--source", "https://git.example.com/mcp")
    annotations = Stored(tmp_path / "named/oci/mcp_auth").manifest(VERSION)["annotations"]
    assert annotations["org.opencontainers.image.source"] == "https://git.example.com/mcp"


@pytest.mark.parametrize("name", NAMES)
def test_the_bill_of_materials_refers_to_the_image(dist: Path, name: str) -> None:
    stored = Stored(dist / "oci" / name)
    manifest = stored.manifest(f"{VERSION}-sbom")
    assert manifest["subject"]["digest"] == stored.tags[VERSION]["digest"]
    assert manifest["artifactType"] == "application/vnd.cyclonedx+json"
    [layer] = manifest["layers"]
    assert json.loads(stored.blob(layer)) == bill(dist, name)


def test_the_checksums_are_those_of_the_files(dist: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=dist, check=True)
    named = {line.split()[1] for line in (dist / "SHA256SUMS").read_text().splitlines()}
    assert named == {f"{name}.wasm" for name in NAMES} | {f"oci/{name}.cdx.json" for name in NAMES}


# --- what it is made of


def linked(package: str) -> set[tuple[str, str]]:
    """Asked of cargo in another way than the packer does: names and versions, one a line."""
    tree = subprocess.run(
        ["cargo", "tree", "--quiet", "--locked", "-p", package, "--target", "wasm32-wasip1"]
        + ["-e", "normal,no-proc-macro", "--prefix", "none", "--no-dedupe"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return {(name, version.removeprefix("v")) for name, version, *_ in map(str.split, tree.splitlines())}


@pytest.mark.parametrize("name", NAMES)
def test_the_bill_is_valid_and_lists_what_is_linked(dist: Path, name: str) -> None:
    text = (dist / "oci" / f"{name}.cdx.json").read_text()
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert problem is None, problem
    content = json.loads(text)
    package = f"{name.replace('_', '-')}-module"
    components = {(entry["name"], entry["version"]) for entry in content["components"]}
    assert components == linked(package) - {(package, VERSION)}
    assert {"syn", "wasmtime", "proptest", "mcp-harness"}.isdisjoint(entry for entry, _ in components)
    [checksum] = content["metadata"]["component"]["hashes"]
    assert f"sha256:{checksum['content']}" == digest((DIST / f"{name}.wasm").read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_every_crate_of_others_can_be_found_and_checked(dist: Path, name: str) -> None:
    lock = tomllib.loads((REPOSITORY / "Cargo.lock").read_text())["package"]
    checksums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in lock}
    for entry in bill(dist, name)["components"]:
        assert entry["licenses"], entry["name"]
        checksum = checksums[entry["name"], entry["version"]]
        if checksum is None:
            assert entry["name"].startswith("mcp-") and "purl" not in entry and "hashes" not in entry
        else:
            assert unquote(entry["purl"]) == f"pkg:cargo/{entry['name']}@{entry['version']}"
            assert entry["hashes"] == [{"alg": "SHA-256", "content": checksum}]


def test_the_bill_says_what_depends_on_what(dist: Path) -> None:
    uses = {
        entry["ref"]: set(entry.get("dependsOn", [])) for entry in bill(dist, "mcp_session")["dependencies"]
    }
    assert f"mcp-session@{VERSION}" in uses["mcp_session"]
    assert any(used.startswith("chacha20poly1305@") for used in uses[f"mcp-session@{VERSION}"])


# --- real tools


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real registry on loopback."""
    directory, port = tmp_path_factory.mktemp("registry"), free_port()
    config = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(directory / "storage")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (directory / "config.yml").write_text(json.dumps(config))
    argv = [REGISTRY, "serve", directory / "config.yml"]
    with Process("registry", argv, directory / "registry.log", env=debian.ENVIRONMENT) as process:
        process.wait_until(lambda: accepts(port), 20)
        yield f"127.0.0.1:{port}"


def push(layout: Path, tag: str, registry: str) -> None:
    destination = f"docker://{registry}/{layout.name}:{tag}"
    debian.run(
        SKOPEO,
        "--insecure-policy",
        "copy",
        "--quiet",
        "--dest-tls-verify=false",
        f"oci:{layout}:{tag}",
        destination,
    )


def test_skopeo_knows_the_image(dist: Path) -> None:
    seen = json.loads(debian.run(SKOPEO, "inspect", f"oci:{dist}/oci/mcp_gateway:{VERSION}"))
    stored = Stored(dist / "oci" / "mcp_gateway")
    assert seen["Digest"] == stored.tags[VERSION]["digest"]
    assert (seen["Os"], seen["Architecture"]) == ("wasip1", "wasm")
    assert seen["Labels"]["org.opencontainers.image.title"] == "mcp_gateway"


def test_what_is_pulled_by_digest_from_a_registry_is_the_module_and_runs_in_envoy(
    dist: Path, registry: str, tmp_path: Path
) -> None:
    layout = dist / "oci" / "mcp_gateway"
    push(layout, VERSION, registry)
    pulled = httpx.get(
        f"http://{registry}/v2/mcp_gateway/manifests/{Stored(layout).tags[VERSION]['digest']}",
        headers={"accept": "application/vnd.oci.image.manifest.v1+json"},
    )
    assert pulled.status_code == 200 and digest(pulled.content) == pulled.headers["docker-content-digest"]
    layer = pulled.json()["layers"][-1]
    blob = httpx.get(f"http://{registry}/v2/mcp_gateway/blobs/{layer['digest']}", follow_redirects=True)
    module = tmp_path / "pulled.wasm"
    module.write_bytes(module_in(blob.content))
    assert module.read_bytes() == (DIST / "mcp_gateway.wasm").read_bytes()

    def pulled_module(config: EnvoyConfig) -> None:
        config.set_module("mcp_gateway", module)

    with Envoy(REPOSITORY / "envoy" / "gateway.yaml", edit=pulled_module) as envoy:
        answer = post(envoy.port, call("add", {"a": 1, "b": 2}), call_headers("add"))
    assert answer.status == 401


def test_the_registry_keeps_the_bill_of_materials_too(dist: Path, registry: str) -> None:
    push(dist / "oci" / "mcp_auth", VERSION, registry)
    push(dist / "oci" / "mcp_auth", f"{VERSION}-sbom", registry)
    url = f"http://{registry}/v2/mcp_auth"
    accept = {"accept": "application/vnd.oci.image.manifest.v1+json"}
    manifest = httpx.get(f"{url}/manifests/{VERSION}-sbom", headers=accept).json()
    assert manifest["subject"]["digest"] == Stored(dist / "oci/mcp_auth").tags[VERSION]["digest"]
    blob = httpx.get(f"{url}/blobs/{manifest['layers'][0]['digest']}", follow_redirects=True)
    assert blob.json() == bill(dist, "mcp_auth")
