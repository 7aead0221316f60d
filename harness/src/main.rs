//! The command `mcp-harness`: runs exchange files against a module, and makes API keys.

mod api_key;

use std::io::{stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mcp_harness::{Failure, Module, Profile, run_file};

/// Runs proxy-wasm modules under the rules of Envoy and Apache APISIX.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs exchange files and checks what they expect.
    Run {
        /// The module, a .wasm file.
        module: PathBuf,
        /// Exchange files.
        #[arg(required = true)]
        exchanges: Vec<PathBuf>,
        /// The module's configuration, for files that name none.
        #[arg(long)]
        config: Option<PathBuf>,
        /// The host to imitate, envoy or apisix; both unless given.
        #[arg(long)]
        host: Option<Profile>,
        /// Also prints every callback, with the instructions it took, and every host call.
        #[arg(long)]
        calls: bool,
        /// Prints only what fails.
        #[arg(long, short)]
        quiet: bool,
    },
    /// Makes an API key: prints a new random key and, on the next line, its hash as the
    /// configuration has it.
    ApiKey {
        /// Hashes the key on standard input instead.
        #[arg(long)]
        stdin: bool,
    },
    /// Lists what a module imports and exports.
    Inspect {
        /// The module, a .wasm file.
        module: PathBuf,
    },
}

/// Expectations are not met.
const UNMET: u8 = 1;
/// Something given to the command cannot be used.
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run { module, exchanges, config, host, calls, quiet } => {
            run(&module, &exchanges, config.as_deref(), host, calls, quiet)
        }
        Command::ApiKey { stdin: false } => {
            api_key::make(&mut stdout()).map(|()| ExitCode::SUCCESS)
        }
        Command::ApiKey { stdin: true } => {
            api_key::hash_of(stdin(), &mut stdout()).map(|()| ExitCode::SUCCESS)
        }
        Command::Inspect { module } => inspect(&module),
    };
    result.unwrap_or_else(|problem| {
        eprintln!("{problem}");
        ExitCode::from(UNUSABLE)
    })
}

fn run(
    module: &Path,
    exchanges: &[PathBuf],
    config: Option<&Path>,
    host: Option<Profile>,
    calls: bool,
    quiet: bool,
) -> Result<ExitCode, String> {
    let module = load(module)?;
    let config = config.map(read).transpose()?;
    let profiles = host.map_or(Profile::ALL.to_vec(), |only| vec![only]);
    let mut failed = 0;
    let mut runs = 0;
    for file in exchanges {
        for &profile in &profiles {
            runs += 1;
            let name = file.display();
            match run_file(file, &module, config.as_deref(), profile) {
                Ok(report) if quiet || report.skipped => {}
                Ok(report) => println!("# {name} on {profile}\n{}", report.story(calls)),
                Err(Failure::Unmet { unmet, report }) => {
                    failed += 1;
                    println!("# {name} on {profile}\n{}", report.story(calls));
                    unmet.iter().for_each(|unmet| println!("{unmet}\n"));
                }
                Err(failure @ Failure::Load { .. }) => {
                    failed += 1;
                    println!("# {name} on {profile}\n{failure}\n");
                }
                Err(unusable) => return Err(unusable.to_string()),
            }
        }
    }
    println!("{} of {runs} runs passed", runs - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(UNMET) })
}

fn inspect(module: &Path) -> Result<ExitCode, String> {
    let bytes = read(module)?;
    let module = load(module)?;
    println!("{} bytes, compiled in {:?}", bytes.len(), module.compile_time());
    module.imports().iter().for_each(|import| println!("import {import}"));
    module.exports().iter().for_each(|export| println!("export {export}"));
    Ok(ExitCode::SUCCESS)
}

fn load(path: &Path) -> Result<Module, String> {
    Module::load(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}
