"""The documents of envoy/kubernetes/, and the schemas they are held to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from e2e.envoy_config import REPOSITORY

KUBERNETES = REPOSITORY / "envoy" / "kubernetes"
SCHEMAS = Path(__file__).parent / "schemas"

Tree = dict[str, Any]


def load(name: str) -> list[Tree]:
    return list(yaml.safe_load_all((KUBERNETES / name).read_text()))


FILES = {file.name: load(file.name) for file in sorted(KUBERNETES.glob("*.yaml"))}


def schemas() -> dict[str, Tree]:
    found: dict[str, Tree] = json.loads((SCHEMAS / "istio.json").read_text())
    definitions = yaml.safe_load((SCHEMAS / "definitions.yaml").read_text())
    for name in ("gateway-api", "envoy-gateway", "apisix"):
        for kind, schema in yaml.safe_load((SCHEMAS / f"{name}.yaml").read_text()).items():
            found[kind] = schema | {"$defs": definitions}
    return found


BY_KIND = schemas()
DOCUMENT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["apiVersion", "kind", "metadata"],
    "properties": {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name", "namespace"],
            "properties": {"name": {"type": "string"}, "namespace": {"type": "string"}},
        },
        "spec": {"type": "object"},
        "stringData": {"type": "object"},
    },
    "oneOf": [{"required": ["spec"]}, {"required": ["stringData"]}],
}


def kind(document: Tree) -> str:
    return f"{document['apiVersion']}/{document['kind']}"


def problems(document: Tree) -> list[str]:
    """What the schema of its kind says against a document, with the path to it."""
    errors = list(Draft202012Validator(DOCUMENT).iter_errors(document))
    if kind(document) not in BY_KIND:
        return [f"no such kind: {kind(document)}"]
    content = document.get("spec", document.get("stringData"))
    errors += Draft202012Validator(BY_KIND[kind(document)]).iter_errors(content)
    return [f"{error.json_path}: {error.message}" for error in errors]


def one(name: str, wanted: str, called: str | None = None) -> Tree:
    """The only document of that kind in a file, or that of the name."""
    [document] = [
        document
        for document in FILES[name]
        if document["kind"] == wanted and called in (None, document["metadata"]["name"])
    ]
    return document
