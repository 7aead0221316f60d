//! Small guests in WebAssembly text, put together by a test: texts in memory, callbacks as code.
//!
//! `call("proxy_log", …)` names any host call; the builder imports it. `say` logs a number, so
//! that a test reads what a host call answered from the log.

use std::collections::BTreeMap;

use mcp_harness::{Module, Transcript};

/// The host calls a guest may use, with their parameters.
const SIGNATURES: &[(&str, &str)] = &[
    ("proxy_log", "i32 i32 i32"),
    ("proxy_get_log_level", "i32"),
    ("proxy_get_current_time_nanoseconds", "i32"),
    ("proxy_set_tick_period_milliseconds", "i32"),
    ("proxy_set_effective_context", "i32"),
    ("proxy_done", ""),
    ("proxy_call_foreign_function", "i32 i32 i32 i32 i32 i32"),
    ("proxy_get_status", "i32 i32 i32"),
    ("proxy_get_configuration", "i32 i32"),
    ("proxy_get_buffer_bytes", "i32 i32 i32 i32 i32"),
    ("proxy_get_buffer_status", "i32 i32 i32"),
    ("proxy_set_buffer_bytes", "i32 i32 i32 i32 i32"),
    ("proxy_get_header_map_size", "i32 i32"),
    ("proxy_get_header_map_pairs", "i32 i32 i32"),
    ("proxy_set_header_map_pairs", "i32 i32 i32"),
    ("proxy_get_header_map_value", "i32 i32 i32 i32 i32"),
    ("proxy_replace_header_map_value", "i32 i32 i32 i32 i32"),
    ("proxy_add_header_map_value", "i32 i32 i32 i32 i32"),
    ("proxy_remove_header_map_value", "i32 i32 i32"),
    ("proxy_get_property", "i32 i32 i32 i32"),
    ("proxy_set_property", "i32 i32 i32 i32"),
    ("proxy_get_shared_data", "i32 i32 i32 i32 i32"),
    ("proxy_set_shared_data", "i32 i32 i32 i32 i32"),
    ("proxy_register_shared_queue", "i32 i32 i32"),
    ("proxy_resolve_shared_queue", "i32 i32 i32 i32 i32"),
    ("proxy_dequeue_shared_queue", "i32 i32 i32"),
    ("proxy_enqueue_shared_queue", "i32 i32 i32"),
    ("proxy_define_metric", "i32 i32 i32 i32"),
    ("proxy_increment_metric", "i32 i64"),
    ("proxy_record_metric", "i32 i64"),
    ("proxy_get_metric", "i32 i32"),
    ("proxy_continue_stream", "i32"),
    ("proxy_continue_request", ""),
    ("proxy_continue_response", ""),
    ("proxy_close_stream", "i32"),
    ("proxy_clear_route_cache", ""),
    ("proxy_send_local_response", "i32 i32 i32 i32 i32 i32 i32 i32"),
    ("proxy_send_http_response", "i32 i32 i32 i32 i32 i32 i32 i32"),
    ("proxy_http_call", "i32 i32 i32 i32 i32 i32 i32 i32 i32 i32"),
    ("proxy_grpc_call", "i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32"),
    ("proxy_grpc_stream", "i32 i32 i32 i32 i32 i32 i32 i32 i32"),
    ("proxy_grpc_send", "i32 i32 i32 i32"),
    ("proxy_grpc_cancel", "i32"),
    ("proxy_grpc_close", "i32"),
];

/// Where host calls put the size (after the pointer) of what they return, and other results.
pub const SIZE: &str = "(i32.const 20)";
pub const RESULT: &str = "(i32.const 24)";
/// Constant 0 arguments, for "nothing here".
pub const ZERO: &str = "(i32.const 0)";

/// Texts begin here; below are results.
const TEXTS: usize = 1024;
/// Memory handed to the host begins here and is never taken back.
const HEAP: usize = 1 << 20;

/// A guest under construction.
#[derive(Default)]
pub struct Guest {
    texts: Vec<u8>,
    imports: BTreeMap<String, String>,
    functions: String,
}

impl Guest {
    pub fn new() -> Self {
        Self::default()
    }

    /// Address and size of a text in memory.
    pub fn text(&mut self, text: impl AsRef<[u8]>) -> String {
        let at = TEXTS + self.texts.len();
        self.texts.extend(text.as_ref());
        format!("(i32.const {at}) (i32.const {})", text.as_ref().len())
    }

    /// Serialized header pairs in memory.
    pub fn pairs(&mut self, fields: &[(&str, &str)]) -> String {
        let headers: mcp_harness::Headers = fields.iter().copied().collect();
        self.text(headers.to_pairs())
    }

