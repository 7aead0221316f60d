"""An issuer's key server on loopback, that can be in any trouble, and tokens signed with its keys."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from e2e.raw import TextHeader

TOKEN_SECONDS = 300


@dataclass(frozen=True)
class Reply:
    """An answer; by default one that is as it should be."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"


class KeyServer:
    """Serves the keys of `issuer` at every path; a context manager."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        scope: str,
        *,
        delay: float = 0.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.tls = self._own_tls = tls
        """The certificate it shows; without one it speaks plain HTTP."""
        self.delay = self._own_delay = delay
        """Seconds it takes over each answer."""
        self.reply: Callable[[bytes], Reply] = Reply
        """What it answers, made of the key set."""
        self.requests = 0
        self.names: set[str | None] = set()
        """The hosts it was asked for by TLS."""
        if tls is not None:
            tls.sni_callback = lambda _connection, name, _context: self.names.add(name)
        self._usual = {"iss": issuer, "aud": audience, "sub": "alice", "client_id": "e2e", "scope": scope}
        self._keys: dict[str, rsa.RSAPrivateKey] = {}
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.rotate("first")
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        return self._port

    def start(self) -> None:
        """Listens, where it listened before."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests += 1
                time.sleep(outer.delay)
                reply = outer.reply(outer.document())
                try:
                    self.send_response(reply.status)
                    self.send_header("content-type", reply.content_type)
                    self.send_header("content-length", str(len(reply.body)))
                    self.end_headers()
                    self.wfile.write(reply.body)
                except ConnectionError:
                    pass  # it took too long for the gateway

            def log_message(self, *_: object) -> None:
                pass

        class Listener(ThreadingHTTPServer):
            def get_request(self) -> tuple[socket.socket, Any]:
                connection, peer = super().get_request()
                tls = outer.tls
                return tls.wrap_socket(connection, server_side=True) if tls else connection, peer

        self._server = Listener(("127.0.0.1", self._port), Handler)
        self._port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Refuses connections from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def recover(self) -> None:
        """Ends whatever trouble it is in."""
        self.delay = self._own_delay
        self.reply = Reply
        self.tls = self._own_tls
        if self._server is None:
            self.start()

    def rotate(self, kid: str) -> None:
        """Adds a key; one of that name is replaced."""
        self._keys[kid] = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def document(self) -> bytes:
        """The key set."""
        public = jwt.algorithms.RSAAlgorithm.to_jwk
        keys = [
            json.loads(public(key.public_key())) | {"kid": kid, "alg": "RS256"}
            for kid, key in list(self._keys.items())
        ]
        return json.dumps({"keys": keys}).encode()

    def bearer(self, signer: str = "first", kid: str | None = None, **claims: object) -> TextHeader:
        """An Authorization header with a token signed by a key, which `kid` may give another name."""
        now = int(time.time())
        payload = {**self._usual, "iat": now, "exp": now + TOKEN_SECONDS, **claims}
        token = jwt.encode(payload, self._keys[signer], "RS256", headers={"kid": kid or signer})
        return "authorization", f"Bearer {token}"
