//! Post-link step: `mcp-link BUILT DIST PACKAGE...` reads which callbacks each module handles
//! (`package.metadata.proxy-wasm.callbacks`), drops every other callback export together with the
//! code only it reached, and all names, and writes the module to `DIST` under its published name.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// What every host needs besides callbacks: the ABI marker, the initializer and the allocator.
const RUNTIME_EXPORTS: [&str; 4] =
    ["memory", "_initialize", "proxy_abi_version_0_2_1", "proxy_on_memory_allocate"];

struct Package {
    name: String,
    library: String,
    callbacks: Vec<String>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [built, dist, wanted @ ..] = arguments.as_slice() else {
        anyhow::bail!("usage: mcp-link BUILT_DIRECTORY DIST_DIRECTORY PACKAGE...");
    };
    let (built, dist) = (Path::new(built), Path::new(dist));
    std::fs::create_dir_all(dist)?;
    for package in packages()?.into_iter().filter(|package| wanted.contains(&package.name)) {
        let published = package.library.trim_end_matches("_module");
        let output = dist.join(published).with_extension("wasm");
        let bytes = link(&built.join(&package.library).with_extension("wasm"), &package.callbacks)?;
        std::fs::write(&output, &bytes).with_context(|| format!("write {}", output.display()))?;
        println!("  [wasm] {} {} bytes", output.display(), bytes.len());
    }
    Ok(())
}

/// The workspace's module packages, from `cargo metadata`.
fn packages() -> Result<Vec<Package>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    packages
        .iter()
        .filter(|package| !package["metadata"]["proxy-wasm"].is_null())
        .map(|package| {
            let library =
                package["targets"][0]["name"].as_str().context("a module without a library")?;
            let callbacks = package["metadata"]["proxy-wasm"]["callbacks"]
                .as_array()
                .with_context(|| format!("{library}: package.metadata.proxy-wasm.callbacks"))?;
            let name = package["name"].as_str().context("a package without a name")?;
            Ok(Package {
                name: name.to_owned(),
                library: library.to_owned(),
                callbacks: callbacks.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            })
        })
        .collect()
}

fn link(path: &Path, callbacks: &[String]) -> Result<Vec<u8>> {
    let mut module = walrus::ModuleConfig::new()
        .generate_name_section(false)
        .generate_producers_section(false)
        .parse_file(path)
        .with_context(|| path.display().to_string())?;
    for callback in callbacks {
        ensure!(
            module.exports.iter().any(|export| export.name == *callback),
            "{}: no such callback to export: {callback}",
            path.display()
        );
    }
    let unneeded: Vec<_> = module
        .exports
        .iter()
        .filter(|export| {
            !RUNTIME_EXPORTS.contains(&export.name.as_str()) && !callbacks.contains(&export.name)
        })
        .map(walrus::Export::id)
        .collect();
    for export in unneeded {
        module.exports.delete(export);
    }
    walrus::passes::gc::run(&mut module);
    Ok(module.emit_wasm())
}
