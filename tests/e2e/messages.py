"""JSON-RPC messages of both eras with the headers that belong to them."""

from __future__ import annotations

from typing import Any

from e2e.raw import TextHeader

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
META = "io.modelcontextprotocol/"
CLIENT = {"name": "raw-client", "version": "1"}


def modern(method: str, params: dict[str, Any] | None = None, id: int | str = 1) -> dict[str, Any]:
    """A request of the modern era, which says everything about itself."""
    meta = {META + "protocolVersion": MODERN, META + "clientCapabilities": {}, META + "clientInfo": CLIENT}
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": {**(params or {}), "_meta": meta}}


def modern_headers(method: str, name: str | None = None) -> list[TextHeader]:
    headers: list[TextHeader] = [("mcp-protocol-version", MODERN), ("mcp-method", method)]
    return headers if name is None else [*headers, ("mcp-name", name)]


def call(tool: str, arguments: dict[str, Any] | None = None, id: int | str = 1) -> dict[str, Any]:
    """A modern `tools/call`."""
    return modern("tools/call", {"name": tool, "arguments": arguments or {}}, id)


def call_headers(tool: str) -> list[TextHeader]:
    return modern_headers("tools/call", tool)


def legacy(method: str, params: dict[str, Any] | None = None, id: int | str = 1) -> dict[str, Any]:
    """A request of the legacy era."""
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}}


def legacy_call(tool: str, arguments: dict[str, Any] | None = None, id: int | str = 1) -> dict[str, Any]:
    return legacy("tools/call", {"name": tool, "arguments": arguments or {}}, id)


def initialize() -> dict[str, Any]:
    """The handshake that starts a legacy session."""
    return legacy("initialize", {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}, id=0)


INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def session_headers(session: str) -> list[TextHeader]:
    return [("mcp-session-id", session), ("mcp-protocol-version", LEGACY)]
