"""Programs of Debian that tests/setup.sh unpacked, without installing them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from e2e.envoy_config import REPOSITORY

ROOT = REPOSITORY / ".tools" / "debian"
LIBRARIES = sorted({library.parent for library in ROOT.glob("**/lib/*-linux-gnu/*.so*")})
ENVIRONMENT = {"LD_LIBRARY_PATH": ":".join(map(str, LIBRARIES))}

NGINX = ROOT / "usr" / "sbin" / "nginx"
REGISTRY = ROOT / "usr" / "bin" / "docker-registry"
SKOPEO = ROOT / "usr" / "bin" / "skopeo"


def run(program: Path, *arguments: str | Path) -> str:
    """What it prints; fails with what it complains of."""
    done = subprocess.run(
        [program, *arguments], env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{program.name} {arguments}: {done.stderr}"
    return done.stdout
