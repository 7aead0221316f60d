"""Callers with names: Envoy's own JWT filter in front of ours, or our auth filter, and tokens they accept."""

from __future__ import annotations

import json
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from e2e.envoy_config import REPOSITORY, EnvoyConfig
from e2e.raw import TextHeader
from e2e.readme import suggestion

ISSUER = "https://issuer.example"
AUDIENCE = "https://mcp.example.com/mcp"
PRINCIPAL_HEADER = "x-jwt-sub"
TOKEN_SECONDS = 300
JWT_FILTER = "envoy.filters.http.jwt_authn"

BIND_TO_PRINCIPAL = {"session": {"principal_header": PRINCIPAL_HEADER, "principal_header_trusted": True}}
"""Settings of the session module that bind sessions to the caller that the JWT filter names."""


class Issuer:
    """An identity provider with a key of its own, made anew in each run."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def authenticate(self, config: EnvoyConfig) -> None:
        """Puts Envoy's JWT filter first, as the README suggests, with this issuer's key."""
        [entry] = suggestion("Bind sessions to callers")
        provider = entry["typed_config"]["providers"]["issuer"]
        provider["local_jwks"] = {"inline_string": json.dumps({"keys": [self.key]})}
        config.http_filters().insert(0, entry)

    def replace_authority(self, config: EnvoyConfig) -> None:
        """Lets the JWT filter that is there accept the tokens of this issuer and no others."""
        [jwt_filter] = [entry for entry in config.http_filters() if entry["name"] == JWT_FILTER]
        provider = jwt_filter["typed_config"]["providers"]["issuer"]
        del provider["remote_jwks"]
        provider |= {"issuer": ISSUER, "audiences": [AUDIENCE]}
        provider["local_jwks"] = {"inline_string": json.dumps({"keys": [self.key]})}

    def authenticate_in_gateway(self, config: EnvoyConfig, **claims: str) -> None:
        """Loads all filters in the place of the session filter, with this issuer's key; `claims` are the
        settings that say what else is in its tokens."""
        issuer = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": {"keys": [self.key]}, **claims}
        export_key = config.settings("mcp_session")["session"]["export_key"]
        config.set_module("mcp_session", REPOSITORY / "dist" / "mcp_gateway.wasm")
        config.change_settings("mcp_session", {"auth": {"issuers": [issuer], "export_key": export_key}})

    @property
    def key(self) -> dict[str, str]:
        """The public key, as a JWK."""
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        return key | {"kid": "only"}

    def token(self, subject: str, token: str = "1", **more: object) -> str:
        """A valid token; `token` is its unique id."""
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "jti": token, **more}
        claims |= {"exp": int(time.time()) + TOKEN_SECONDS}
        return jwt.encode(claims, self._key, "RS256", headers={"kid": "only"})

    def bearer(self, subject: str, token: str = "1", **more: object) -> TextHeader:
        """An Authorization header with such a token."""
        return "authorization", "Bearer " + self.token(subject, token, **more)
