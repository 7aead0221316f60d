"""Plays the client's part in the suite's scenarios: `python -m conformance.auth.player --port PORT`.

The suite starts a program per scenario, all at once, and to load the SDK or to start Envoy takes longer
than a scenario. So one process plays them all, one after another, and what the suite starts only relays
(`relay.sh`): five lines in (direct or gateway, the server's URL, scenario, revision, context), and out
come the exit status, a line with our own checks as JSON, and what went wrong.
"""

from __future__ import annotations

import argparse
import json
import socketserver
import traceback

import anyio

from conformance.auth.client import NOT_PLAYED, Scenario, Seen, use
from conformance.auth.gateway import Gateways


def play(gateways: Gateways, leg: str, url: str, scenario: Scenario) -> tuple[int, list[dict[str, str]], str]:
    """One scenario with the server at `url`: exit status, our own checks, and the client's complaint."""
    if not scenario.name.startswith("auth/") or scenario.name in NOT_PLAYED:
        return 0, [], ""
    seen = Seen()
    if leg == "direct":
        complaint = _complaint(scenario, url, seen)
        return bool(complaint), [], complaint
    with gateways.before(url) as front:
        complaint = _complaint(scenario, front.url, seen)
        return bool(complaint), front.checks(seen), complaint


def _complaint(scenario: Scenario, url: str, seen: Seen) -> str:
    try:
        anyio.run(use, scenario, url, seen)
    except Exception:  # clients may give up for any reason, and the suite judges
        return traceback.format_exc()
    return ""


class Relayed(socketserver.StreamRequestHandler):
    """One scenario from a relay."""

    server: Player

    def handle(self) -> None:
        leg, url, name, revision, context = (self.rfile.readline().decode().rstrip("\n") for _ in range(5))
        if not url:
            return  # not a relay: somebody looked whether we listen
        try:
            scenario = Scenario(name, revision, json.loads(context))
            status, checks, complaint = play(self.server.gateways, leg, url, scenario)
        except Exception as error:
            failed = {"name": "Played", "description": "The scenario can be played", "status": "FAILURE"}
            status, checks, complaint = 2, [failed | {"errorMessage": str(error)}], traceback.format_exc()
        self.wfile.write(f"{int(status)}\n{json.dumps(checks)}\n{complaint}".encode())


class Player(socketserver.TCPServer):
    """Serves relays in the order in which they come."""

    allow_reuse_address = True
    request_queue_size = 128  # the suite starts every scenario at the same moment

    def __init__(self, port: int, gateways: Gateways) -> None:
        super().__init__(("127.0.0.1", port), Relayed)
        self.gateways = gateways


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, required=True)
    with Gateways() as gateways, Player(options.parse_args().port, gateways) as player:
        player.serve_forever()


if __name__ == "__main__":
    main()
