"""The demo: agents call real MCP servers through real Envoy with our filters, while the servers fail.

It tells what happened as it happens: what the agents got, what each server executed, what the quota says. Each claim
is checked; the exit status is 0 only if all hold. Nothing is left running.
"""

from __future__ import annotations

import io
import logging
import sys
import tempfile
from pathlib import Path

import books
import eras
import failover
import quota
import sessions
from e2e.picture import Picture, picture
from e2e.process import StartError
from opening import MODULE, introduce
from transcript import Transcript


def tell(say: Transcript, scene: Picture) -> None:
    introduce(say, scene)
    with scene.agent("alice") as alice:
        failover.sign_in_and_stream(say, scene, alice)
        failover.overloaded(say, scene, alice)
        scene.heal()
        with scene.agent("carol", "legacy") as carol:
            failover.dies_in_mid_stream(say, scene, alice, carol)
            failover.session_of_the_dead(say, scene, carol)
            other = "authorization", f"Bearer {carol.token}"
        token = "authorization", f"Bearer {alice.token}"
    books.balance(say, scene)
    eras.both(say, scene)
    session, server_id = sessions.sealed(say, token, scene)
    sessions.refused(say, scene, session, server_id, token, other)
    sessions.forged(say, scene, token)
    quota.use_up(say, scene)


def main() -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    logging.getLogger("mcp").setLevel(logging.ERROR)  # clients warn of what this is about
    say = Transcript()
    if not MODULE.exists():
        print(f"demo: {MODULE} is missing: run make wasm", file=sys.stderr)
        return 2
    try:
        with tempfile.TemporaryDirectory(prefix="mcp-demo-") as directory:
            with picture(Path(directory), quota.add_limit) as scene:
                tell(say, scene)
    except (StartError, AssertionError) as error:
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
