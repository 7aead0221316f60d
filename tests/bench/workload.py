"""The request that is measured: a `tools/call` of 2026-07-28, ordered as the official SDKs write it."""

import json
from collections.abc import Iterator

VERSION = "2026-07-28"
TOOL = "fetch"
PATH = "/mcp"
SMALL, LARGE = 200, 64 * 1024
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
}
HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": VERSION,
    "Mcp-Method": "tools/call",
    "Mcp-Name": TOOL,
}


def _call(arguments: object) -> bytes:
    params = {"name": TOOL, "arguments": arguments, "_meta": META}
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return json.dumps(request, separators=(",", ":"), ensure_ascii=False).encode()


def _rows() -> Iterator[dict[str, object]]:
    """Rows as a tool might be given them: numbers, short strings, escapes, some text that is not ASCII."""
    number = 0
    while True:
        number += 1
        yield {
            "id": number,
            "price": number / 4,
            "name": f"Item number {number}",
            "tags": ["new", "überprüft", None, number % 2 == 0],
            "note": f'Line one of "{number}"\nLine two, with a path: C:\\data\\{number}.txt',
        }


def body(size: int) -> bytes:
    """A call of exactly `size` bytes: no arguments, or rows of data and a string that fills the rest.

    Raises:
        ValueError: There is no call of that size.
    """
    if len(bare := _call({})) == size:
        return bare
    rows: list[dict[str, object]] = []
    smallest = len(_call({"rows": [], "fill": ""}))
    for row in _rows():
        smallest += len(json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()) + bool(rows)
        if smallest > size:
            break
        rows.append(row)
    fill = size - len(_call({"rows": rows, "fill": ""}))
    if fill < 0:
        raise ValueError(f"no call of {size} bytes: the smallest with arguments is {size - fill}")
    return _call({"rows": rows, "fill": "x" * fill})
