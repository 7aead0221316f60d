"""What the OAuth tours of both Python SDKs share.

Whenever its user must log in, a tour prints {"authorize": URL} as a line of its own, and reads a line: the URL
that the browser was sent back to.
"""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio.to_thread

REDIRECT = "http://127.0.0.1:53682/callback"


class Memory:
    """A `TokenStorage` that forgets everything when the program ends."""

    def __init__(self) -> None:
        self._tokens: Any = None
        self._client: Any = None

    async def get_tokens(self) -> Any:
        return self._tokens

    async def set_tokens(self, tokens: Any) -> None:
        self._tokens = tokens

    async def get_client_info(self) -> Any:
        return self._client

    async def set_client_info(self, client_info: Any) -> None:
        self._client = client_info


async def ask_user(url: str) -> None:
    print(json.dumps({"authorize": url}), flush=True)


async def sent_back() -> dict[str, str]:
    """The parameters of the URL that the browser was sent back to."""
    url = await anyio.to_thread.run_sync(sys.stdin.readline)
    return {name: value for name, [value] in parse_qs(urlsplit(url.strip()).query).items()}
