"""Issuers whose key server is in trouble: nobody is locked out who need not be, and nobody let in.

The gateway asks for the keys by TLS, as the shipped auth.yaml has it.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pytest

from e2e.certificates import Authority
from e2e.envoy import Envoy
from e2e.key_server import KeyServer, Reply
from e2e.messages import call, call_headers
from e2e.process import free_port
from e2e.protected import protected, resource
from e2e.raw import Answer, TextHeader, post
from e2e.servers import McpServer

HOST = "login.example.com"
"""As auth.yaml has it."""
ISSUER = f"https://{HOST}"
IMPATIENT = {"timeout": "1s", "refresh": "1s", "cooldown": "1s"}
SLOW_SECONDS = 1.5
STALE_SECONDS = 2.2
"""Long enough for a refresh to fail."""
RECOVERY_SECONDS = 10.0
"""Longer than the filter waits after the few failures that a test provokes."""
STRANGERS = 1000
COOLDOWN = 3


@dataclass(frozen=True)
class Site:
    """What the gateways here have in common."""

    server: McpServer
    authority: Authority
    impostor: Authority
    """Nobody trusts it."""

    def issuer(self, port: int) -> KeyServer:
        """With tokens for the gateway that will be on `port`."""
        return KeyServer(ISSUER, resource(port), "mcp:read", tls=self.authority.server(HOST))

    def gateway(self, keys: KeyServer, port: int, **jwks: str) -> Envoy:
        servers = {"mcp_servers": self.server.port, "issuer": keys.port}
        entry = {"jwks": {"service": "issuer", "path": "/jwks.json", **jwks}}
        return protected(port, ISSUER, servers, entry, authority=self.authority.certificate)


@pytest.fixture(scope="module")
def site(python_server: McpServer, tmp_path_factory: pytest.TempPathFactory) -> Site:
    directory = tmp_path_factory.mktemp("certificates")
    return Site(python_server, Authority(directory), Authority(directory, "impostor"))


def ask(envoy: Envoy, bearer: TextHeader) -> Answer:
    return post(envoy.port, call("add", {"a": 1, "b": 2}), [*call_headers("add"), bearer])


def fresh(keys: KeyServer, signer: str = "first") -> TextHeader:
    """A token that nobody can have verified before."""
    return keys.bearer(signer, jti=str(uuid.uuid4()))


def assert_unavailable(answer: Answer) -> None:
    assert answer.status == 503
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["www-authenticate"] is None, "nothing is wrong with the token"


def await_pass(envoy: Envoy, keys: KeyServer, signer: str = "first") -> None:
    deadline = time.monotonic() + RECOVERY_SECONDS
    while (answer := ask(envoy, fresh(keys, signer))).status != 200:
        assert time.monotonic() < deadline, f"still {answer.status} {answer.body!r}"
        time.sleep(0.1)


def down(_: Site, keys: KeyServer) -> None:
    keys.stop()


def slow(_: Site, keys: KeyServer) -> None:
    keys.delay = SLOW_SECONDS


def error(_: Site, keys: KeyServer) -> None:
    keys.reply = lambda document: Reply(document, status=500)


def html(_: Site, keys: KeyServer) -> None:
    keys.reply = lambda _: Reply(b"<html>Log in to this network</html>", content_type="text/html")


def megabyte(_: Site, keys: KeyServer) -> None:
    keys.reply = lambda document: Reply(document + b" " * (1 << 20))


def impostor(site: Site, keys: KeyServer) -> None:
    keys.tls = site.impostor.server(HOST)


def neighbour(site: Site, keys: KeyServer) -> None:
    keys.tls = site.authority.server("other.example.com")


TROUBLES = [down, slow, error, html, megabyte, impostor, neighbour]

Begin = Callable[[Site, KeyServer], None]


def suffer(site: Site, begin: Begin) -> None:
    """Trouble from the start, then trouble that comes later."""
    port = free_port()
    with site.issuer(port) as keys:
        begin(site, keys)
        with site.gateway(keys, port, **IMPATIENT) as envoy:
            assert_unavailable(ask(envoy, fresh(keys)))
            keys.recover()
            await_pass(envoy, keys)

            begin(site, keys)
            keys.rotate("second")
            asked = envoy.stats("^cluster.issuer.upstream_cx_total$")
            deadline = time.monotonic() + STALE_SECONDS
            while time.monotonic() < deadline:
                assert ask(envoy, fresh(keys)).status == 200, "keys that were there stay in use"
                time.sleep(0.05)
            assert envoy.stats("^cluster.issuer.upstream_cx_total$") != asked, "none was asked for anew"
            assert_unavailable(ask(envoy, fresh(keys, "second")))
            keys.recover()
            await_pass(envoy, keys, "second")


@pytest.fixture(scope="module")
def suffered(site: Site) -> Iterator[dict[Begin, Future[None]]]:
    """All troubles at the same time, since they are spent waiting."""
    with ThreadPoolExecutor(len(TROUBLES)) as pool:
        yield {begin: pool.submit(suffer, site, begin) for begin in TROUBLES}


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda begin: begin.__name__)
def test_trouble_passes(trouble: Begin, suffered: dict[Begin, Future[None]]) -> None:
    """503 while there are no keys, the old keys while there are no others, and then all is well."""
    suffered[trouble].result()


def test_with_wrong_keys_tokens_are_wrong(site: Site) -> None:
    port = free_port()
    with site.issuer(port) as keys, site.issuer(port) as other:
        keys.reply = lambda _: Reply(other.document())
        with site.gateway(keys, port, **IMPATIENT) as envoy:
            await_pass(envoy, other)
            answer = ask(envoy, fresh(keys))
            assert answer.status == 401
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]
            keys.recover()
            await_pass(envoy, keys)
            assert ask(envoy, fresh(other)).status == 401
            assert keys.names == {HOST}, "who it asks for, by TLS"


def test_a_thousand_unknown_keys_cause_one_fetch(site: Site) -> None:
    """The tokens are signed by the right key, but under names that it does not have."""
    port = free_port()
    with site.issuer(port) as keys, site.gateway(keys, port, cooldown=f"{COOLDOWN}s") as envoy:
        await_pass(envoy, keys)
        bearers = [keys.bearer(kid=str(uuid.uuid4())) for _ in range(STRANGERS)]
        time.sleep(COOLDOWN)
        before, started = keys.requests, time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(partial(ask, envoy), bearers))
        cooldowns = int((time.monotonic() - started) / (COOLDOWN - 1))  # it counts whole seconds
        assert Counter(answer.status for answer in answers) == {401: STRANGERS}
        assert before < keys.requests <= before + 1 + cooldowns
        assert ask(envoy, fresh(keys)).status == 200
