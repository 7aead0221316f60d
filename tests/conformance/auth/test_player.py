"""What the suite starts, and the player that does the work, understand each other."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from conformance.auth import player
from conformance.auth.client import Scenario
from conformance.auth.gateway import Gateways

RELAY = Path(__file__).with_name("relay.sh")
URL = "http://localhost:1/mcp"
CHECKS = [{"name": "a", "description": "does a", "status": "SUCCESS"}]


@contextmanager
def running() -> Iterator[int]:
    with player.Player(0, Gateways()) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def relay(leg: str = "gateway", **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the relay as the suite does."""
    variables = {"SCENARIO": "auth/x", "PROTOCOL_VERSION": "2026-07-28", **environment}
    env = os.environ | {f"MCP_CONFORMANCE_{name}": value for name, value in variables.items()}
    with running() as port:
        argv = ["bash", RELAY, str(port), leg, URL]
        return subprocess.run(argv, capture_output=True, text=True, env=env, timeout=20, check=False)


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        pytest.param((False, CHECKS, ""), (0, CHECKS, ""), id="the client is content"),
        pytest.param((True, [], "two\nlines"), (1, [], "two\nlines"), id="the client gave up"),
    ],
)
def test_the_relay_ends_as_the_client_did(
    monkeypatch: pytest.MonkeyPatch, outcome: tuple[int, list[dict[str, str]], str], told: tuple[object, ...]
) -> None:
    monkeypatch.setattr(player, "play", lambda *_: outcome)
    done = relay()
    assert (done.returncode, json.loads(done.stdout), done.stderr) == told


@pytest.mark.parametrize("context", [{}, {"private_key_pem": "-----BEGIN\nä 'x' \"y\"\n"}])
def test_the_player_learns_what_the_suite_said(monkeypatch: pytest.MonkeyPatch, context: dict[str, str]) -> None:
    played: list[tuple[str, str, Scenario]] = []

    def play(_: Gateways, *arguments: object) -> tuple[int, list[dict[str, str]], str]:
        played.append(arguments)  # type: ignore[arg-type]
        return 0, [], ""

    monkeypatch.setattr(player, "play", play)
    relay("direct", **({"CONTEXT": json.dumps(context)} if context else {}))
    assert played == [("direct", URL, Scenario("auth/x", "2026-07-28", context))]


def test_a_scenario_that_cannot_be_played_is_a_failed_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def play(*_: object) -> None:
        raise RuntimeError("Envoy does not start")

    monkeypatch.setattr(player, "play", play)
    done = relay()
    [check] = json.loads(done.stdout)
    assert (done.returncode, check["status"], check["errorMessage"]) == (2, "FAILURE", "Envoy does not start")
    assert "RuntimeError" in done.stderr


@pytest.mark.parametrize("name", ["tools_call", "auth/dpop"])
def test_other_scenarios_are_not_played(name: str) -> None:
    assert player.play(Gateways(), "gateway", URL, Scenario(name, "2026-07-28", {})) == (0, [], "")
