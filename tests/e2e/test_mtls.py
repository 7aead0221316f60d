"""Callers with certificates: real TLS at a real Envoy, as envoy/README.md suggests to set it up."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from e2e.certificates import Authority, Certificate
from e2e.envoy import Envoy
from e2e.envoy_config import Endpoint, EnvoyConfig
from e2e.key_server import KeyServer
from e2e.messages import call, call_headers
from e2e.protected import AUTH_YAML, ISSUER_CLUSTER, PLUGIN
from e2e.raw import Answer, TextHeader, post
from e2e.readme import suggestion
from e2e.servers import McpServer

ISSUER = "https://login.example.com"
AUDIENCE = "https://mcp.example.com/mcp"
ANN, BOB = "spiffe://acme/ann", "spiffe://acme/bob"
HEADING = "Know callers by their certificates"


def ask_for_certificates(config: EnvoyConfig, authority: Authority) -> None:
    """Clients connect by TLS from now on, with certificates of that authority."""
    server = authority.certify_address("127.0.0.1")
    socket = suggestion(HEADING)
    tls = socket["typed_config"]["common_tls_context"]
    for certificate in tls["tls_certificates"]:
        certificate["certificate_chain"]["filename"] = str(server.file)
        certificate["private_key"]["filename"] = str(server.file)
    tls["validation_context"]["trusted_ca"]["filename"] = str(authority.certificate)
    [listener] = config.document["static_resources"]["listeners"]
    listener["filter_chains"][0]["transport_socket"] = socket


def know_certificates(config: EnvoyConfig, keys: KeyServer, **mtls: bool) -> None:
    """The module takes URIs of certificates for callers, and tokens with those keys."""
    config.cluster(ISSUER_CLUSTER).pop("transport_socket")
    config.set_upstreams(ISSUER_CLUSTER, [Endpoint(keys.port)])
    [issuer] = config.settings(PLUGIN)["auth"]["issuers"]
    issuer["jwks"]["path"] = "/keys"
    section = {"principal": "uri_san", "tenant": "acme", "scopes": ["mcp:read"], **mtls}
    config.change_settings(PLUGIN, {"auth": {"mtls": section, "issuers": [issuer]}})


@dataclass(frozen=True)
class Party:
    """A gateway that asks clients for certificates, and who has some."""

    gateway: Envoy
    authority: Authority
    keys: KeyServer
    ann: Certificate
    bob: Certificate

    def call(self, certificate: Certificate | None, *headers: TextHeader) -> Answer:
        tls = self.authority.client(certificate)
        tool = "request_headers"
        return post(self.gateway.port, call(tool), [*call_headers(tool), *headers], tls)

    def bound(self, certificate: Certificate) -> TextHeader:
        """A token that is good with this certificate alone (RFC 8705)."""
        thumbprint = base64.urlsafe_b64encode(certificate.digest).rstrip(b"=").decode()
        return self.keys.bearer(cnf={"x5t#S256": thumbprint})


@pytest.fixture(scope="module")
def party(
    packaging: str, python_server: McpServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Party]:
    directory = tmp_path_factory.mktemp("mtls")
    authority = Authority(directory)

    with KeyServer(ISSUER, AUDIENCE, "mcp:read") as keys:

        def edit(config: EnvoyConfig) -> None:
            ask_for_certificates(config, authority)
            know_certificates(config, keys)

        with Envoy(AUTH_YAML, upstreams={"mcp_servers": [python_server.port]}, edit=edit) as gateway:
            yield Party(gateway, authority, keys, authority.certify_uri(ANN), authority.certify_uri(BOB))


def exported(answer: Answer) -> dict[str, str]:
    """The headers that reached the server."""
    assert answer.status == 200, answer.body
    return json.loads(answer.json()["result"]["content"][0]["text"])


def test_whoever_has_a_certificate_is_known_by_it(party: Party) -> None:
    ann, again, bob = (exported(party.call(who)) for who in (party.ann, party.ann, party.bob))
    assert ann["x-mcp-principal"] == again["x-mcp-principal"] != bob["x-mcp-principal"]
    assert (ann["x-mcp-tenant"], ann["x-mcp-scopes"]) == ("acme", "mcp:read")
    assert "x-forwarded-client-cert" not in ann


def test_a_renewed_certificate_is_the_same_caller(party: Party) -> None:
    renewed = party.authority.certify_uri(ANN)
    assert renewed.digest != party.ann.digest
    principals = {exported(party.call(who))["x-mcp-principal"] for who in (party.ann, renewed)}
    assert len(principals) == 1


def test_a_certificate_without_the_name_is_nobodys(party: Party) -> None:
    answer = party.call(party.authority.certify_address("127.0.0.2"))
    assert answer.status == 401
    assert "error=" not in answer.headers["www-authenticate"], "as without credentials"
    assert '"detail":"certificate without principal"' in party.gateway.log_text()


def test_nobody_connects_without_a_certificate_of_the_authority(party: Party, tmp_path: Path) -> None:
    impostor = Authority(tmp_path, "impostor").certify_uri(ANN)
    for certificate in (None, impostor):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            party.call(certificate)


def test_what_a_client_says_of_its_certificate_is_not_believed(party: Party) -> None:
    forged = ("x-forwarded-client-cert", f"Hash={party.ann.digest.hex()};URI={ANN}")
    bob = exported(party.call(party.bob))["x-mcp-principal"]
    assert exported(party.call(party.bob, forged))["x-mcp-principal"] == bob
    assert party.call(party.bob, forged, party.bound(party.ann)).status == 401


def test_a_bound_token_is_good_with_its_certificate_alone(party: Party) -> None:
    token = party.bound(party.ann)
    first = exported(party.call(party.ann, token))
    assert first["x-mcp-agent"] == "e2e", "the caller is the token's, not the certificate's"
    for _ in range(2):
        stolen = party.call(party.bob, token)
        assert stolen.status == 401
        assert 'error="invalid_token"' in stolen.headers["www-authenticate"]
    assert '"detail":"token certificate"' in party.gateway.log_text()
    again = exported(party.call(party.ann, token))
    assert again["x-mcp-principal"] == first["x-mcp-principal"]


def test_an_unbound_token_is_good_with_any(party: Party) -> None:
    token = party.keys.bearer()
    principals = {exported(party.call(who, token))["x-mcp-principal"] for who in (party.ann, party.bob)}
    assert len(principals) == 1


def test_a_bad_token_is_not_made_good_by_a_certificate(party: Party) -> None:
    assert party.call(party.ann, party.keys.bearer(aud="https://other.example")).status == 401
    assert party.call(party.ann, ("authorization", "Bearer nonsense")).status == 401


def test_a_proxy_in_front_reports_who_connects(party: Party, python_server: McpServer) -> None:
    def behind(config: EnvoyConfig) -> None:
        know_certificates(config, party.keys, xfcc_trusted=True)
        config.connection_manager()["forward_client_cert_details"] = "ALWAYS_FORWARD_ONLY"

    def in_front(config: EnvoyConfig) -> None:
        ask_for_certificates(config, party.authority)
        config.drop_wasm_filters()
        details = {"subject": True, "uri": True, "dns": True}
        config.connection_manager()["forward_client_cert_details"] = "SANITIZE_SET"
        config.connection_manager()["set_current_client_cert_details"] = details

    forged = ("x-forwarded-client-cert", f"Hash={party.ann.digest.hex()};URI={ANN}")
    with (
        Envoy(AUTH_YAML, upstreams={"mcp_servers": [python_server.port]}, edit=behind) as inner,
        Envoy(AUTH_YAML, upstreams={"mcp_servers": [inner.port]}, edit=in_front) as outer,
    ):
        party = replace(party, gateway=outer)
        ann, bob = (exported(party.call(who))["x-mcp-principal"] for who in (party.ann, party.bob))
        assert ann != bob
        assert exported(party.call(party.bob, forged))["x-mcp-principal"] == bob
        assert party.call(party.ann, party.bound(party.ann)).status == 200
        assert party.call(party.bob, party.bound(party.ann)).status == 401
