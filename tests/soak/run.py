"""`make soak`: agents of both eras at work while the primary and the backup are killed and come back in turns.

Real Envoy with envoy/gateway.yaml, real MCP servers. The exit status is 0 only if every answer was right, nothing
was lost or done twice, and memory is stable. OPTIONS='--minutes 2 --workers 4 --seed 7'
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from e2e.envoy import Envoy
from e2e.envoy_config import Endpoint, EnvoyConfig
from e2e.identity import AUDIENCE, ISSUER, Issuer
from e2e.picture import GATEWAY_YAML, PLUGIN, await_true, in_rotation, settled
from e2e.quota import FOREVER
from e2e.replica import Ledger, Replica

from soak.client import CALL_HEADER
from soak.exchange import Death, Exchange
from soak.memory import Memory, Sample
from soak.oracle import Oracle, Verdict
from soak.report import Figures, print_figures, print_progress
from soak.sdk import LegacySdkWorker, ModernSdkWorker
from soak.workers import BUDGET, LegacyWorker, ModernWorker, Worker

ENOUGH = 10**12
LIVING_SECONDS = (4.0, 8.0)
DEAD_SECONDS = (1.0, 4.0)
PROGRESS_SECONDS = 30.0
BACK_SECONDS = 120.0
NAMED = {"tools/call", "initialize", "server/discover"}
"""Methods of requests that are the call itself."""
LEAST_DEATHS = 2
"""However short it is."""


@dataclass
class Soak:
    """What happened so far."""

    gateway: Envoy
    workers: Sequence[Worker]
    began: float = field(default_factory=time.monotonic)
    deaths: list[Death] = field(default_factory=list)
    memory: list[Sample] = field(default_factory=list)

    def exchanges(self) -> list[Exchange]:
        return [exchange for worker in self.workers for exchange in worker.exchanges]

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


def settings(issuer: Issuer) -> Callable[[EnvoyConfig], None]:
    """gateway.yaml with limits that nobody reaches but those who should, and checks that see a return soon."""

    def edit(config: EnvoyConfig) -> None:
        known = {
            "issuer": ISSUER,
            "audiences": [AUDIENCE],
            "jwks": {"keys": [issuer.key]},
            "tenant_claim": "org.id",
        }
        limits = [limit | {"limit": ENOUGH} for limit in config.settings(PLUGIN)["quota"]["limits"]]
        bounded = {
            "name": "bounded",
            "key": ["principal"],
            "match": {"methods": ["tools/call"], "tenants": ["bounded"]},
            "unit": "requests",
            "limit": BUDGET,
            "window": FOREVER,
        }
        config.change_settings(
            PLUGIN, {"auth": {"issuers": [known]}, "quota": {"limits": [*limits, bounded]}}
        )
        rest = {"base_ejection_time": "1s", "max_ejection_time": "3s"}
        config.cluster("mcp_servers")["outlier_detection"] |= rest
        for check in config.cluster("mcp_servers")["health_checks"]:
            check |= {"interval": "1s", "no_traffic_interval": "1s", "timeout": "5s"}
        for log in config.connection_manager()["access_log"]:
            log["typed_config"]["log_format"]["json_format"]["call"] = f"%REQ({CALL_HEADER})%"

    return edit


def kill_in_turns(soak: Soak, replicas: Sequence[Replica], stop: threading.Event, random: Random) -> None:
    """Each time one of them; the next only when Envoy sends requests to both again."""
    turn = 0
    while not stop.wait(random.uniform(*LIVING_SECONDS)):
        victim = replicas[turn % len(replicas)]
        turn += 1
        began = time.monotonic()
        victim.kill()
        soak.deaths.append(Death(victim.name, began, time.monotonic()))
        stop.wait(random.uniform(*DEAD_SECONDS))
        victim.start()
        await_true(lambda: in_rotation(soak.gateway, victim.port), f"{victim.name} serves", BACK_SECONDS)


def watch(soak: Soak, stop: threading.Event) -> None:
    """Samples memory once a second, and says now and then how it goes."""
    said = 0.0
    while not stop.wait(1.0):
        soak.memory.append((soak.seconds, soak.gateway.resident_bytes()))
        if soak.seconds - said >= PROGRESS_SECONDS:
            said = soak.seconds
            print_progress(said, soak.exchanges(), soak.deaths, soak.memory[-1][1])


def drive(soak: Soak, replicas: Sequence[Replica], seconds: float, seed: int) -> None:
    """Runs it all for that long at least; raises what went wrong in a thread."""
    stop, over = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def killing() -> None:
        try:
            kill_in_turns(soak, replicas, over, Random(seed))
        except BaseException as failure:
            failures.append(failure)
            stop.set()

    watcher = threading.Thread(target=watch, args=(soak, over))
    killer = threading.Thread(target=killing)
    agents = [threading.Thread(target=worker.work, args=(stop,)) for worker in soak.workers]
    for thread in (watcher, killer, *agents):
        thread.start()
    try:
        while soak.seconds < seconds or len(soak.deaths) < LEAST_DEATHS:
            if stop.wait(0.2):
                break
    finally:
        stop.set()
        for thread in agents:
            thread.join()
        over.set()
        killer.join()
        watcher.join()
    failures += [worker.failure for worker in soak.workers if worker.failure is not None]
    if failures:
        raise failures[0]


def judge(
    soak: Soak, entries: Sequence[dict[str, str | None]], replicas: Sequence[Replica], ledger: Ledger
) -> Verdict:
    roles = {replica.address: replica.role for replica in replicas}
    began: defaultdict[str, list[str]] = defaultdict(list)
    for line in ledger.lines():
        if line["what"] == "began":
            began[line["call"]].append(line["server"])
    served: dict[str, str | None] = {}
    for entry in entries:
        # A client that calls may also ask for the list, and look for the rest of a stream.
        if entry["call"] and (entry["call"] not in served or entry["method"] in NAMED):
            served[entry["call"]] = roles.get(entry["upstream"] or "")
    return Oracle(soak.deaths, began, served).judge(soak.exchanges())


def run(seconds: float, workers: int, seed: int) -> Figures:
    """Starts everything, lets it happen, and judges it."""
    issuer = Issuer()
    with (
        tempfile.TemporaryDirectory(prefix="mcp-soak-") as directory,
        Replica("primary", Path(directory)) as primary,
        Replica("backup", Path(directory)) as backup,
    ):
        replicas = (primary, backup)
        servers = {"mcp_servers": [Endpoint(primary.port), Endpoint(backup.port, priority=1)]}
        with Envoy(GATEWAY_YAML, upstreams=servers, edit=settings(issuer), concurrency=2) as gateway:
            kinds = (ModernWorker, LegacyWorker, ModernSdkWorker, LegacySdkWorker)
            agents = [
                kinds[number % len(kinds)](f"agent{number}", gateway.port, issuer, seed + number)
                for number in range(workers)
            ]
            soak = Soak(gateway, agents)
            drive(soak, replicas, seconds, seed)
            entries = gateway.settled_log()
            await_true(lambda: settled(gateway, "caller-cap"), "every reserve is settled")
            verdict = judge(soak, entries, replicas, Ledger(Path(directory)))
            again = sum(entry["attempts"] > 1 and entry["status"] < 400 for entry in entries)
            for _, exchange, _ in verdict.faults:  # what else there is to know of it
                print([entry for entry in entries if entry["call"] == exchange.call], file=sys.stderr)
            return Figures(soak.seconds, len(soak.deaths), verdict, again, Memory(soak.memory))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.getLogger("mcp").setLevel(logging.ERROR)  # clients warn of what this is about
    figures = run(options.minutes * 60, options.workers, options.seed)
    print_figures(figures)
    return 0 if figures.right else 1


if __name__ == "__main__":
    sys.exit(main())
