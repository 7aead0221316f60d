"""Loads modules into wasmtime 0.38, the engine that APISIX ships, with SIMD on, and runs their initializers.

Usage: load_in_wasmtime_038.py MODULE.wasm...
"""

import sys
from importlib.metadata import version

from wasmtime import Config, Engine, Func, Linker, Module, Store, WasiConfig

ENGINE = "0.38.0"
UNIMPLEMENTED = 12


def load(path: str) -> None:
    """Instantiates a module with host calls that all answer "unimplemented", and initializes it."""
    config = Config()
    config.wasm_simd = True
    store = Store(Engine(config))
    store.set_wasi(WasiConfig())
    with open(path, "rb") as file:
        module = Module(store.engine, file.read())
    linker = Linker(store.engine)
    linker.define_wasi()
    for wanted in module.imports:
        if wanted.module == "env":
            linker.define("env", wanted.name, Func(store, wanted.type, lambda *_: UNIMPLEMENTED))
    instance = linker.instantiate(store, module)
    instance.exports(store)["_initialize"](store)


def main() -> None:
    if version("wasmtime") != ENGINE:
        sys.exit(f"this is wasmtime {version('wasmtime')}, not {ENGINE}: run tests/setup.sh wasmtime")
    if not sys.argv[1:]:
        sys.exit("usage: load_in_wasmtime_038.py MODULE.wasm...")
    for path in sys.argv[1:]:
        load(path)
        print(f"{path}: loads in wasmtime {ENGINE}")


if __name__ == "__main__":
    main()
