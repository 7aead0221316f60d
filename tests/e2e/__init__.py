"""Real Envoy, real MCP servers and real MCP clients over loopback."""
