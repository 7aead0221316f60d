"""What the demo tries to get past the gateway, and how it should be turned away."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import Any

from e2e.messages import LEGACY, MODERN, call, call_headers, legacy_call, modern_headers, session_headers
from e2e.raw import Header


@dataclass(frozen=True)
class Attempt:
    """One request, why it must not pass, and the answer it must get."""

    what: str
    why: str
    headers: list[Header]
    body: bytes
    status: int
    code: int


def attempts(session: str, server_session: str, owner: Header, thief: Header) -> list[Attempt]:
    """`session` is a live id that `owner` holds, `server_session` the server's own id."""

    def encoded(message: Any) -> bytes:
        return json.dumps(message).encode()

    add = encoded(call("add", {"a": 1, "b": 2}))
    legacy_add = encoded(legacy_call("add", {"a": 1, "b": 2}))
    two_methods = add.replace(b'"method"', b'"method": "tools/list", "method"', 1)
    look_alike = add.replace(b'"params"', b'"Params": {}, "params"', 1)
    flipped = session[:-9] + ("A" if session[-9] != "A" else "B") + session[-8:]
    return [
        Attempt(
            "header says one tool, body another",
            "policy would judge the wrong tool",
            [*call_headers("search"), owner],
            add,
            400,
            -32020,
        ),
        Attempt(
            "modern body, no modern headers",
            "servers differ in how they read it",
            [("mcp-protocol-version", LEGACY), owner],
            add,
            400,
            -32020,
        ),
        Attempt(
            "Mcp-Name missing",
            "the header must repeat the tool",
            [*modern_headers("tools/call"), owner],
            add,
            400,
            -32020,
        ),
        Attempt(
            '"method" twice in the body',
            "parsers differ in which one counts",
            [*call_headers("add"), owner],
            two_methods,
            400,
            -32600,
        ),
        Attempt(
            '"Params" beside "params"',
            "some parsers fold case",
            [*call_headers("add"), owner],
            look_alike,
            400,
            -32600,
        ),
        Attempt(
            "compressed body",
            "it could not be inspected",
            [*call_headers("add"), ("content-encoding", "gzip"), owner],
            gzip.compress(add),
            415,
            -32600,
        ),
        Attempt(
            "body of 2 MB",
            "over the configured max_body",
            [*call_headers("add"), owner],
            encoded(call("add", {"a": "x" * 2_000_000})),
            413,
            -32600,
        ),
        Attempt(
            "Origin: https://evil.example",
            "not among the configured origins",
            [*call_headers("add"), ("origin", "https://evil.example"), owner],
            add,
            403,
            -32600,
        ),
        Attempt(
            "Alice's session id, sent by Carol",
            "a session is bound to its opener",
            [*session_headers(session), thief],
            legacy_add,
            404,
            -32600,
        ),
        Attempt(
            "Alice's id with one character changed",
            "the id is sealed",
            [*session_headers(flipped), owner],
            legacy_add,
            404,
            -32600,
        ),
        Attempt(
            "the server's own session id",
            "only sealed ids are taken",
            [*session_headers(server_session), owner],
            legacy_add,
            404,
            -32600,
        ),
        Attempt(
            "a protocol version nobody speaks",
            "the answer lists what is spoken",
            [
                ("mcp-protocol-version", "2099-01-01"),
                ("mcp-method", "tools/call"),
                ("mcp-name", "add"),
                owner,
            ],
            add.replace(MODERN.encode(), b"2099-01-01"),
            400,
            -32022,
        ),
    ]
