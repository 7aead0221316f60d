"""Real MCP clients of both eras and languages: through the gateway they see what they see without it.

The tours include questions the server asks back in the middle of a call (elicitation, sampling), which never
finish behind a proxy that buffers, and a stream that breaks and is resumed.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.envoy import Envoy
from e2e.servers import CLIENTS, OLD_PYTHON, McpServer, http_and_sse, stateless

PACKAGINGS = ["gateway"]  # slow

TOUR_SECONDS = 60

Step = dict[str, Any]

PYTHON_STEPS: list[Step] = [
    {"tool": "add", "arguments": {"a": 1, "b": 2}},
    {"tool": "count", "arguments": {"to": 3}},
    {"tool": "book_flight", "arguments": {"destination": "Oslo"}},
    {"tool": "summarize", "arguments": {"text": "a long text"}},
    {"tool": "break_stream", "arguments": {}},
    {"resource": "note://gateways"},
    {"prompt": "greeting", "arguments": {"who": "Ada"}},
]
PYTHON_TEXTS = [
    "3",
    "counted to 3",
    "Ada flies to Oslo",
    "in short",
    "resumed",
    "A note on gateways.",
    "Say hello to Ada.",
]
TYPESCRIPT_STEPS: list[Step] = [
    {"tool": "echo", "arguments": {"message": "hello"}},
    {"tool": "trigger-long-running-operation", "arguments": {"duration": 0.3, "steps": 3}},
    {"tool": "trigger-sampling-request", "arguments": {"prompt": "a long text"}},
    {"tool": "trigger-elicitation-request", "arguments": {}},
]
STATELESS_STEPS = PYTHON_STEPS[:2]


@dataclass(frozen=True)
class Tourist:
    """A client program, the mode to run it in, and the name it gives itself."""

    program: str
    mode: str
    agent: str

    def __str__(self) -> str:
        return f"{self.agent.removeprefix('tour-')}-{self.mode}"

    def tour(self, url: str, steps: list[Step]) -> dict[str, Any]:
        """What the client saw at `url`."""
        interpreters = {"tour_mcp2.py": sys.executable, "tour_mcp1.py": str(OLD_PYTHON)}
        argv = [
            interpreters.get(self.program, "node"),
            str(CLIENTS / self.program),
            url,
            self.mode,
            json.dumps(steps),
        ]
        ended = subprocess.run(argv, capture_output=True, text=True, timeout=TOUR_SECONDS)
        assert ended.returncode == 0, f"{self} at {url}:\n{ended.stderr[-3000:]}"
        return json.loads(ended.stdout)


LEGACY_TOURISTS = [
    Tourist("tour_mcp2.py", "legacy", "tour-mcp2"),
    Tourist("tour_mcp1.py", "legacy", "tour-mcp1"),
    Tourist("tour_sdk1.mjs", "legacy", "tour-sdk1"),
    Tourist("tour_client2.mjs", "legacy", "tour-client2"),
]
MODERN_TOURISTS = [
    Tourist("tour_mcp2.py", "auto", "tour-mcp2"),
    Tourist("tour_mcp2.py", "2026-07-28", "tour-mcp2"),
    Tourist("tour_client2.mjs", "auto", "tour-client2"),
]
# These ask first, and find out that the server knows the legacy era only.
PROBING_TOURISTS = [MODERN_TOURISTS[0], MODERN_TOURISTS[2]]


@functools.cache
def direct(tourist: Tourist, url: str, steps: str) -> dict[str, Any]:
    return tourist.tour(url, json.loads(steps))


def names(entries: list[dict[str, Any]], method: str) -> set[str]:
    """What the calls of one method were about, by the access log."""
    return {entry["name"] for entry in entries if entry["method"] == method}


@pytest.mark.parametrize("tourist", LEGACY_TOURISTS + MODERN_TOURISTS, ids=str)
def test_python_server(tourist: Tourist, gateway: Envoy, python_server: McpServer) -> None:
    seen, entries = gateway.logged(lambda: tourist.tour(gateway.url, PYTHON_STEPS))
    assert seen == direct(tourist, python_server.url, json.dumps(PYTHON_STEPS))
    assert [step["text"] for step in seen["seen"]] == PYTHON_TEXTS
    assert seen["seen"][1]["progress"] == [1, 2, 3]

    era = "legacy" if tourist in LEGACY_TOURISTS else "modern"
    assert names(entries, "tools/call") == {step["tool"] for step in PYTHON_STEPS if "tool" in step}
    assert names(entries, "resources/read") == {"note://gateways"}
    assert names(entries, "prompts/get") == {"greeting"}
    calls = [entry for entry in entries if entry["method"] == "tools/call"]
    assert {entry["era"] for entry in calls} == {era}
    assert {entry["agent"] for entry in calls} == {tourist.agent}
    sessions = {entry["session"] for entry in calls}
    assert len(sessions) == 1, "one client, one session, one hash"
    assert (sessions == {None}) == (era == "modern")


@pytest.mark.parametrize("tourist", LEGACY_TOURISTS + PROBING_TOURISTS, ids=str)
def test_typescript_server(tourist: Tourist, typescript_gateway: Envoy, typescript_server: McpServer) -> None:
    seen, entries = typescript_gateway.logged(lambda: tourist.tour(typescript_gateway.url, TYPESCRIPT_STEPS))
    assert seen == direct(tourist, typescript_server.url, json.dumps(TYPESCRIPT_STEPS))
    assert seen["version"] == "2025-11-25"
    assert [step["text"].split()[0] for step in seen["seen"]] == ["Echo:", "Long", "LLM", "✅"]
    assert seen["seen"][1]["progress"] == [1, 2, 3]
    assert names(entries, "tools/call") == {step["tool"] for step in TYPESCRIPT_STEPS}


@pytest.fixture(scope="module")
def stateless_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[McpServer]:
    with stateless(tmp_path_factory.mktemp("stateless-server")) as server:
        yield server


@pytest.fixture(scope="module")
def stateless_gateway(session_yaml: Path, stateless_server: McpServer) -> Iterator[Envoy]:
    with Envoy(session_yaml, upstreams={"mcp_servers": [stateless_server.port]}) as envoy:
        yield envoy


@pytest.mark.parametrize("tourist", LEGACY_TOURISTS + PROBING_TOURISTS, ids=str)
def test_server_without_sessions(
    tourist: Tourist, stateless_gateway: Envoy, stateless_server: McpServer
) -> None:
    seen, entries = stateless_gateway.logged(lambda: tourist.tour(stateless_gateway.url, STATELESS_STEPS))
    assert seen == direct(tourist, stateless_server.url, json.dumps(STATELESS_STEPS))
    assert [step["text"] for step in seen["seen"]] == ["3", "counted to 3"]
    assert names(entries, "tools/call") == {"add", "count"}
    assert {entry["session"] for entry in entries} == {None}


def test_transport_of_2024_passes(session_yaml: Path, tmp_path: Path) -> None:
    """HTTP+SSE: the answers to what is POSTed arrive on the one event stream."""
    tourist = Tourist("tour_mcp1.py", "sse", "tour-mcp1")
    steps = [step for step in PYTHON_STEPS if step.get("tool") != "break_stream"]
    settings = {"mcp_session": {"admission": {"paths": ["/sse", "/messages/"]}}}
    with http_and_sse(tmp_path) as server:
        with Envoy(session_yaml, upstreams={"mcp_servers": [server.port]}, settings=settings) as gateway:
            root = f"http://127.0.0.1:{gateway.port}"
            seen, entries = gateway.logged(lambda: tourist.tour(f"{root}/sse", steps))
    assert [step["text"] for step in seen["seen"]] == [text for text in PYTHON_TEXTS if text != "resumed"]
    assert names(entries, "tools/call") == {step["tool"] for step in steps if "tool" in step}
    assert len({entry["session"] for entry in entries if entry["method"] == "tools/call"} - {None}) == 1
