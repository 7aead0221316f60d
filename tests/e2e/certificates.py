"""A certificate authority of the tests, and both sides of TLS with certificates of its making."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LIFETIME = timedelta(hours=1)


@dataclass(frozen=True)
class Certificate:
    """A certificate of an authority's making."""

    file: Path
    """The certificate and its key, in PEM."""
    digest: bytes
    """Its SHA-256."""


class Authority:
    """Signs with a key made anew; keeps its files in `directory`."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))
        self.certificate = directory / f"{name}.pem"
        """The file to trust."""
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def server(self, host: str) -> ssl.SSLContext:
        """What a server shows that is, or says it is, `host`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certify(host, x509.DNSName(host)).file)
        return context

    def client(self, certificate: Certificate | None) -> ssl.SSLContext:
        """What a client does that trusts this authority, and shows a certificate if it has one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.certificate)
        if certificate is not None:
            context.load_cert_chain(certificate.file)
        return context

    def certify_address(self, address: str) -> Certificate:
        """A certificate of a server at that address."""
        return self.certify(address, x509.IPAddress(ip_address(address)))

    def certify_uri(self, uri: str) -> Certificate:
        """A certificate of whoever is known by that URI."""
        return self.certify("client", x509.UniformResourceIdentifier(uri))

    def certify(self, common_name: str, *names: x509.GeneralName) -> Certificate:
        """A certificate with that subject and those alternative names."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        certificate = self._sign(subject, key, x509.SubjectAlternativeName(names))
        path = self._directory / f"{certificate.serial_number:x}.pem"
        path.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return Certificate(path, certificate.fingerprint(hashes.SHA256()))

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - LIFETIME)
            .not_valid_after(now + LIFETIME)
            .add_extension(extension, critical=True)
        )
        return builder.sign(self._key, hashes.SHA256())
