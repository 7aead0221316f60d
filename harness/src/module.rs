//! A compiled module and what it asks of a host: compiled once, shared by any number of hosts.

use std::fmt;
use std::time::{Duration, Instant};

use wasmtime::{Config, Engine};

/// Why a module cannot run on a host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The bytes are no valid module.
    #[error("not a valid module: {0:#}")]
    Invalid(wasmtime::Error),
    /// The host links no such import, or one of another signature.
    #[error("{host} cannot link the module: {reason}")]
    Link {
        /// The host's name.
        host: &'static str,
        /// Which import, and what is wrong with it.
        reason: String,
    },
    /// Start-up code trapped or a start-up callback refused.
    #[error("{host}: {callback} {problem}")]
    Start {
        /// The host's name.
        host: &'static str,
        /// The callback that failed.
        callback: &'static str,
        /// What happened, with the log up to there.
        problem: String,
    },
}

/// An import or export of a module.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Symbol {
    /// The import's module (`env`, `wasi_snapshot_preview1`); empty for exports.
    pub module: String,
    /// The name.
    pub name: String,
    /// The type as text, such as `(i32, i32) -> i32`, or `memory`.
    pub kind: String,
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.module.as_str() {
            "" => write!(f, "{} {}", self.name, self.kind),
            module => write!(f, "{module}::{} {}", self.name, self.kind),
        }
    }
}

/// A module compiled by wasmtime; cloning shares the code.
#[derive(Clone)]
pub struct Module {
    engine: Engine,
    code: wasmtime::Module,
    compile_time: Duration,
}

impl Module {
    /// Compiles a module from its bytes.
    ///
    /// # Errors
    /// [`LoadError::Invalid`] when the bytes do not validate.
    pub fn load(bytes: &[u8]) -> Result<Self, LoadError> {
        let started = Instant::now();
        let mut config = Config::new();
        // So that a loop without end is a trap, and no test hangs.
        config.consume_fuel(true);
        let engine = Engine::new(&config).map_err(LoadError::Invalid)?;
        let code = wasmtime::Module::from_binary(&engine, bytes).map_err(LoadError::Invalid)?;
        Ok(Self { engine, code, compile_time: started.elapsed() })
    }

    /// How long compilation took.
    pub fn compile_time(&self) -> Duration {
        self.compile_time
    }

    /// Everything the module imports.
    pub fn imports(&self) -> Vec<Symbol> {
        self.code
            .imports()
            .map(|import| Symbol {
                module: import.module().to_owned(),
                name: import.name().to_owned(),
                kind: kind_text(&import.ty()),
            })
            .collect()
    }

    /// Everything the module exports.
    pub fn exports(&self) -> Vec<Symbol> {
        self.code
            .exports()
            .map(|export| Symbol {
                module: String::new(),
                name: export.name().to_owned(),
                kind: kind_text(&export.ty()),
            })
            .collect()
    }

    /// Whether the module exports this name.
    pub fn has_export(&self, name: &str) -> bool {
        self.code.get_export(name).is_some()
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn code(&self) -> &wasmtime::Module {
        &self.code
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("exports", &self.exports().len()).finish_non_exhaustive()
    }
}

fn kind_text(kind: &wasmtime::ExternType) -> String {
    match kind {
        wasmtime::ExternType::Func(func) => {
            let list = |types: Vec<wasmtime::ValType>| {
                types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            };
            let params = list(func.params().collect());
            match list(func.results().collect()) {
                results if results.is_empty() => format!("({params})"),
                results => format!("({params}) -> {results}"),
            }
        }
        wasmtime::ExternType::Memory(_) => "memory".to_owned(),
        wasmtime::ExternType::Table(_) => "table".to_owned(),
        wasmtime::ExternType::Global(_) => "global".to_owned(),
        _ => "tag".to_owned(),
    }
}
