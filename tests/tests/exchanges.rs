//! Runs every `modules/NAME/*.exchange` against `dist/mcp_NAME.wasm` and, unchanged, against
//! `dist/mcp_gateway.wasm`, under both host profiles: one test per file, module and profile. Planted
//! secrets that show anywhere fail a file, whatever it expects.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use mcp_harness::{Failure, Module, Profile, Report, run_file};
use mcp_tests::module::{self, Published};
use mcp_tests::place::GATEWAY;
use mcp_tests::planted;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    let gateway = module::load(GATEWAY);
    for published in Published::all() {
        let name = published.name.trim_start_matches("mcp_");
        let mut modules = vec![(GATEWAY, gateway.clone())];
        if published.name != GATEWAY {
            modules.push((&published.name, module::load(&published.name)));
        }
        let files = files(name);
        assert!(!files.is_empty(), "tests/modules/{name}: there are no exchange files");
        for file in &files {
            let topic = file.file_stem().unwrap_or_default().to_string_lossy();
            for (title, module) in &modules {
                trials.extend(Profile::ALL.map(|profile| {
                    let (file, module) = (file.clone(), module.clone());
                    let title = format!("{name}::{topic}::{title}::{profile}");
                    Trial::test(title, move || run(&file, &module, profile))
                }));
            }
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn files(module: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("modules").join(module);
    let entries = std::fs::read_dir(&folder).expect("tests/modules has a folder per module");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("tests/modules can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "exchange"))
        .collect();
    files.sort();
    files
}

fn run(file: &Path, module: &Module, profile: Profile) -> Result<(), Failed> {
    let (report, problem) = match run_file(file, module, None, profile) {
        Ok(report) => (Some(report), None),
        Err(Failure::Unmet { unmet, report }) => {
            let lines: Vec<String> = unmet.iter().map(ToString::to_string).collect();
            (Some(report), Some(lines.join("\n")))
        }
        Err(failure) => (None, Some(failure.to_string())),
    };
    let leaks = report.iter().flat_map(leaks);
    let problems: Vec<String> = problem.into_iter().chain(leaks).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
}

fn leaks(report: &Report) -> Vec<String> {
    let leak = |exchange: &mcp_harness::ExchangeReport| {
        let place = planted::leak(&exchange.transcript)?;
        Some(format!("{}:{}: a planted secret shows {place}", report.file.display(), exchange.line))
    };
    report.exchanges.iter().filter_map(leak).collect()
}
