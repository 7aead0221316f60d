"""Issuers whose key server is in trouble: nobody is locked out who need not be, and nobody let in.

The gateway asks for the keys by TLS, as the shipped auth.yaml has it. It takes the tokens of many issuers, one
for each test, so it also shows that the trouble of one is not that of another.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from e2e.certificates import Authority
from e2e.envoy import Envoy
from e2e.key_server import KeyServer, Reply
from e2e.messages import call, call_headers
from e2e.process import free_port
from e2e.protected import Issuer, cluster_of, protected, resource
from e2e.raw import Answer, TextHeader, post
from e2e.servers import McpServer

PACKAGINGS = ["gateway"]  # slow

HOST = "login.example.com"
"""The name in the certificate that auth.yaml wants to see."""
IMPATIENT = {"path": "/jwks.json", "timeout": "1s", "refresh": "1s", "cooldown": "1s"}
COOLDOWN = 3
PATIENT = {"path": "/jwks.json", "cooldown": f"{COOLDOWN}s"}
SLOW_SECONDS = 1.5
STALE_SECONDS = 2.2
"""Long enough for a refresh to fail."""
RECOVERY_SECONDS = 10.0
"""Longer than the filter waits after the few failures that a test provokes."""
STRANGERS = 1000


@dataclass(frozen=True)
class Authorities:
    """Who makes certificates, and whom the gateway trusts."""

    trusted: Authority
    impostor: Authority


def down(keys: KeyServer, _: Authorities) -> None:
    keys.stop()


def slow(keys: KeyServer, _: Authorities) -> None:
    keys.delay = SLOW_SECONDS


def error(keys: KeyServer, _: Authorities) -> None:
    keys.reply = lambda document: Reply(document, status=500)


def html(keys: KeyServer, _: Authorities) -> None:
    keys.reply = lambda _: Reply(b"<html>Log in to this network</html>", content_type="text/html")


def megabyte(keys: KeyServer, _: Authorities) -> None:
    keys.reply = lambda document: Reply(document + b" " * (1 << 20))


def impostor(keys: KeyServer, authorities: Authorities) -> None:
    keys.tls = authorities.impostor.server(HOST)


def neighbour(keys: KeyServer, authorities: Authorities) -> None:
    keys.tls = authorities.trusted.server("other.example.com")


TROUBLES: dict[str, Callable[[KeyServer, Authorities], None]] = {
    begin.__name__: begin for begin in (down, slow, error, html, megabyte, impostor, neighbour)
}


class Party:
    """An issuer, and those who call with its tokens."""

    def __init__(self, name: str, port: int, certificate: Authority) -> None:
        self.url = f"https://{name}.example.com"
        self.keys = KeyServer(self.url, resource(port), "mcp:read", tls=certificate.server(HOST))
        self._port = port

    def call(self, signer: str = "first", kid: str | None = None) -> Answer:
        """With a token that nobody can have verified before."""
        return self.present(self.keys.bearer(signer, kid, jti=str(uuid.uuid4())))

    def present(self, bearer: TextHeader) -> Answer:
        return post(self._port, call("add", {"a": 1, "b": 2}), [*call_headers("add"), bearer])

    def await_pass(self, signer: str = "first") -> None:
        deadline = time.monotonic() + RECOVERY_SECONDS
        while (answer := self.call(signer)).status != 200:
            assert time.monotonic() < deadline, f"still {answer.status} {answer.body!r}"
            time.sleep(0.1)


@dataclass(frozen=True)
class Site:
    """The gateway, and the parties by the names of their tests."""

    gateway: Envoy
    authorities: Authorities
    parties: dict[str, Party]

    def asked(self, name: str) -> int:
        """How often the gateway tried to ask for that party's keys."""
        cluster = cluster_of(list(self.parties).index(name))
        return self.gateway.stats(f"^cluster.{cluster}.upstream_cx_total$").popitem()[1]


@pytest.fixture(scope="module")
def site(
    packaging: str, python_server: McpServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Each trouble is there before the gateway is."""
    directory = tmp_path_factory.mktemp("certificates")
    authorities = Authorities(Authority(directory), Authority(directory, "impostor"))
    port = free_port()
    with ExitStack() as stack:
        names = [*TROUBLES, "wrong", "other", "strangers"]
        parties = {name: Party(name, port, authorities.trusted) for name in names}
        for party in parties.values():
            stack.enter_context(party.keys)
        for name, begin in TROUBLES.items():
            begin(parties[name].keys, authorities)
        issuers = [
            Issuer(party.url, party.keys.port, PATIENT if name == "strangers" else IMPATIENT)
            for name, party in parties.items()
        ]
        trusted = authorities.trusted.certificate
        gateway = stack.enter_context(protected(port, python_server.port, issuers, authority=trusted))
        yield Site(gateway, authorities, parties)


def assert_unavailable(answer: Answer) -> None:
    assert answer.status == 503
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["www-authenticate"] is None, "nothing is wrong with the token"


def suffer(site: Site, name: str) -> None:
    """Trouble from the start, and once more when there are keys."""
    party, keys = site.parties[name], site.parties[name].keys
    assert_unavailable(party.call())
    keys.recover()
    party.await_pass()

    TROUBLES[name](keys, site.authorities)
    keys.rotate("second")
    asked = site.asked(name)
    deadline = time.monotonic() + STALE_SECONDS
    while time.monotonic() < deadline:
        assert party.call().status == 200, "keys that were there stay in use"
        time.sleep(0.05)
    assert site.asked(name) > asked, "none was asked for anew"
    assert_unavailable(party.call("second"))
    keys.recover()
    party.await_pass("second")
    assert keys.names == {HOST}, "whom the gateway asks for by TLS"


@pytest.fixture(scope="module")
def suffered(site: Site) -> Iterator[dict[str, Future[None]]]:
    """All troubles at the same time, since they are spent waiting."""
    with ThreadPoolExecutor(len(TROUBLES)) as pool:
        yield {name: pool.submit(suffer, site, name) for name in TROUBLES}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_passes(trouble: str, suffered: dict[str, Future[None]]) -> None:
    """503 while there are no keys, the old keys while there are no others, and then all is well."""
    suffered[trouble].result()


def test_with_wrong_keys_tokens_are_wrong(site: Site) -> None:
    """There are keys, so it is the token that is refused; they have the name of the right one."""
    party, other = site.parties["wrong"], site.parties["other"].keys
    party.await_pass()
    party.keys.reply = lambda _: Reply(other.document())
    deadline = time.monotonic() + RECOVERY_SECONDS
    while (answer := party.call()).status == 200:
        assert time.monotonic() < deadline, "the keys are due each second"
        time.sleep(0.1)
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    party.keys.recover()
    party.await_pass()


def test_a_thousand_unknown_keys_cause_one_fetch(site: Site) -> None:
    """The tokens are signed by the right key, but under names that it does not have."""
    party = site.parties["strangers"]
    party.await_pass()
    bearers = [party.keys.bearer(kid=str(uuid.uuid4())) for _ in range(STRANGERS)]
    time.sleep(COOLDOWN)
    before, started = party.keys.requests, time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(party.present, bearers))
    cooldowns = int((time.monotonic() - started) / (COOLDOWN - 1))  # it counts whole seconds
    assert Counter(answer.status for answer in answers) == {401: STRANGERS}
    assert before < party.keys.requests <= before + 1 + cooldowns
    party.await_pass()
