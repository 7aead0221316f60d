"""Our code as a native library, and as a module in wasmtime and in V8, timed by one driver.

A package that is timed is a `cdylib` with two functions: `input_buffer(size)` gives memory for an input, and
`run(at, size, times)` works on it so many times and says how often that went well. It is built by the recipes
that build the tests and the modules. The clock runs around one call of `run`, so that calling it costs nothing
that counts; it is the CPU time of the process that does the work, so that neighbours on the machine do not count.
"""

import ctypes
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Hashable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import wasmtime

from bench.cpu import cpu_seconds

IN_NODE = Path(__file__).with_name("engine.mjs")
ENGINES = ("native", "wasmtime", "V8")
SLOT_SECONDS = 0.05

Key = TypeVar("Key", bound=Hashable)


class EngineError(RuntimeError):
    """Something to time is missing, or did not do its work; says which."""


@dataclass(frozen=True)
class Work:
    """An input in an engine: `run` works on it so many times, in process `pid`, and says how often that went
    well."""

    run: Callable[[int], int]
    pid: int

    def seconds(self, times: int) -> float:
        """CPU time of so many times.

        Raises:
            EngineError: It did not go well each time.
        """
        start = cpu_seconds(self.pid)
        went_well = self.run(times)
        elapsed = cpu_seconds(self.pid) - start
        if went_well != times:
            raise EngineError(f"what is timed went well {went_well} of {times} times")
        return elapsed

    def slot(self) -> int:
        """How many times last about `SLOT_SECONDS`, once the engine has started and compiled for good."""
        times = 1
        self.seconds(times)
        while (elapsed := self.seconds(times)) < SLOT_SECONDS:
            times *= 2
        return max(1, round(times * SLOT_SECONDS / elapsed))


Load = Callable[[bytes], Work]
"""Hands an input to an engine."""


def load(package: str, target: Path, stack: ExitStack) -> dict[str, Load]:
    """The package, built under `target`, in each of `ENGINES`; `stack` ends what had to be started.

    Raises:
        EngineError: It was not built, or an engine is missing.
    """
    name = package.replace("-", "_")
    library = _newest(target, f"release/lib{name}.so", package)
    module = _newest(target, f"**/wasm32-wasip1/release/{name}.wasm", package)
    return dict(zip(ENGINES, (_native(library), _wasmtime(module), _v8(module, stack)), strict=True))


def seconds_each(works: Mapping[Key, Work], rounds: int) -> dict[Key, list[float]]:
    """How long each takes once, one value a round; interleaved rounds.

    Raises:
        EngineError: One of them did not go well.
    """
    times = {key: work.slot() for key, work in works.items()}
    values: dict[Key, list[float]] = {key: [] for key in works}
    for _ in range(rounds):
        for key, work in works.items():
            values[key].append(work.seconds(times[key]) / times[key])
    return values


def _newest(target: Path, pattern: str, package: str) -> Path:
    found = sorted(target.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not found:
        raise EngineError(f"no {pattern} under {target}: build {package}")
    return found[-1]


def _native(path: Path) -> Load:
    library = ctypes.CDLL(str(path))
    library.input_buffer.argtypes, library.input_buffer.restype = [ctypes.c_size_t], ctypes.c_void_p
    library.run.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32]
    library.run.restype = ctypes.c_uint32

    def load_input(content: bytes) -> Work:
        at = library.input_buffer(len(content))
        ctypes.memmove(at, content, len(content))
        return Work(lambda times: library.run(at, len(content), times), os.getpid())

    return load_input


def _wasmtime(path: Path) -> Load:
    store = wasmtime.Store()
    store.set_wasi(wasmtime.WasiConfig())
    linker = wasmtime.Linker(store.engine)
    linker.define_wasi()
    exports = linker.instantiate(store, wasmtime.Module.from_file(store.engine, str(path))).exports(store)
    memory, buffer, run = exports["memory"], exports["input_buffer"], exports["run"]

    def load_input(content: bytes) -> Work:
        at = buffer(store, len(content))
        memory.write(store, content, at)
        return Work(lambda times: run(store, at, len(content), times), os.getpid())

    return load_input


def _v8(path: Path, stack: ExitStack) -> Load:
    node = shutil.which("node")
    if node is None:
        raise EngineError("node is missing: install Node 20 or newer")
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
    numbers = itertools.count()

    def load_input(content: bytes) -> Work:
        file = directory / str(next(numbers))
        file.write_bytes(content)
        # All is optimized before it runs: else the first rounds would time code that is not, yet.
        argv = [node, "--no-liftoff", IN_NODE, path, file]
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        stack.enter_context(child)  # Closes its input when left, which ends it.

        def run(times: int) -> int:
            print(times, file=child.stdin, flush=True)
            return int(child.stdout.readline() or 0)

        return Work(run, child.pid)

    return load_input
