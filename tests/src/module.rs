//! The modules that `make wasm` wrote, and what their packages say of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use mcp_harness::Module;
use serde_json::Value;

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository").to_owned()
}

/// A loadable module and its package.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its name in `dist/`, without `.wasm`.
    pub name: String,
    /// The callbacks it says it handles.
    pub callbacks: Vec<String>,
}

impl Published {
    /// Every module of the workspace, from `package.metadata.proxy-wasm`.
    pub fn all() -> Vec<Self> {
        let metadata = metadata(&["--no-deps"]);
        let packages = metadata["packages"].as_array().expect("a list of packages");
        let module = |package: &Value| {
            let callbacks = package["metadata"]["proxy-wasm"]["callbacks"].as_array()?;
            let library = package["targets"][0]["name"].as_str()?;
            Some(Self {
                name: library.trim_end_matches("_module").to_owned(),
                callbacks: callbacks.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            })
        };
        packages.iter().filter_map(module).collect()
    }

    /// Its file in `dist/`.
    pub fn path(&self) -> PathBuf {
        path(&self.name)
    }
}

/// What `cargo metadata` says of the workspace.
pub fn metadata(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(arguments)
        .current_dir(repository())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

/// The bytes of `dist/NAME.wasm`.
///
/// # Panics
/// If it was not built.
pub fn bytes(name: &str) -> Vec<u8> {
    let path = path(name);
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("cannot read {}: {error}; run 'make wasm' first", path.display())
    })
}

/// `dist/NAME.wasm`, compiled.
///
/// # Panics
/// If it was not built, or does not compile.
pub fn load(name: &str) -> Module {
    Module::load(&bytes(name)).expect("a built module compiles")
}

fn path(name: &str) -> PathBuf {
    repository().join("dist").join(name).with_extension("wasm")
}
