"""A legacy session stays with the replica that minted it, wherever load balancing would send the next request."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from e2e.envoy import Envoy
from e2e.envoy_config import Endpoint, EnvoyConfig
from e2e.legacy import LegacySession
from e2e.messages import call, call_headers
from e2e.process import free_port
from e2e.raw import post
from e2e.servers import dual_era

PACKAGINGS = ["gateway"]  # slow

SESSIONS = 12
CALLS = 6
SETTLE_SECONDS = 10.0


def check_often(config: EnvoyConfig) -> None:
    """Health checks that notice within a test's patience."""
    for check in config.cluster("mcp_servers")["health_checks"]:
        check |= {
            "interval": "0.1s",
            "no_traffic_interval": "0.1s",
            "no_traffic_healthy_interval": "0.1s",
            "unhealthy_threshold": 1,
            "timeout": "0.5s",
        }


@pytest.fixture(scope="module")
def replicas(session_yaml: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Envoy]:
    """Two replicas that know nothing of each other's sessions, and two workers that do not either."""
    directory = tmp_path_factory.mktemp("replicas")
    with dual_era(directory, "replica-a") as a, dual_era(directory, "replica-b") as b:
        with Envoy(session_yaml, upstreams={"mcp_servers": [a.port, b.port]}, concurrency=2) as gateway:
            await_healthy(gateway, 2)
            yield gateway


def test_sessions_stay_with_their_replica_and_spread_over_all(replicas: Envoy) -> None:
    homes: list[str] = []
    for _ in range(SESSIONS):
        session = LegacySession.open(replicas.port)
        answers = {session.text("which_replica") for _ in range(CALLS)}
        assert len(answers) == 1, f"one session was answered by {answers}"
        assert session.delete().status == 200
        homes += answers
    assert set(homes) == {"replica-a", "replica-b"}, "sessions of one caller all went to one replica"


def test_parallel_sessions_do_not_mix(replicas: Envoy) -> None:
    """Requests of all sessions are held and released side by side, on two workers."""

    def use(number: int) -> bool:
        session = LegacySession.open(replicas.port)
        home = session.text("which_replica")
        sums = [session.text("add", a=number, b=term) for term in range(CALLS)]
        own = sums == [str(number + term) for term in range(CALLS)]
        return own and session.text("which_replica") == home and session.delete().status == 200

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(use, range(48)))


def test_modern_calls_spread_over_all_replicas(replicas: Envoy) -> None:
    answers = [post(replicas.port, call("which_replica"), call_headers("which_replica")) for _ in range(24)]
    homes = {answer.json()["result"]["content"][0]["text"] for answer in answers}
    assert homes == {"replica-a", "replica-b"}


def test_client_cannot_choose_the_replica(replicas: Envoy) -> None:
    session = LegacySession.open(replicas.port)
    home = session.text("which_replica")
    clusters = replicas.admin("/clusters")
    addresses = {
        line.split("::")[1] for line in clusters.splitlines() if line.startswith("mcp_servers::127.0.0.1")
    }
    assert len(addresses) == 2
    for address in addresses:
        forger = LegacySession(session.port, session.id, (("x-mcp-affinity", address),))
        assert forger.text("which_replica") == home


def test_session_that_began_on_the_backup_lives_on_after_the_primary_recovers(
    session_yaml: Path, tmp_path: Path
) -> None:
    primary_port = free_port()
    with dual_era(tmp_path, "backup") as backup:
        endpoints = [Endpoint(primary_port), Endpoint(backup.port, priority=1)]
        with Envoy(session_yaml, upstreams={"mcp_servers": endpoints}, edit=check_often) as gateway:
            await_healthy(gateway, 1)
            early = LegacySession.open(gateway.port)
            assert early.text("which_replica") == "backup"
            with dual_era(tmp_path, "primary", primary_port):
                await_healthy(gateway, 2)
                late = LegacySession.open(gateway.port)
                assert late.text("which_replica") == "primary"
                for _ in range(CALLS):
                    assert early.text("which_replica") == "backup"
                    assert late.text("which_replica") == "primary"


def test_session_of_a_dead_replica_gets_404_and_a_new_one_can_be_opened(
    session_yaml: Path, tmp_path: Path
) -> None:
    with dual_era(tmp_path, "survivor") as survivor, dual_era(tmp_path, "victim") as victim:
        ports = {"mcp_servers": [survivor.port, victim.port]}
        with Envoy(session_yaml, upstreams=ports, edit=check_often) as gateway:
            await_healthy(gateway, 2)
            sessions = [LegacySession.open(gateway.port) for _ in range(SESSIONS)]
            homes = {session: session.text("which_replica") for session in sessions}
            lost = [session for session, home in homes.items() if home == "victim"]
            assert lost and len(lost) < SESSIONS
            victim.stop()
            for session in lost:
                assert session.call("which_replica").status == 404, "what makes a client start anew"
            await_healthy(gateway, 1)
            for session, home in homes.items():
                if home == "survivor":
                    assert session.text("which_replica") == "survivor"
            assert LegacySession.open(gateway.port).text("which_replica") == "survivor"


def await_healthy(gateway: Envoy, count: int) -> None:
    """Returns once Envoy sees exactly that many healthy replicas."""
    gateway.await_stat(
        "cluster.mcp_servers.membership_healthy", lambda healthy: healthy == count, SETTLE_SECONDS
    )
