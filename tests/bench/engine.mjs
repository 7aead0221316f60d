// A module to be timed in V8, the engine that Envoy runs modules in. Arguments: the module, a file with its
// input. Reads a number a line: has the input worked on that often, and answers how often it went well.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [path, inputPath] = process.argv.slice(2);
const input = readFileSync(inputPath);
const module = new WebAssembly.Module(readFileSync(path));
const refused = () => 52; // WASI's ENOSYS: what is timed asks nothing of its host.
const imports = {};
for (const { module: from, name } of WebAssembly.Module.imports(module)) {
  imports[from] = { ...imports[from], [name]: refused };
}
const { memory, input_buffer, run } = new WebAssembly.Instance(module, imports).exports;
const at = input_buffer(input.length);
new Uint8Array(memory.buffer).set(input, at);

for await (const times of createInterface({ input: process.stdin })) {
  console.log(run(at, input.length, Number(times)));
}
