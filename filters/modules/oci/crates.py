"""Which crates a module is linked from, as cargo resolves them from Cargo.lock."""

from __future__ import annotations

import re
import subprocess
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

TARGET = "wasm32-wasip1"
# One line of `cargo tree`: depth, name, version, where it is if not in a registry, licence, repository. A
# trailing (*) says that its dependencies are listed where it came first.
LINE = re.compile(r"^(\d+) (\S+) v(\S+?)(?: \((.+?)\))?\|([^|]*)\|([^|]*?)(?: \(\*\))?$")


@dataclass(frozen=True, order=True)
class Crate:
    name: str
    version: str
    # Compared by name and version alone: a graph holds no two crates that agree in both.
    licence: str = field(compare=False)
    repository: str = field(compare=False)
    checksum: str | None = field(compare=False)  # none: the crate is one of this repository


@dataclass(frozen=True)
class Graph:
    root: Crate
    dependencies: dict[Crate, set[Crate]]

    @property
    def linked(self) -> list[Crate]:
        """All crates but the root."""
        return sorted(self.dependencies.keys() - {self.root})


def linked_into(package: str, repository: Path) -> Graph:
    """Without what only the build or the tests use. Proc-macros run in the compiler and leave nothing."""
    command = ["cargo", "tree", "--quiet", "--locked", "--package", package, "--target", TARGET]
    command += ["--edges", "normal,no-proc-macro", "--prefix", "depth", "--format", " {p}|{l}|{r}"]
    tree = subprocess.run(command, cwd=repository, check=True, stdout=subprocess.PIPE, text=True).stdout
    return graph(tree, checksums((repository / "Cargo.lock").read_text()))


def checksums(lock: str) -> dict[tuple[str, str], str]:
    packages = tomllib.loads(lock)["package"]
    return {
        (package["name"], package["version"]): package["checksum"]
        for package in packages
        if "checksum" in package
    }


def graph(tree: str, checksums: dict[tuple[str, str], str]) -> Graph:
    path: list[Crate] = []
    dependencies: dict[Crate, set[Crate]] = {}
    for line in tree.splitlines():
        found = LINE.match(line)
        if not found:
            raise ValueError(f"cargo tree printed a line of another form: {line}")
        depth, name, version, _, licence, repository = found.groups()
        crate = Crate(name, version, licence, repository, checksums.get((name, version)))
        path[int(depth) :] = [crate]
        dependencies.setdefault(crate, set())
        if len(path) > 1:
            dependencies[path[-2]].add(crate)
    return Graph(path[0], dependencies)
