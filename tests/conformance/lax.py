"""Makes a server ignore its routing headers, as many do: the kind our filter is there to protect.

The SDK compares `Mcp-Method` and `Mcp-Name` with the body and refuses a request where they differ.
Here they are replaced by what the body says before the SDK sees them, so whatever was sent passes.
"""

import json

from mcp.shared.inbound import encode_header_value
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


def _routing_headers(body: bytes) -> list[tuple[bytes, bytes]]:
    try:
        request = json.loads(body)
        method = request["method"]
        headers = {"mcp-method": method}
        if key := NAMED_BY.get(method):
            headers["mcp-name"] = encode_header_value(request["params"][key])
    except (ValueError, KeyError, TypeError):
        return []
    return [(name.encode(), value.encode()) for name, value in headers.items()]


class IgnoreRoutingHeaders:
    """ASGI middleware around a server's application."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._inner(scope, receive, send)
            return
        body, complete = b"", False
        while not complete:
            message = await receive()
            body += message.get("body", b"")
            complete = not message.get("more_body", False)
        kept = [(name, value) for name, value in scope["headers"] if name not in (b"mcp-method", b"mcp-name")]
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        await self._inner({**scope, "headers": kept + _routing_headers(body)}, replay, send)
