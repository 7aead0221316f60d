//! What both hosts link, with the same signature: the intersection of proxy-wasm-cpp-host's
//! `exports.h` (Envoy 1.40) and of wasm-nginx-module 0.7 (APISIX 3.9 to 3.18).
//!
//! A module that imports anything else does not load. On APISIX that means it is skipped, and
//! requests pass without it. Left out on purpose: `proxy_get_log_level` (APISIX: not linked),
//! `proxy_get_metric` (APISIX: another signature), `proxy_get_configuration`,
//! `proxy_clear_route_cache`, `proxy_continue_request` and `proxy_continue_response` (Envoy links
//! them for ABI 0.1.0 modules only).

/// Module, names, and the signature they share.
pub const LINKED: &[(&str, &[&str], &str)] = &[
    ("env", &["proxy_done"], "() -> i32"),
    (
        "env",
        &[
            "proxy_close_stream",
            "proxy_continue_stream",
            "proxy_get_current_time_nanoseconds",
            "proxy_grpc_cancel",
            "proxy_grpc_close",
            "proxy_set_effective_context",
            "proxy_set_tick_period_milliseconds",
        ],
        "(i32) -> i32",
    ),
    ("env", &["proxy_increment_metric", "proxy_record_metric"], "(i32, i64) -> i32"),
    (
        "env",
        &[
            "proxy_dequeue_shared_queue",
            "proxy_enqueue_shared_queue",
            "proxy_get_header_map_pairs",
            "proxy_get_status",
            "proxy_log",
            "proxy_register_shared_queue",
            "proxy_remove_header_map_value",
            "proxy_set_header_map_pairs",
        ],
        "(i32, i32, i32) -> i32",
    ),
    (
        "env",
        &["proxy_define_metric", "proxy_get_property", "proxy_grpc_send", "proxy_set_property"],
        "(i32, i32, i32, i32) -> i32",
    ),
    (
        "env",
        &[
            "proxy_add_header_map_value",
            "proxy_get_buffer_bytes",
            "proxy_get_header_map_value",
            "proxy_get_shared_data",
            "proxy_replace_header_map_value",
            "proxy_resolve_shared_queue",
            "proxy_set_buffer_bytes",
            "proxy_set_shared_data",
        ],
        "(i32, i32, i32, i32, i32) -> i32",
    ),
    ("env", &["proxy_call_foreign_function"], "(i32, i32, i32, i32, i32, i32) -> i32"),
    ("env", &["proxy_send_local_response"], "(i32, i32, i32, i32, i32, i32, i32, i32) -> i32"),
    ("env", &["proxy_grpc_stream"], "(i32, i32, i32, i32, i32, i32, i32, i32, i32) -> i32"),
    ("env", &["proxy_http_call"], "(i32, i32, i32, i32, i32, i32, i32, i32, i32, i32) -> i32"),
    (
        "env",
        &["proxy_grpc_call"],
        "(i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32) -> i32",
    ),
    // WASI: nearly all of it on APISIX, these on Envoy.
    (WASI, &["proc_exit"], "(i32)"),
    (WASI, &["fd_close"], "(i32) -> i32"),
    (
        WASI,
        &[
            "args_get",
            "args_sizes_get",
            "environ_get",
            "environ_sizes_get",
            "fd_fdstat_get",
            "fd_prestat_get",
            "random_get",
        ],
        "(i32, i32) -> i32",
    ),
    (WASI, &["fd_prestat_dir_name"], "(i32, i32, i32) -> i32"),
    (WASI, &["clock_time_get"], "(i32, i64, i32) -> i32"),
    (WASI, &["fd_read", "fd_write"], "(i32, i32, i32, i32) -> i32"),
    (WASI, &["fd_seek"], "(i32, i64, i32, i32) -> i32"),
];

const WASI: &str = "wasi_snapshot_preview1";
