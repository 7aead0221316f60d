//! Runs every `modules/*.exchange` against `dist/mcp_session.wasm` under both host profiles: one
//! test per file and profile. Planted secrets that show anywhere fail a file, whatever it expects.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use mcp_harness::{Failure, Module, Profile, Report, run_file};
use mcp_tests::{module, planted};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let module = module::session();
    let trial = |file: &PathBuf, profile: Profile| {
        let topic = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (file, module) = (file.clone(), module.clone());
        Trial::test(format!("{topic}::{profile}"), move || run(&file, &module, profile))
    };
    let trials: Vec<Trial> =
        files().iter().flat_map(|file| Profile::ALL.map(|profile| trial(file, profile))).collect();
    assert!(!trials.is_empty(), "there are no exchange files");
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("modules");
    let entries = std::fs::read_dir(&folder).expect("tests/modules is there");
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
