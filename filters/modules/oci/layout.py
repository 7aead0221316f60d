"""An OCI image layout: blobs by their digest, and an index of what they are."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"

Descriptor = dict[str, Any]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def document(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


class Layout:
    """Written as it grows; whatever was in the directory is removed first."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._manifests: list[Descriptor] = []
        shutil.rmtree(directory, ignore_errors=True)
        (directory / "blobs" / "sha256").mkdir(parents=True)
        (directory / "oci-layout").write_bytes(document({"imageLayoutVersion": "1.0.0"}))

    def blob(self, media_type: str, content: bytes) -> Descriptor:
        digest = sha256(content)
        (self._directory / "blobs" / "sha256" / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    def manifest(self, content: dict[str, Any], tag: str) -> Descriptor:
        """Adds a manifest under a tag, by which tools find it."""
        stored = self.blob(MANIFEST, document({"schemaVersion": 2, "mediaType": MANIFEST} | content))
        entry = stored | {"annotations": {"org.opencontainers.image.ref.name": tag}}
        if "artifactType" in content:
            entry["artifactType"] = content["artifactType"]
        self._manifests.append(entry)
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self._manifests}
        (self._directory / "index.json").write_bytes(document(index))
        return stored
