"""Clients hold a sealed session id, the server sees its own; what is foreign, touched or old is answered 404."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.envoy import Envoy
from e2e.legacy import LegacySession
from e2e.messages import LEGACY, initialize, legacy, legacy_call, session_headers
from e2e.raw import Answer, Header, post, send
from e2e.servers import McpServer, dual_era
from e2e.upstream import Exchange, ScriptedUpstream

PACKAGINGS = ["gateway"]  # slow

EXPORT_KEY = base64.b64encode(os.urandom(32)).decode()
OLD, NEW, OTHER = (base64.b64encode(os.urandom(32)).decode() for _ in range(3))
MINTED = "f3f0a4ce-minted-by-the-server"


def sealing(*secrets: str, **session: Any) -> dict[str, Any]:
    """Module settings with that ring."""
    return {"mcp_session": {"session": {"secrets": list(secrets), "export_key": EXPORT_KEY, **session}}}


def mint(exchange: Exchange) -> None:
    """A server that mints one session id and echoes it in every answer, as real ones do."""
    if exchange.request.line.startswith("GET"):
        exchange.start_events(b"Mcp-Session-Id: " + MINTED.encode())
        exchange.send_chunk(b"id: 1\ndata: \n\n")
        exchange.end_chunks()
    else:
        exchange.send_json(b'{"jsonrpc":"2.0","id":0,"result":{}}', b"Mcp-Session-Id: " + MINTED.encode())


@pytest.fixture(scope="module")
def minting() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(mint) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def sealed(session_yaml: Path, minting: ScriptedUpstream) -> Iterator[Envoy]:
    with Envoy(session_yaml, upstreams={"mcp_servers": [minting.port]}, settings=sealing(OLD)) as gateway:
        yield gateway


def open_session(gateway: Envoy, headers: tuple[Header, ...] = ()) -> str:
    answer = post(gateway.port, initialize(), headers)
    assert answer.status == 200, answer.body
    return answer.headers["mcp-session-id"]


def call(gateway: Envoy, session: str | bytes, headers: tuple[Header, ...] = ()) -> Answer:
    """A legacy call in that session."""
    sent = [("mcp-session-id", session), ("mcp-protocol-version", LEGACY), *headers]
    return post(gateway.port, legacy_call("add"), sent)


def test_the_client_never_sees_the_servers_id(sealed: Envoy) -> None:
    session = open_session(sealed)
    assert session.isascii() and session.isprintable() and " " not in session
    hidden = session.partition(".")[2]
    decoded = base64.urlsafe_b64decode(hidden + "=" * (-len(hidden) % 4))
    for clear in (session.encode(), decoded):
        assert MINTED.encode() not in clear and b"127.0.0.1" not in clear


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_the_server_sees_its_own_id_and_the_client_its_own(
    method: str, sealed: Envoy, minting: ScriptedUpstream
) -> None:
    session = open_session(sealed)
    index = len(minting.requests())
    if method == "POST":
        answer = call(sealed, session)
    else:
        answer = send(sealed.port, method, [*session_headers(session), ("accept", "text/event-stream")])
    assert answer.status == 200
    assert minting.exchange(index).request.header("mcp-session-id") == MINTED.encode()
    assert answer.headers.get_all("mcp-session-id") == [session]


def altered(session: str) -> dict[str, str | bytes]:
    """What a client could send that is not the id it was given."""
    middle = len(session) // 2
    other = "A" if session[middle] != "A" else "B"
    return {
        "one character changed": session[:middle] + other + session[middle + 1 :],
        "first character changed": ("a" if session[0] != "a" else "b") + session[1:],
        "cut short": session[:-4],
        "extended": session + "AAAA",
        "doubled": session + session,
        "the server's own id": MINTED,
        "another format": "0" * 32,
        "too long": "s" * 8000,
        "not base64": session[:middle] + "!" + session[middle + 1 :],
        "empty seal": session.partition(".")[0] + ".",
        "not UTF-8": session.encode()[:-1] + b"\xff",
    }


@pytest.mark.parametrize("case", altered("xx.yyyy"))
def test_an_altered_id_is_unknown(case: str, sealed: Envoy, minting: ScriptedUpstream) -> None:
    session = open_session(sealed)
    before = len(minting.requests())
    answer = call(sealed, altered(session)[case])
    assert answer.status == 404
    error = {"code": -32600, "message": "Session not found"}
    assert answer.json() == {"jsonrpc": "2.0", "id": 1, "error": error}
    for method in ("GET", "DELETE"):
        sent = [("mcp-session-id", altered(session)[case]), ("mcp-protocol-version", LEGACY)]
        assert send(sealed.port, method, sent).status == 404
    assert len(minting.requests()) == before, "the server was asked about an id it never gave out"


def test_an_id_of_another_gateway_is_unknown(
    session_yaml: Path, sealed: Envoy, minting: ScriptedUpstream
) -> None:
    settings = sealing(OTHER)
    with Envoy(session_yaml, upstreams={"mcp_servers": [minting.port]}, settings=settings) as other:
        assert call(sealed, open_session(other)).status == 404
        assert call(other, open_session(sealed)).status == 404


def test_an_id_expires(session_yaml: Path, minting: ScriptedUpstream) -> None:
    settings = sealing(OLD, ttl="2s")
    with Envoy(session_yaml, upstreams={"mcp_servers": [minting.port]}, settings=settings) as gateway:
        session = open_session(gateway)
        assert call(gateway, session).status == 200
        time.sleep(2.1)
        assert call(gateway, session).status == 404
        assert call(gateway, open_session(gateway)).status == 200, "the client starts anew"


def test_rotation_keeps_sessions_until_the_old_secret_leaves_the_ring(
    session_yaml: Path, minting: ScriptedUpstream, sealed: Envoy
) -> None:
    session = open_session(sealed)
    _, [before] = sealed.logged(lambda: call(sealed, session))
    upstreams = {"mcp_servers": [minting.port]}
    with Envoy(session_yaml, upstreams=upstreams, settings=sealing(NEW, OLD)) as rotating:
        answer, [during] = rotating.logged(lambda: call(rotating, session))
        assert answer.status == 200
        assert during["session"] == before["session"], "logs and quotas know a session across rotation"
        fresh = open_session(rotating)
        assert call(sealed, fresh).status == 404, "new ids are sealed with the new secret"
    with Envoy(session_yaml, upstreams=upstreams, settings=sealing(NEW)) as rotated:
        assert call(rotated, fresh).status == 200
        assert call(rotated, session).status == 404


def test_any_worker_opens_what_another_sealed(session_yaml: Path, minting: ScriptedUpstream) -> None:
    """Each connection goes to some worker, and each worker has a VM of its own."""
    upstreams = {"mcp_servers": [minting.port]}
    with Envoy(session_yaml, upstreams=upstreams, settings=sealing(OLD), concurrency=4) as gateway:
        session = open_session(gateway)
        assert {call(gateway, session).status for _ in range(24)} == {200}


def test_a_modern_client_has_no_session(sealed: Envoy, minting: ScriptedUpstream) -> None:
    from e2e.messages import call as modern_call
    from e2e.messages import call_headers

    session = open_session(sealed)
    index = len(minting.requests())
    post(sealed.port, modern_call("add"), [*call_headers("add"), ("mcp-session-id", session)])
    assert minting.exchange(index).request.header("mcp-session-id") is None


def test_a_deleted_session_is_gone(session_yaml: Path, tmp_path: Path) -> None:
    with dual_era(tmp_path) as server:
        with Envoy(session_yaml, upstreams={"mcp_servers": [server.port]}, settings=sealing(OLD)) as gateway:
            session = LegacySession.open(gateway.port)
            assert session.text("add", a=1, b=2) == "3"
            assert session.delete().status == 200
            assert session.call("add", a=1, b=2).status == 404, "the server's own answer"


def test_without_secrets_ids_pass_as_they_are_and_the_log_says_so(
    session_yaml: Path, minting: ScriptedUpstream
) -> None:
    settings = {"mcp_session": {"session": {"secrets": None, "affinity": None}}}
    with Envoy(session_yaml, upstreams={"mcp_servers": [minting.port]}, settings=settings) as gateway:
        assert open_session(gateway) == MINTED
        assert call(gateway, MINTED).status == 200
        assert "session.secrets" in gateway.log_text()


def test_an_id_the_server_mints_outside_the_handshake_is_sealed_as_well(
    sealed: Envoy, minting: ScriptedUpstream
) -> None:
    answer = post(sealed.port, legacy("tools/list"))
    assert answer.status == 200
    assert MINTED not in answer.headers["mcp-session-id"]
    assert call(sealed, answer.headers["mcp-session-id"]).status == 200


def test_the_shipped_example_seals(gateway: Envoy, python_server: McpServer) -> None:
    through = open_session(gateway)
    direct = post(python_server.port, initialize()).headers["mcp-session-id"]
    assert len(direct) == 32 and len(through) > 64
