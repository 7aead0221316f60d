//! What a warm exchange costs grows with nothing faster than it must. Instructions are counted, nothing
//! is timed.

use mcp_harness::Profile;
use mcp_tests::growth::{self, Growth, Point, Series};
use mcp_tests::module;

/// What may come once on the way from one size to the next: a vector that is moved, a deeper tree.
const STEP: f64 = 10_000.0;
/// Of a cost, what ten times as many of something may add where it should add nothing.
const A_LITTLE: f64 = 0.05;

#[test]
fn no_cost_grows_faster_than_it_must() {
    let all = growth::all(&module::load("mcp_gateway"), 10_000);
    let problems: Vec<String> = all.iter().filter_map(problem).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The first two sizes between which a cost grew too fast.
fn problem(series: &Series) -> Option<String> {
    let Series { name, expected, points, .. } = series;
    let too_fast = match expected {
        Growth::Flat | Growth::Logarithmic => points.windows(2).find(|pair| {
            let tens = (pair[1].x as f64 / pair[0].x as f64).log10().max(1.0);
            added(pair) > A_LITTLE * pair[0].instructions as f64 * tens
        }),
        Growth::Linear => {
            points.windows(3).map(|three| (&three[..2], &three[1..])).find_map(|(before, pair)| {
                let for_each = added(before) / (before[1].x - before[0].x) as f64;
                let allowed = 1.1 * for_each * (pair[1].x - pair[0].x) as f64 + STEP;
                (added(pair) > allowed).then_some(pair)
            })
        }
    }?;
    Some(format!("{name}: more than {expected:?} between {:?} and {:?}", too_fast[0], too_fast[1]))
}

fn added(pair: &[Point]) -> f64 {
    pair[1].instructions as f64 - pair[0].instructions as f64
}

#[test]
fn growth_that_is_too_fast_is_found() {
    let grows = |expected, cost: fn(f64) -> f64| {
        let point = |x: usize| Point {
            x,
            instructions: (100_000.0 + cost(x as f64)) as u64,
            host_calls: 0,
            bytes: 0,
        };
        let points = [1, 10, 100, 1_000].map(point).to_vec();
        problem(&Series { name: "made up", x: "", host: Profile::Envoy, expected, points })
            .is_some()
    };
    assert!(!grows(Growth::Linear, |x| 1_000.0 * x));
    assert!(grows(Growth::Linear, |x| 1_000.0 * x + 1.5 * x * x));
    assert!(grows(Growth::Linear, |x| 300.0 * x * x.log2()));
    assert!(!grows(Growth::Logarithmic, |x| 2_000.0 * x.log10()));
    assert!(grows(Growth::Logarithmic, |x| 50.0 * x));
}
