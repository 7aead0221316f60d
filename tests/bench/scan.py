"""Speed of the JSON scan: the same code as a native library, and as a module in wasmtime and in V8.

They are built from `scan/` by the recipes that build the tests and the modules. The clock runs around
one call that scans a body many times, so that calling it costs nothing that counts.
"""

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import wasmtime

from bench.figures import Figure
from bench.workload import body

LIBRARY, MODULE = "release/libmcp_bench_scan.so", "**/wasm32-wasip1/release/mcp_bench_scan.wasm"
IN_NODE = Path(__file__).with_name("scan.mjs")
ENGINES = ("native", "wasmtime", "V8")
SLOT_SECONDS = 0.05

Scan = Callable[[int], int]
"""Scans one body so many times; says how often the scan found in it what was written there."""
Load = Callable[[bytes], Scan]
"""Hands a body to an engine."""


class ScanError(RuntimeError):
    """Something to time is missing, or did not find what the body holds; says which."""


def _newest(target: Path, pattern: str) -> Path:
    found = sorted(target.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not found:
        raise ScanError(f"no {pattern} under {target}: build mcp-bench-scan")
    return found[-1]


def _native(target: Path) -> Load:
    library = ctypes.CDLL(str(_newest(target, LIBRARY)))
    library.body_buffer.argtypes, library.body_buffer.restype = [ctypes.c_size_t], ctypes.c_void_p
    library.scan_body.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32]
    library.scan_body.restype = ctypes.c_uint32

    def load(content: bytes) -> Scan:
        at = library.body_buffer(len(content))
        ctypes.memmove(at, content, len(content))
        return lambda times: library.scan_body(at, len(content), times)

    return load


def _wasmtime(target: Path) -> Load:
    store = wasmtime.Store()
    store.set_wasi(wasmtime.WasiConfig())
    linker = wasmtime.Linker(store.engine)
    linker.define_wasi()
    module = wasmtime.Module.from_file(store.engine, str(_newest(target, MODULE)))
    exports = linker.instantiate(store, module).exports(store)
    memory, buffer, scan = exports["memory"], exports["body_buffer"], exports["scan_body"]

    def load(content: bytes) -> Scan:
        at = buffer(store, len(content))
        memory.write(store, content, at)
        return lambda times: scan(store, at, len(content), times)

    return load


def _v8(target: Path, stack: ExitStack) -> Load:
    node = shutil.which("node")
    if node is None:
        raise ScanError("node is missing: install Node 20 or newer")
    module = _newest(target, MODULE)
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))

    def load(content: bytes) -> Scan:
        file = directory / str(len(content))
        file.write_bytes(content)
        argv = [node, IN_NODE, module, file]
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        stack.enter_context(child)  # Closes its input when left, which ends it.

        def scan(times: int) -> int:
            print(times, file=child.stdin, flush=True)
            return int(child.stdout.readline() or 0)

        return scan

    return load


def _seconds(scan: Scan, times: int) -> float:
    start = time.perf_counter()
    found = scan(times)
    elapsed = time.perf_counter() - start
    if found != times:
        raise ScanError(f"the scan found the call in {found} of {times} readings")
    return elapsed


def _slot(scan: Scan) -> int:
    """How many scans last about `SLOT_SECONDS`, once the engine has started and compiled for good."""
    times = 1
    _seconds(scan, times)
    while (elapsed := _seconds(scan, times)) < SLOT_SECONDS:
        times *= 2
    return max(1, round(times * SLOT_SECONDS / elapsed))


def measure(target: Path, sizes: Sequence[int], rounds: int) -> dict[tuple[str, int], Figure]:
    """Bytes per second by engine (of `ENGINES`) and body size; interleaved rounds.

    Raises:
        ScanError: It was not built, or does not find what the bodies hold.
    """
    with ExitStack() as stack:
        loaders = dict(zip(ENGINES, (_native(target), _wasmtime(target), _v8(target, stack)), strict=True))
        scans = {(engine, size): load(body(size)) for engine, load in loaders.items() for size in sizes}
        times = {key: _slot(scan) for key, scan in scans.items()}
        speeds: dict[tuple[str, int], list[float]] = {key: [] for key in scans}
        for _ in range(rounds):
            for (engine, size), scan in scans.items():
                number = times[engine, size]
                speeds[engine, size].append(size * number / _seconds(scan, number))
    return {key: Figure.of(values) for key, values in speeds.items()}