    /// A host call as an expression: its status.
    pub fn call(&mut self, name: &str, arguments: &str) -> String {
        let (_, parameters) = SIGNATURES.iter().find(|(known, _)| *known == name).expect(name);
        let import = format!(
            "(import \"env\" \"{name}\" (func ${name} (param {parameters}) (result i32)))\n"
        );
        self.imports.insert(name.to_owned(), import);
        format!("(call ${name} {arguments})")
    }

    /// Imports a WASI call, to be called by its name.
    pub fn import_wasi(&mut self, name: &str, parameters: &str) {
        let import = format!(
            "(import \"wasi_snapshot_preview1\" \"{name}\"
               (func ${name} (param {parameters}) (result i32)))\n"
        );
        self.imports.insert(name.to_owned(), import);
    }

    /// Logs "LABEL=STATUS" for a host call.
    pub fn say(&mut self, label: &str, name: &str, arguments: &str) -> String {
        let call = self.call(name, arguments);
        self.say_number(label, &call)
    }

    /// Logs "LABEL=NUMBER" for an expression; numbers up to 99.
    pub fn say_number(&mut self, label: &str, expression: &str) -> String {
        let text = self.text(format!("{label}=00"));
        let at: usize = text["(i32.const ".len()..].split(')').next().unwrap().parse().unwrap();
        let (tens, ones) = (at + label.len() + 1, at + label.len() + 2);
        self.call("proxy_log", "");
        format!(
            "(global.set $number {expression})
             (i32.store8 (i32.const {tens})
               (i32.add (i32.const 48) (i32.div_u (global.get $number) (i32.const 10))))
             (i32.store8 (i32.const {ones})
               (i32.add (i32.const 48) (i32.rem_u (global.get $number) (i32.const 10))))
             (drop (call $proxy_log (i32.const 2) {text}))"
        )
    }

    /// Logs the text a host call just returned.
    pub fn say_returned(&mut self) -> String {
        let log = self
            .call("proxy_log", "(i32.const 2) (i32.load (i32.const 16)) (i32.load (i32.const 20))");
        format!("(drop {log})")
    }

    /// Adds a callback; `code` sees `$0`, `$1`, … as its parameters.
    pub fn on(mut self, callback: &str, code: &str) -> Self {
        let (parameters, results) = match callback {
            "proxy_on_context_create" => (2, 0),
            "proxy_on_vm_start" | "proxy_on_configure" => (2, 1),
            "proxy_on_request_headers" | "proxy_on_request_body" => (3, 1),
            "proxy_on_response_headers" | "proxy_on_response_body" => (3, 1),
            "proxy_on_http_call_response" => (5, 0),
            "proxy_on_queue_ready" => (2, 0),
            "proxy_on_request_trailers" | "proxy_on_response_trailers" => (2, 1),
            "proxy_on_done" => (1, 1),
            "proxy_on_tick" | "proxy_on_log" | "proxy_on_delete" => (1, 0),
            "_initialize" | "_start" => (0, 0),
            other => panic!("{other} is no callback"),
        };
        let parameters: String = (0..parameters).map(|n| format!("(param ${n} i32) ")).collect();
        let result = if results == 1 { "(result i32)" } else { "" };
        self.functions += &format!("(func (export \"{callback}\") {parameters} {result} {code})\n");
        self
    }

    /// The guest's text.
    pub fn wat(&self) -> String {
        let imports: String = self.imports.values().cloned().collect();
        let texts: String = self.texts.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let functions = &self.functions;
        format!(
            "(module
               {imports}
               (memory (export \"memory\") 64)
               (data (i32.const {TEXTS}) \"{texts}\")
               (global $number (mut i32) (i32.const 0))
               (global $state (mut i32) (i32.const 0))
               (global $heap (mut i32) (i32.const {HEAP}))
               (func (export \"proxy_abi_version_0_2_1\"))
               (func (export \"proxy_on_memory_allocate\") (param $size i32) (result i32)
                 (global.get $heap)
                 (global.set $heap (i32.add (global.get $heap) (local.get $size))))
               {functions})"
        )
    }

    pub fn module(self) -> Module {
        let wat = self.wat();
        let bytes = wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}\n{wat}"));
        Module::load(&bytes).expect("the guest is valid")
    }
}

/// A guest whose request-headers callback says the numbers of these host calls, and passes.
pub fn saying(calls: impl FnOnce(&mut Guest) -> String) -> Module {
    let mut guest = Guest::new();
    let code = calls(&mut guest);
    guest.on("proxy_on_request_headers", &format!("{code} (i32.const 0)")).module()
}

/// The texts a transcript logged.
pub fn said(transcript: &Transcript) -> Vec<&str> {
    transcript.log.iter().map(|line| line.text.as_str()).collect()
}
