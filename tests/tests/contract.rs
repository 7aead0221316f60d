//! What the built modules promise the hosts that load them, and what the crates promise each other.

mod linked;

use std::path::Path;
use std::process::Command;

use linked::LINKED;
use mcp_harness::{Host, Module, Options, Profile};
use mcp_tests::module::{self, Published};

/// What every host needs besides callbacks: memory, initializer, ABI version, allocator.
const RUNTIME_EXPORTS: [&str; 4] =
    ["memory", "_initialize", "proxy_abi_version_0_2_1", "proxy_on_memory_allocate"];

/// Bytes of a module, at most, by name.
const SIZE_CEILINGS: [(&str, usize); 5] = [
    ("mcp_auth", 1150 * 1024),
    ("mcp_gateway", 1620 * 1024),
    ("mcp_quota", 880 * 1024),
    ("mcp_session", 550 * 1024),
    ("mcp_sse", 600 * 1024),
];

/// The least that a module can be configured with, by name; nothing unless listed.
const CONFIGURATIONS: [(&str, &str); 2] = [("mcp_auth", WITH_AUTH), ("mcp_gateway", WITH_AUTH)];

const WITH_AUTH: &str = r#"{"auth":{"issuers":[{"issuer":"https://issuer.example",
    "audiences":["a"],"jwks":{"service":"keys"}}],
    "export_key":"ZXhhbXBsZSBleHBvcnQga2V5IGZvciB4LW1jcC1zZXNzaW9uIQ=="}}"#;

/// Pages of 64 KiB that a configured module holds before its first request, at most.
const START_PAGES: u64 = 24;

fn published() -> Vec<(Published, Vec<u8>)> {
    let modules = Published::all();
    assert!(!modules.is_empty(), "the workspace has no loadable module");
    modules.into_iter().map(|module| (module.clone(), module::bytes(&module.name))).collect()
}

#[test]
fn every_module_exports_the_runtime_and_its_declared_callbacks_only() {
    for (published, bytes) in published() {
        let module = Module::load(&bytes).expect("a module");
        let mut exported: Vec<String> = module.exports().into_iter().map(|e| e.name).collect();
        let mut promised: Vec<String> = RUNTIME_EXPORTS.map(str::to_owned).to_vec();
        promised.extend(published.callbacks);
        exported.sort();
        promised.sort();
        assert_eq!(exported, promised, "{}", published.name);
    }
}

#[test]
fn every_import_is_linked_by_both_hosts_with_this_signature() {
    for (published, bytes) in published() {
        for import in Module::load(&bytes).expect("a module").imports() {
            let linked = LINKED.iter().any(|(module, names, kind)| {
                *module == import.module && *kind == import.kind && names.contains(&&*import.name)
            });
            assert!(linked, "{}: {import} is not linked by every host", published.name);
        }
    }
}

#[test]
fn every_published_file_belongs_to_a_package() {
    let names: Vec<String> = Published::all().into_iter().map(|module| module.name).collect();
    for entry in std::fs::read_dir(module::repository().join("dist")).expect("run 'make wasm'") {
        let path = entry.expect("dist/ can be listed").path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            assert!(names.contains(&name), "dist/{name}.wasm: no package publishes it");
        }
    }
}

#[test]
fn no_module_is_larger_than_its_ceiling() {
    for (published, bytes) in published() {
        let ceiling = SIZE_CEILINGS.iter().find(|(name, _)| *name == published.name);
        let (_, ceiling) = ceiling.unwrap_or_else(|| panic!("{}: no ceiling", published.name));
        assert!(bytes.len() <= *ceiling, "{}: {} of {ceiling}", published.name, bytes.len());
    }
}

#[test]
fn a_configured_module_holds_little_memory() {
    for (published, bytes) in published() {
        let module = Module::load(&bytes).expect("a module");
        let listed = CONFIGURATIONS.iter().find(|(name, _)| *name == published.name);
        let configuration = listed.map_or("", |(_, configuration)| configuration);
        for profile in Profile::ALL {
            let options = Options { configuration: configuration.into(), ..Options::default() };
            let host = Host::new(&module, profile, options).expect("it loads");
            let pages = host.memory_pages(0);
            assert!(pages <= START_PAGES, "{} on {profile}: {pages} pages", published.name);
        }
    }
}

/// APISIX ships wasmtime 0.38; the harness runs a far newer one.
#[test]
fn every_module_loads_in_the_engine_that_apisix_ships() {
    let repository = module::repository();
    let setup = Command::new("tests/setup.sh").arg("wasmtime").current_dir(&repository).output();
    let setup = setup.expect("tests/setup.sh runs");
    assert!(setup.status.success(), "{}", String::from_utf8_lossy(&setup.stderr));
    let check = Command::new(".tools/venv-wasmtime/bin/python")
        .arg("tests/modules/load_in_wasmtime_038.py")
        .args(Published::all().iter().map(Published::path))
        .current_dir(&repository)
        .output()
        .expect("Python runs");
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}

#[test]
fn filters_know_neither_host_nor_harness_and_the_harness_knows_no_filter() {
    let mut filters = Vec::new();
    for (name, folder) in workspace() {
        if folder.starts_with("filters") && folder != "filters/host" && !is_module(&folder) {
            filters.push(name);
        }
    }
    assert!(filters.iter().any(|name| name == "mcp-core"), "{filters:?}");
    for filter in &filters {
        refuse(filter, &["proxy-wasm", "mcp-host", "mcp-harness", "wasmtime"]);
    }
    let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
    refuse("mcp-harness", &[&filters[..], &["mcp-host", "proxy-wasm"]].concat());
    refuse("mcp-core", &filters.into_iter().filter(|name| *name != "mcp-core").collect::<Vec<_>>());
}

#[test]
fn only_modules_that_read_tokens_hold_their_cryptography() {
    for package in ["mcp-host", "mcp-session-module", "mcp-sse-module"] {
        refuse(package, &["jsonwebtoken", "mcp-signature"]);
    }
}

/// Loadable modules, and the tool that links them, bring filters and host together.
fn is_module(folder: &str) -> bool {
    folder.starts_with("filters/modules/")
}

/// Names and folders of the workspace's packages.
fn workspace() -> Vec<(String, String)> {
    let metadata = module::metadata(&["--no-deps"]);
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let root = module::repository();
    let package = |package: &serde_json::Value| {
        let manifest = Path::new(package["manifest_path"].as_str()?);
        let folder = manifest.parent()?.strip_prefix(&root).ok()?;
        Some((package["name"].as_str()?.to_owned(), folder.to_str()?.to_owned()))
    };
    packages.iter().filter_map(package).collect()
}

fn refuse(package: &str, banned: &[&str]) {
    let dependencies = dependencies(package);
    assert!(dependencies.len() > 1, "cargo tree shows nothing of {package}");
    for banned in banned {
        assert!(!dependencies.iter().any(|d| d == banned), "{package} depends on {banned}");
    }
}

/// The names of all that is linked into a package.
fn dependencies(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--package", package])
        .current_dir(module::repository())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("names are text");
    lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}
