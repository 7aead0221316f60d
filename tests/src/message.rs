//! MCP messages of both eras, as harness requests.

use mcp_harness::Request;

/// A POST of `body` to `/mcp` as a legacy client sends it.
pub fn legacy(body: &str) -> Request {
    Request::new("POST", "/mcp").header("content-type", "application/json").body(body)
}

/// A `tools/call` of the 2026-07-28 revision; its headers agree with its body.
pub fn modern_call(tool: &str) -> Request {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"{tool}","arguments":{{}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    );
    legacy(&body)
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", tool)
}
