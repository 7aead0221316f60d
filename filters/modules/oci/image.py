"""A module as an image that gateways fetch.

There are two forms of the "Wasm image": an artifact with media types of its own, and one that is an ordinary
image whose last layer holds `plugin.wasm`. Envoy Gateway and Istio read both. This writes the second, since
every registry and every image tool knows it.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .layout import Descriptor, Layout, document, sha256
from .sbom import MEDIA_TYPE as SBOM

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
FILE = "plugin.wasm"


@dataclass(frozen=True)
class Module:
    name: str
    version: str
    licence: str
    description: str
    code: bytes


def add(layout: Layout, module: Module, bill: bytes, created: int, source: str | None) -> Descriptor:
    """The image under the module's version, and the bill of materials, which refers to it, beside it."""
    moment = datetime.fromtimestamp(created, UTC)
    annotations = {
        "org.opencontainers.image.title": module.name,
        "org.opencontainers.image.version": module.version,
        "org.opencontainers.image.licenses": module.licence,
        "org.opencontainers.image.description": module.description,
        "org.opencontainers.image.created": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if source:
        annotations["org.opencontainers.image.source"] = source
    archive = tar(module.code, created)
    image = layout.manifest(
        {
            "config": layout.blob(CONFIG, config(archive, annotations)),
            "layers": [layout.blob(LAYER, gzip(archive))],
            "annotations": annotations,
        },
        tag=module.version,
    )
    layout.manifest(
        {
            "artifactType": SBOM,
            "config": layout.blob(EMPTY, b"{}"),
            "layers": [layout.blob(SBOM, bill)],
            "subject": image,
        },
        tag=f"{module.version}-sbom",
    )
    return image


def config(archive: bytes, annotations: dict[str, str]) -> bytes:
    content: dict[str, Any] = {
        "created": annotations["org.opencontainers.image.created"],
        "architecture": "wasm",
        "os": "wasip1",
        "config": {"Labels": annotations},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(archive)}"]},
        "history": [{"created": annotations["org.opencontainers.image.created"], "created_by": "make oci"}],
    }
    return document(content)


def tar(code: bytes, modified: int) -> bytes:
    entry = tarfile.TarInfo(FILE)
    entry.size, entry.mode, entry.mtime = len(code), 0o644, modified
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as writer:
        writer.addfile(entry, io.BytesIO(code))
    return archive.getvalue()


def gzip(content: bytes) -> bytes:
    """zlib's own gzip header says neither when nor on what the file was written."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()
