"""An issuer whose tokens are measured: its keys, its key set, and tokens of which no two are alike."""

import itertools
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

NAME = "https://issuer.example"
AUDIENCE = "https://mcp.example.com/mcp"
ALGORITHMS = ("RS256", "ES256", "EdDSA")
LIFETIME_SECONDS = 2 * 60 * 60


class Issuer:
    """Has a key for each of `ALGORITHMS`, whose `kid` is the algorithm's name."""

    def __init__(self) -> None:
        self._rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._ec = ec.generate_private_key(ec.SECP256R1())
        self._ed = ed25519.Ed25519PrivateKey.generate()
        self._numbers = itertools.count()

    def jwks(self) -> dict[str, Any]:
        """The key set (RFC 7517)."""
        texts = {
            "RS256": RSAAlgorithm.to_jwk(self._rsa.public_key()),
            "ES256": ECAlgorithm.to_jwk(self._ec.public_key()),
            "EdDSA": OKPAlgorithm.to_jwk(self._ed.public_key()),
        }
        purpose = {"use": "sig", "key_ops": ["verify"]}
        keys = [json.loads(text) | purpose | {"kid": name, "alg": name} for name, text in texts.items()]
        return {"keys": keys}

    def token(self, algorithm: str, **more: Any) -> str:
        """An access token (RFC 9068) that is valid now, with `more` claims; no two are the same."""
        key = {"RS256": self._rsa, "ES256": self._ec, "EdDSA": self._ed}[algorithm]
        now, number = int(time.time()), next(self._numbers)
        claims = {
            "iss": NAME,
            "aud": AUDIENCE,
            "sub": f"248289761{number:06}",
            "client_id": "s6BhdRkqt3",
            "scope": "mcp:tools mcp:resources",
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
            "jti": f"bench-{number:012}",
            **more,
        }
        return jwt.encode(claims, key, algorithm, headers={"kid": algorithm, "typ": "at+jwt"})


def tampered(token: str) -> str:
    """The token with one character of its signature changed."""
    place = token.rindex(".") + 10
    return token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}
