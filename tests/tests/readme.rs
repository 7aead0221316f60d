//! The configurations in README.md are ones that the modules take.

use mcp_harness::{Exchange, Host, LogLevel, Options, Profile, Request};
use mcp_tests::module;

/// The JSON blocks of the README, each with the line it begins in.
fn configurations() -> Vec<(usize, String)> {
    let readme = std::fs::read_to_string(module::repository().join("README.md")).expect("a README");
    let mut blocks = Vec::new();
    let mut lines = (1..).zip(readme.lines());
    while let Some((number, _)) = lines.find(|(_, line)| *line == "```json") {
        let block: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        blocks.push((number, block.join("\n")));
    }
    blocks
}

/// What an example is about: its list of servers, or its first section.
fn section_of(example: &str) -> &str {
    if example.contains("\n  \"servers\": [") {
        return "servers";
    }
    example.trim_start_matches(['{', ' ', '\n', '"']).split('"').next().unwrap_or_default()
}

#[test]
fn every_example_loads_in_every_module_that_has_its_sections() {
    let examples = configurations();
    for (section, name, status, count) in [
        ("auth", "mcp_auth", 401, 5),
        ("auth", "mcp_gateway", 401, 5),
        ("quota", "mcp_quota", 200, 3),
        ("quota", "mcp_gateway", 200, 3),
        ("sse", "mcp_sse", 200, 1),
        ("sse", "mcp_gateway", 200, 1),
        // A list of servers, which answer to hosts of their own.
        ("servers", "mcp_gateway", 421, 1),
    ] {
        let module = module::load(name);
        let about = |(_, example): &&(usize, String)| section_of(example) == section;
        let examples: Vec<_> = examples.iter().filter(about).collect();
        assert!(examples.len() >= count, "{section}: {} examples", examples.len());
        for (line, example) in examples {
            for profile in Profile::ALL {
                let options =
                    Options { configuration: example.clone().into(), ..Options::default() };
                let mut host = Host::new(&module, profile, options)
                    .unwrap_or_else(|error| panic!("README.md:{line}, {name}, {profile}: {error}"));
                // APISIX configures at the first request. Where auth is, nobody passes without
                // credentials.
                let answer = host.exchange(0, &Exchange::new(Request::new("GET", "/mcp")));
                let errors = host.log().into_iter().filter(|line| line.level > LogLevel::Warn);
                let errors: Vec<String> = errors.map(|line| line.text).collect();
                assert!(errors.is_empty(), "README.md:{line}, {name}, {profile}: {errors:?}");
                assert_eq!(answer.status(), status, "README.md:{line}, {name}, {profile}");
            }
        }
    }
}
