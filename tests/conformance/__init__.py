"""The official MCP conformance suite, run direct and through the gateway, and a server it can score."""
