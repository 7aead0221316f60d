"""Writes dist/oci/ and dist/SHA256SUMS from dist/*.wasm."""

from __future__ import annotations

import argparse
import os
import shutil
import tomllib
from pathlib import Path

from .crates import linked_into
from .image import Module, add
from .layout import Layout, sha256
from .sbom import bill_of_materials

REPOSITORY = Path(__file__).resolve().parents[3]


def main() -> None:
    arguments = argparse.ArgumentParser(prog="make oci", description=__doc__)
    arguments.add_argument("--dist", type=Path, default=REPOSITORY / "dist", help="where the modules are")
    arguments.add_argument("--source", help="address of this repository, for registries that show it")
    options = arguments.parse_args()
    # https://reproducible-builds.org/specs/source-date-epoch/. The default is no date, so that a module that
    # did not change keeps its digest.
    created = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))

    files = sorted(options.dist.glob("*.wasm"))
    if not files:
        arguments.error(f"there are no modules in {options.dist}: make wasm")
    shutil.rmtree(options.dist / "oci", ignore_errors=True)
    sums = []
    for file in files:
        code = file.read_bytes()
        module, bill = described(file.stem, code)
        layout = options.dist / "oci" / file.stem
        image = add(Layout(layout), module, bill, created, options.source)
        beside = layout.with_name(f"{file.stem}.cdx.json")
        beside.write_bytes(bill)
        sums += [(file.name, code), (f"oci/{beside.name}", bill)]
        print(f"dist/oci/{module.name}:{module.version} {image['digest']}")
    lines = [f"{sha256(content)}  {name}\n" for name, content in sorted(sums)]
    (options.dist / "SHA256SUMS").write_text("".join(lines))


def described(name: str, code: bytes) -> tuple[Module, bytes]:
    """The module of that name with what its package says of it, and its bill of materials."""
    manifest = REPOSITORY / "filters" / "modules" / name.removeprefix("mcp_") / "Cargo.toml"
    package = tomllib.loads(manifest.read_text())["package"]
    graph = linked_into(package["name"], REPOSITORY)
    module = Module(
        name,
        graph.root.version,
        graph.root.licence,
        f"{name}.wasm: MCP servers behind Envoy and Apache APISIX",
        code,
    )
    return module, bill_of_materials(name, sha256(code), graph)


if __name__ == "__main__":
    main()
