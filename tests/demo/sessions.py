"""What a session id is worth, what is refused, and what a client cannot say about itself."""

from __future__ import annotations

import json

from e2e.legacy import LegacySession
from e2e.messages import call, call_headers
from e2e.picture import Picture
from e2e.raw import TextHeader, post
from refusals import Attempt, attempts
from transcript import Transcript, mark


def sealed(say: Transcript, alice: TextHeader, scene: Picture) -> tuple[LegacySession, str]:
    """Opens a session for Alice; it and the server's own id of it."""
    say.section(
        "7. What a session id is worth",
        """The server's id is sealed on its way out: bound to who opened the session, to the server that has it, and
        to an expiry. The client holds the seal, the server sees its own id.""",
    )
    session = LegacySession.open(scene.gateway.port, [alice])
    seen = json.loads(session.text("request_headers"))
    server_id = seen["mcp-session-id"]
    say.line(f"\n  Alice holds      {session.id[:46]}… ({len(session.id)} characters)")
    say.line(f"  the server has   {server_id}")
    say.line(f"  routed by        x-mcp-affinity: {seen.get('x-mcp-affinity')}\n")
    say.check(
        session.id != server_id and server_id not in session.id, "the server's id stays behind the gateway"
    )
    say.check("authorization" not in seen, "and Alice's token before it", sorted(seen))
    return session, server_id


def refused(
    say: Transcript,
    scene: Picture,
    session: LegacySession,
    server_id: str,
    alice: TextHeader,
    bob: TextHeader,
) -> None:
    say.section(
        "8. What is refused, and why",
        """None of these reached a server. Each is answered with the status and JSON-RPC error that MCP clients
        understand, with the id of the request where it can be known: a client that gets no id waits for ever.""",
    )
    say.line()
    rows = [refuse(say, scene, attempt) for attempt in attempts(session.id, server_id, alice, bob)]
    say.table(["", "attempt", "status", "code", "why"], rows)
    say.line()
    works = session.text("which_replica")
    say.check(works == scene.primary.name, "after all that, Alice's session still works", works)


def refuse(say: Transcript, scene: Picture, attempt: Attempt) -> list[object]:
    """Makes the attempt; the row for the table, whose first cell says whether all was as it should be."""
    answer, [entry] = scene.gateway.logged(lambda: post(scene.gateway.port, attempt.body, attempt.headers))
    code = answer.json().get("error", {}).get("code")
    held = (answer.status, code, entry["upstream"]) == (attempt.status, attempt.code, None)
    say.checks += 1
    say.failures += not held
    return [mark(held), attempt.what, answer.status, code, attempt.why]


def forged(say: Transcript, scene: Picture, alice: TextHeader) -> None:
    say.section(
        "9. What a client cannot say about itself",
        """Routing, logs and rate limits may rely on the x-mcp-* headers: every inbound copy is removed first.""",
    )
    lies = [("x-mcp-principal", "admin"), ("x-mcp-method", "tools/list"), ("X-MCP-Tenant", "somebody-elses")]
    tool = "request_headers"
    answer = post(scene.gateway.port, call(tool), [*call_headers(tool), *lies, alice])
    seen = json.loads(answer.json()["result"]["content"][0]["text"])
    sent = {name.lower(): value for name, value in lies}
    names = ["x-mcp-principal", "x-mcp-tenant", "x-mcp-method", "x-mcp-name"]
    say.line()
    say.table(
        ["header", "the client sent", "the server got"],
        [[name, sent.get(name), seen.get(name)] for name in names],
    )
    say.line()
    say.check(not set(sent.values()) & set(seen.values()), "nothing forged arrived", seen)
    say.check(seen.get("x-mcp-name") == tool, "what the filter says itself arrived", seen)
