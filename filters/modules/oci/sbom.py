"""A module's bill of materials, in CycloneDX."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from .crates import TARGET, Crate, Graph

MEDIA_TYPE = "application/vnd.cyclonedx+json"
VERSION = SchemaVersion.V1_6


def bill_of_materials(name: str, digest: str, graph: Graph) -> bytes:
    """`digest` is of the module's file, in hexadecimal."""
    module = Component(
        type=ComponentType.APPLICATION,
        name=name,
        version=graph.root.version,
        bom_ref=name,
        licenses=licences(graph.root),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
        properties=[Property(name="cargo:target", value=TARGET)],
    )
    components = {crate: component(crate) for crate in graph.linked} | {graph.root: module}
    # A number for the bill that is the same whenever it is made for the same file.
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, f"sha256:{digest}"))
    bom.metadata.timestamp = None
    bom.metadata.component = module
    for crate in graph.linked:
        bom.components.add(components[crate])
    for crate, uses in graph.dependencies.items():
        bom.register_dependency(components[crate], [components[used] for used in uses])
    return (make_outputter(bom, OutputFormat.JSON, VERSION).output_as_string(indent=2) + "\n").encode()


def component(crate: Crate) -> Component:
    link = (
        ExternalReference(type=ExternalReferenceType.VCS, url=XsUri(crate.repository))
        if crate.repository
        else None
    )
    return Component(
        type=ComponentType.LIBRARY,
        name=crate.name,
        version=crate.version,
        bom_ref=f"{crate.name}@{crate.version}",
        licenses=licences(crate),
        # Crates of this repository are in no registry: they have neither a package URL nor a checksum.
        purl=PackageURL("cargo", None, crate.name, crate.version) if crate.checksum else None,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=crate.checksum)] if crate.checksum else [],
        external_references=[link] if link else [],
    )


def licences(crate: Crate) -> list:
    # Crates from before SPDX expressions write `MIT/Apache-2.0`.
    expression = " OR ".join(part.strip() for part in crate.licence.split("/"))
    return [LicenseFactory().make_from_string(expression)] if expression else []
