//! Which sections a configuration may have, and must: a module of one filter has that filter's, the
//! gateway any of them.

use mcp_harness::{Exchange, LoadError, Options, Outcome, Profile};
use mcp_tests::place::{GATEWAY, Place};
use mcp_tests::{message, planted};

/// The least that can be said of each filter, and the module that has it alone.
fn sections() -> [(&'static str, String, &'static str); 4] {
    let keys = format!("[{{\"hash\":\"sha256:{}\",\"principal\":\"x\"}}]", "0".repeat(64));
    let auth = format!(r#"{{"api_keys":{keys},"export_key":"{}"}}"#, planted::EXPORT);
    [
        ("auth", auth, "mcp_auth"),
        ("session", "{}".to_owned(), "mcp_session"),
        ("quota", "{}".to_owned(), "mcp_quota"),
        ("sse", "{}".to_owned(), "mcp_sse"),
    ]
}

/// A configuration with these sections.
fn with(sections: &[&(&str, String, &str)]) -> String {
    let section = |(name, value, _): &&(&str, String, &str)| format!("\"{name}\":{value}");
    format!("{{{}}}", sections.iter().map(section).collect::<Vec<_>>().join(","))
}

/// Why a module does not take a configuration, or `None` if it does.
fn problem(module: &'static str, configuration: &str) -> Option<String> {
    let place = Place { module, profile: Profile::Envoy };
    let options = Options { configuration: configuration.into(), ..Options::default() };
    match place.start(options) {
        Ok(_) => None,
        Err(LoadError::Start { problem, .. }) => Some(problem),
        Err(other) => panic!("{place}: {other}"),
    }
}

#[test]
fn a_module_of_one_filter_takes_no_section_of_another_and_the_gateway_takes_all() {
    let sections = sections();
    for own in &sections {
        assert_eq!(problem(own.2, &with(&[own])), None);
        for other in sections.iter().filter(|other| other.0 != own.0) {
            let problem = problem(own.2, &with(&[own, other])).expect(other.0);
            let expected = format!("{}: unknown field `{}`", other.0, other.0);
            assert!(problem.contains(&expected), "{}: {problem}", own.2);
        }
    }
    for present in 1..1_u32 << sections.len() {
        let chosen: Vec<_> = sections
            .iter()
            .enumerate()
            .filter(|(index, _)| present >> index & 1 == 1)
            .map(|(_, section)| section)
            .collect();
        assert_eq!(problem(GATEWAY, &with(&chosen)), None, "{}", with(&chosen));
    }
}

#[test]
fn who_calls_is_never_left_open_by_saying_nothing() {
    for configuration in ["", "{}", r#"{"servers":[{"name":"a","paths":["/mcp"]}]}"#] {
        let problem = problem("mcp_auth", configuration).expect(configuration);
        assert!(problem.contains("auth.issuers: must name an issuer"), "{problem}");
    }
    for configuration in ["", "{}", r#"{"telemetry":{"log":"exchanges"}}"#] {
        let problem = problem(GATEWAY, configuration).expect(configuration);
        assert!(problem.contains("configuration: has no section"), "{problem}");
    }
    for section in ["auth", "session", "quota", "sse", "admission"] {
        let configuration = format!(r#"{{"admission":{{}},"{section}":null}}"#);
        assert!(problem(GATEWAY, &configuration).is_some(), "{configuration}");
    }
}

/// The other modules have nothing that they could be told too little about.
#[test]
fn a_module_of_one_filter_needs_no_section_where_every_key_has_a_default() {
    for module in ["mcp_session", "mcp_quota", "mcp_sse"] {
        for profile in Profile::ALL {
            let mut host = Place { module, profile }.host(Options::default());
            let call = Exchange::new(message::modern_call("add"));
            assert_eq!(host.exchange(0, &call).outcome, Outcome::Proxied, "{module} on {profile}");
        }
    }
}
