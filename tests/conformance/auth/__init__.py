"""The suite's `auth/*` client scenarios, direct and through Envoy with `mcp_gateway.wasm`."""
