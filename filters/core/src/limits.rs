//! Every limit in one place. What a configuration can change is a default here and says so.

use core::time::Duration;

/// Bytes of a request body (default of `admission.max_body`). Envoy buffers up to 1 MiB by default.
pub const MAX_BODY: u64 = 1024 * 1024;

/// How long a request's body may take to arrive (default of `admission.body_timeout`).
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of the name of an entry of `servers`.
pub const MAX_SERVER_NAME: usize = 64;

/// Entries of `servers`.
pub const MAX_SERVERS: usize = 64;

/// Header fields of one request. APISIX lists a hundred and hides the rest, so a request at this
/// count may carry headers nobody could see, and is refused.
pub const MAX_HEADERS: usize = 100;

/// Bytes of a mirrored header (`Mcp-Method`, `Mcp-Name`, `MCP-Protocol-Version`) before decoding.
/// A 2,048-byte URI in base64 with its sentinel fits.
pub const MAX_MIRRORED_HEADER: usize = 2800;

/// Bytes of a header value that a filter writes.
pub const MAX_EXPORTED_HEADER: usize = 4096;

/// Bytes of the session id an MCP server mints; real ones are 32 to 64.
pub const MAX_SESSION_ID: usize = 512;

/// Bytes of a sealed session id as the client holds it.
pub const MAX_SESSION_ENVELOPE: usize = 2048;

/// Bytes of a principal, as the gateway's authentication names it.
pub const MAX_PRINCIPAL: usize = 512;

/// Bytes of a client's name kept in a session; longer names are cut.
pub const MAX_CLIENT_NAME: usize = 128;

/// Lifetime of a session envelope (default of `session.ttl`).
pub const SESSION_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest `session.ttl` that can be configured.
pub const MAX_SESSION_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Shortest secret, in bytes, that a configuration may hold.
pub const MIN_SECRET: usize = 32;

/// Distinct names of tools, and of models, that become metric labels; any further one is `other`.
pub const MAX_LABELS: usize = 64;

/// How long a stream whose time has come may stay idle before it is cut off: long enough that one
/// of the keep-alives that MCP servers send (every 15 s) brings the client the reason. Nothing of
/// the server's passes meanwhile.
pub const ENDING_PATIENCE: Duration = Duration::from_secs(20);

// What `message::scan` takes; defaults of `message::ScanLimits`.

/// Levels of nested arrays and objects in a body. Known servers break at 100 to 1,000.
pub const MAX_JSON_DEPTH: u32 = 32;

/// Keys in all inspected objects of a body together: the messages, `params`, `_meta`, `clientInfo`.
pub const MAX_INSPECTED_KEYS: usize = 4096;

/// Messages in a JSON-RPC batch.
pub const MAX_BATCH: usize = 64;

/// Bytes of an integer that is a JSON-RPC id, sign included.
pub const MAX_INTEGER_ID: usize = 64;

/// Bytes of a string that is a JSON-RPC id, as it stands in the body, quotes included.
pub const MAX_STRING_ID: usize = 256;

/// Bytes of a method.
pub const MAX_METHOD: usize = 128;

/// Bytes of the name of a tool or prompt, and of a task's id.
pub const MAX_NAME: usize = 256;

/// Bytes of a resource's URI.
pub const MAX_URI: usize = 2048;

/// Bytes of one event in an event stream, and of a JSON document that has to be filtered. Where
/// events are filtered a longer one is withheld, elsewhere it passes.
pub const MAX_STREAM_EVENT: usize = 1024 * 1024;

/// HTTP calls that are made for one request, one after the other: metadata, then keys.
pub const MAX_FETCHES_PER_EXCHANGE: u8 = 3;

/// How often one request is told to go on waiting for another's call. It is asked with every answer
/// it may wait for and with every tick, so no request waits longer than a minute or so.
pub const MAX_WAITS_PER_EXCHANGE: u8 = 64;

/// Requests of one VM that wait for answers at the same time; each holds a connection and maybe a
/// body. Further ones are told to come back.
pub const MAX_WAITING: usize = 1024;
