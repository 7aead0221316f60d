"""What verifying a token costs in each engine, with pure Rust and nothing remembered: by algorithm."""

import json
import time
from contextlib import ExitStack
from pathlib import Path

from bench import engines, tokens
from bench.engines import EngineError
from bench.figures import Figure
from bench.tokens import ALGORITHMS, Issuer, tampered

PACKAGE = "mcp-bench-verify"


def measure(target: Path, rounds: int) -> dict[tuple[str, str], Figure]:
    """Microseconds a token by engine (of `engines.ENGINES`) and algorithm (of `tokens.ALGORITHMS`).

    Raises:
        EngineError: It was not built, or does not judge as it must.
    """
    issuer = Issuer()
    signed = {algorithm: issuer.token(algorithm) for algorithm in ALGORITHMS}
    with ExitStack() as stack:
        loaded = engines.load(PACKAGE, target, stack)
        works = {}
        for engine, load in loaded.items():
            for algorithm, token in signed.items():
                if load(_input(issuer, tampered(token))).run(1):
                    raise EngineError(f"{engine} accepts a tampered {algorithm} token")
                works[engine, algorithm] = load(_input(issuer, token))
        seconds = engines.seconds_each(works, rounds)
    return {key: Figure.of([value * 1e6 for value in values]) for key, values in seconds.items()}


def _input(issuer: Issuer, token: str) -> bytes:
    """A token and what it is judged by, as `verify/` reads it."""
    judgement = {
        "token": token,
        "issuer": tokens.NAME,
        "audience": tokens.AUDIENCE,
        "jwks": json.dumps(issuer.jwks()),
        "now": int(time.time()),
    }
    return json.dumps(judgement).encode()
