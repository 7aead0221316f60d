"""A legacy session driven request by request, with every id in the open; the oracle for session tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from e2e.messages import INITIALIZED, initialize, legacy_call, session_headers
from e2e.raw import Answer, Header, post, send


@dataclass(frozen=True)
class LegacySession:
    """A session as its client knows it: where, by which id, and who it says it is."""

    port: int
    id: str
    headers: tuple[Header, ...] = ()

    @classmethod
    def open(cls, port: int, headers: Sequence[Header] = ()) -> Self:
        """Performs the handshake."""
        answer = post(port, initialize(), headers)
        assert answer.status == 200, answer.body
        session = cls(port, answer.headers["mcp-session-id"], tuple(headers))
        assert session.post(INITIALIZED).status == 202
        return session

    def post(self, message: Any) -> Answer:
        return post(self.port, message, [*session_headers(self.id), *self.headers])

    def call(self, tool: str, **arguments: Any) -> Answer:
        return self.post(legacy_call(tool, arguments))

    def text(self, tool: str, **arguments: Any) -> str:
        """The text a tool answers with."""
        answer = self.call(tool, **arguments)
        assert answer.status == 200, answer.body
        return answer.json()["result"]["content"][0]["text"]

    def delete(self) -> Answer:
        return send(self.port, "DELETE", [*session_headers(self.id), *self.headers])
