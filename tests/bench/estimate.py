"""Speed of the token estimator, in each engine: bytes per second of texts of several kinds."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import engines
from bench.figures import Figure
from e2e.envoy_config import REPOSITORY

PACKAGE = "mcp-bench-estimate"
CORPUS = REPOSITORY / "filters/quota/tests/corpus/train"


def measure(target: Path, kinds: Sequence[str], rounds: int) -> dict[tuple[str, str], Figure]:
    """Bytes per second by engine (of `engines.ENGINES`) and kind of text (of the estimator's corpus).

    Raises:
        EngineError: It was not built, or estimates that there are no tokens.
    """
    texts = {kind: (CORPUS / f"{kind}.txt").read_bytes() for kind in kinds}
    with ExitStack() as stack:
        loaded = engines.load(PACKAGE, target, stack)
        works = {(engine, kind): load(text) for engine, load in loaded.items() for kind, text in texts.items()}
        seconds = engines.seconds_each(works, rounds)
    return {key: Figure.of([len(texts[key[1]]) / value for value in seconds[key]]) for key in works}
