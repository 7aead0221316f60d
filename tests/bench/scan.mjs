// The scan module in V8, the engine that Envoy runs modules in. Arguments: the module, a file with a body.
// Reads a number a line: scans the body that often, and answers how often the call was found in it.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [path, bodyPath] = process.argv.slice(2);
const body = readFileSync(bodyPath);
const module = new WebAssembly.Module(readFileSync(path));
const refused = () => 52; // WASI's ENOSYS: the scan asks nothing of its host.
const imports = {};
for (const { module: from, name } of WebAssembly.Module.imports(module)) {
  imports[from] = { ...imports[from], [name]: refused };
}
const { memory, body_buffer, scan_body } = new WebAssembly.Instance(module, imports).exports;
const at = body_buffer(body.length);
new Uint8Array(memory.buffer).set(body, at);

for await (const times of createInterface({ input: process.stdin })) {
  console.log(scan_body(at, body.length, Number(times)));
}
