"""Modules that do nothing, with the callbacks of ours: what they cost is the price of entering a VM."""

from pathlib import Path

import wasmtime

TEXT = Path(__file__).with_name("nothing.wat")


def build(module: Path, callbacks_of: Path | None = None) -> Path:
    """Writes such a module; returns its path. It has the callbacks that `nothing.wat` has, or besides them those that
    another module has."""
    text = TEXT.read_text().rstrip().removesuffix(")")
    if callbacks_of is not None:
        text += _missing(text, callbacks_of)
    module.write_bytes(wasmtime.wat2wasm(text + ")"))
    return module


def _missing(text: str, module: Path) -> str:
    """The callbacks that the module exports and the text has not, each empty."""
    added = []
    for export in wasmtime.Module.from_file(wasmtime.Engine(), str(module)).exports:
        if export.name.startswith("proxy_on_") and f'"{export.name}"' not in text:
            parameters = " ".join(map(str, export.type.params))
            result = "(result i32) (i32.const 0)" if export.type.results else ""
            added.append(f'(func (export "{export.name}") (param {parameters}) {result})')
    return "\n".join(added)
