//! Each algorithm by hand, and what holds for all of them.

#![expect(clippy::arithmetic_side_effects, reason = "a test may panic: that is how it fails")]

use proptest::prelude::*;

use super::{Counter, Tag};
use crate::store::{Algorithm, Charge, CounterId, Mode, Standing};

const FIXED: Algorithm = Algorithm::FixedWindow { window: 100 };
const SLIDING: Algorithm = Algorithm::SlidingWindow { window: 100 };
const BUCKET: Algorithm = Algorithm::TokenBucket { window: 100, burst: 5 };
const CONCURRENT: Algorithm = Algorithm::Concurrent { forget_after: 100 };

/// One counter with a limit of 10, step by step: when, what, and what comes of it.
struct Script {
    counter: Counter,
    charge: Charge,
}

impl Script {
    fn of(algorithm: Algorithm) -> Self {
        let charge =
            Charge { counter: CounterId(7), algorithm, limit: 10, amount: 0, mode: Mode::Enforce };
        Self { counter: Counter::fresh(Tag::of(&charge)), charge }
    }

    /// What is taken, what remains and when to come again.
    fn take(&mut self, now: u64, amount: u64) -> (u64, u64, Option<u64>) {
        self.take_as(Mode::Enforce, now, amount)
    }

    fn take_as(&mut self, mode: Mode, now: u64, amount: u64) -> (u64, u64, Option<u64>) {
        let taken = self.counter.take(&Charge { amount, mode, ..self.charge }, now);
        let Standing { remaining, reset, exceeded } = taken.standing;
        assert!(exceeded || taken.amount == amount, "what is not exceeded is taken");
        (taken.amount, remaining, reset)
    }

    /// Whether that changed what is left.
    fn settle(&mut self, now: u64, at: u64, taken: u64, cost: u64) -> bool {
        let left = |mut counter: Counter| counter.take(&self.charge, now).standing.remaining;
        let before = left(self.counter);
        self.counter.settle(&self.charge, at, taken, cost, now);
        left(self.counter) != before
    }
}

#[test]
fn a_fixed_window_forgets_all_at_its_end() {
    let mut script = Script::of(FIXED);
    assert_eq!(script.take(250, 4), (4, 6, Some(50)));
    assert_eq!(script.take(299, 6), (6, 0, Some(1)));
    assert_eq!(script.take(299, 1), (0, 0, Some(1)));
    assert_eq!(script.take(299, 11), (0, 0, None), "more than there ever is");
    assert!(!script.counter.is_idle(299));
    assert!(script.counter.is_idle(300));
    assert_eq!(script.take(300, 10), (10, 0, Some(100)));
}

#[test]
fn a_fixed_window_is_settled_as_long_as_it_lasts() {
    let mut script = Script::of(FIXED);
    assert_eq!(script.take(210, 8), (8, 2, Some(90)));
    assert!(script.settle(220, 210, 8, 3));
    assert_eq!(script.take(220, 8), (0, 7, Some(80)));
    assert!(script.settle(230, 210, 3, 12), "it cost more than there was");
    assert_eq!(script.take(230, 1), (0, 0, Some(70)));
    assert_eq!(script.take(310, 1), (1, 9, Some(90)));
    assert!(!script.settle(310, 210, 12, 0), "its window is over");
    assert!(!script.settle(310, 210, 12, 99), "its window is over");
    assert_eq!(script.take(310, 9), (9, 0, Some(90)));
    assert!(script.settle(310, 310, 10, 0));
    assert!(script.counter.is_idle(310));
}

#[test]
fn a_sliding_window_forgets_evenly_and_rounds_against_the_caller() {
    let mut script = Script::of(SLIDING);
    assert_eq!(script.take(250, 10), (10, 0, Some(150)));
    // Within its own window nothing fades: until 310, when 9 of 10 are left.
    assert_eq!(script.take(299, 1), (0, 0, Some(11)));
    assert_eq!(script.take(309, 1), (0, 0, Some(1)), "9.1 are 10");
    assert_eq!(script.take(310, 1), (1, 0, Some(190)));
    assert_eq!(script.take(310, 5), (0, 0, Some(50)));
    assert_eq!(script.take(360, 5), (5, 0, Some(140)));
    assert!(!script.counter.is_idle(499));
    assert!(script.counter.is_idle(500));
}

#[test]
fn a_sliding_window_is_settled_where_it_was_taken_from() {
    let mut script = Script::of(SLIDING);
    assert_eq!(script.take(250, 10), (10, 0, Some(150)));
    assert_eq!(script.take(350, 5), (5, 0, Some(150)));
    assert!(script.settle(350, 250, 10, 4), "the window before: half of 6 comes back");
    assert_eq!(script.take(350, 3), (3, 0, Some(150)));
    assert!(script.settle(350, 350, 8, 0));
    assert!(script.settle(350, 250, 4, 0));
    assert!(script.counter.is_idle(350));
    assert!(!script.settle(460, 250, 9, 99), "no window that counts any more");
}

#[test]
fn a_token_bucket_gives_its_burst_and_fills_evenly() {
    let mut script = Script::of(BUCKET);
    assert_eq!(script.take(1_000, 6), (0, 5, None), "more than it holds");
    assert_eq!(script.take(1_000, 5), (5, 0, Some(50)));
    assert_eq!(script.take(1_000, 1), (0, 0, Some(10)));
    assert_eq!(script.take(1_009, 1), (0, 0, Some(1)));
    assert_eq!(script.take(1_010, 1), (1, 0, Some(50)));
    // Fractions add up: three times a third of a token.
    assert_eq!(script.take(1_023, 1), (1, 0, Some(47)));
    assert_eq!(script.take(1_029, 1), (0, 0, Some(1)));
    assert_eq!(script.take(1_030, 1), (1, 0, Some(50)));
    assert!(!script.counter.is_idle(1_079));
    assert!(script.counter.is_idle(1_080));
}

#[test]
fn a_token_bucket_goes_into_debt_by_settlement() {
    let mut script = Script::of(BUCKET);
    assert_eq!(script.take(1_000, 2), (2, 3, Some(20)));
    assert!(script.settle(1_000, 1_000, 2, 25));
    assert_eq!(script.take(1_000, 1), (0, 0, Some(210)));
    assert_eq!(script.take(1_210, 1), (1, 0, Some(50)));
}

#[test]
fn a_token_bucket_gives_back_only_what_has_not_flowed_in_again() {
    let mut script = Script::of(BUCKET);
    assert_eq!(script.take(1_000, 5), (5, 0, Some(50)));
    assert!(script.settle(1_010, 1_000, 5, 1), "all that lacks");
    assert_eq!(script.take(1_010, 5), (5, 0, Some(50)));
    // It was full since, at 1,060: what is taken then is another's.
    assert_eq!(script.take(1_070, 3), (3, 2, Some(30)));
    assert!(!script.settle(1_070, 1_010, 5, 0));
    assert_eq!(script.take(1_070, 3), (0, 2, Some(10)));
    assert!(
        script.settle(1_070, 1_070, 3, 0),
        "taken in the same millisecond in which it was full"
    );
    assert!(script.counter.is_idle(1_070));
}

#[test]
fn a_token_bucket_holds_a_month_of_cost() {
    const MONTH: u64 = 30 * 24 * 3_600_000;
    const COST: u64 = 1_000_000_000_000_000;
    let mut script = Script::of(Algorithm::TokenBucket { window: MONTH, burst: COST });
    script.charge.limit = COST;
    assert_eq!(script.take(0, COST), (COST, 0, Some(MONTH)));
    assert_eq!(script.take(MONTH / 2, COST), (0, COST / 2, Some(MONTH / 2)));
    assert_eq!(script.take(MONTH / 2, COST / 2), (COST / 2, 0, Some(MONTH)));
}

#[test]
fn into_a_bucket_without_a_limit_nothing_flows() {
    let mut script = Script::of(BUCKET);
    script.charge.limit = 0;
    assert_eq!(script.take(1_000, 1), (0, 0, None));
    assert_eq!(script.take_as(Mode::Force, 1_000, 1), (1, 0, None));
    assert!(!script.counter.is_idle(1_099));
    assert!(script.counter.is_idle(1_100));
}

#[test]
fn what_is_taken_at_a_time_is_given_back_or_forgotten() {
    let mut script = Script::of(CONCURRENT);
    assert_eq!(script.take(250, 10), (10, 0, None));
    assert_eq!(script.take(399, 1), (0, 0, None), "time alone brings nothing back");
    assert!(script.settle(399, 250, 1, 0));
    assert_eq!(script.take(399, 1), (1, 0, None));
    // Whoever took at 250 is believed gone at 400, however busy the counter was; not so the other.
    assert_eq!(script.take(400, 10), (0, 9, None));
    assert_eq!(script.take(400, 9), (9, 0, None));
    assert!(!script.settle(400, 250, 9, 0), "what is forgotten is not given back as well");
    assert_eq!(script.take(400, 1), (0, 0, None));
    assert!(script.settle(400, 399, 1, 0) && script.settle(400, 400, 9, 0));
    assert!(script.counter.is_idle(400));
}

#[test]
fn modes_differ_in_what_becomes_of_what_is_too_much() {
    for (algorithm, all) in [(FIXED, 50), (SLIDING, 150), (BUCKET, 110)] {
        let mut script = Script::of(algorithm);
        let capacity = if algorithm == BUCKET { 5 } else { 10 };
        assert_eq!(script.take(250, capacity).0, capacity, "{algorithm:?}");
        let words = script.counter;
        assert_eq!(script.take_as(Mode::Shadow, 250, 6).0, 0, "{algorithm:?}");
        assert_eq!(script.take_as(Mode::Enforce, 250, 6).0, 0, "{algorithm:?}");
        assert_eq!(script.counter, words, "{algorithm:?}");
        assert_eq!(script.take_as(Mode::Force, 250, 6), (6, 0, Some(all)), "{algorithm:?}");
    }
}

#[test]
fn a_limit_that_changes_is_a_new_limit_for_what_was_taken() {
    for algorithm in [FIXED, SLIDING, CONCURRENT] {
        let mut script = Script::of(algorithm);
        assert_eq!(script.take(250, 8).1, 2);
        script.charge.limit = 5;
        let (taken, remaining, _) = script.take(250, 1);
        assert_eq!((taken, remaining), (0, 0), "{algorithm:?}");
        script.charge.limit = 20;
        assert_eq!(script.take(250, 12).0, 12, "{algorithm:?}");
    }
}

fn algorithms(
    length: impl Strategy<Value = u64> + Clone + 'static,
) -> impl Strategy<Value = Algorithm> {
    (0..4u8, length, 0..40u64).prop_map(|(kind, length, burst)| match kind {
        0 => Algorithm::FixedWindow { window: length },
        1 => Algorithm::SlidingWindow { window: length },
        2 => Algorithm::TokenBucket { window: length, burst },
        _ => Algorithm::Concurrent { forget_after: length },
    })
}

fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![0..1_000u64, any::<u64>(), Just(u64::MAX)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever the words and the numbers, nothing panics.
    #[test]
    fn any_words_are_a_counter(
        algorithm in algorithms(any::<u64>()),
        words in any::<[u64; 4]>(),
        (limit, amount, cost) in (numbers(), numbers(), numbers()),
        now in numbers(),
        at in numbers(),
    ) {
        let mut script = Script::of(algorithm);
        script.charge.limit = limit;
        script.counter.words = words;
        script.settle(now, at, amount, cost);
        let (taken, ..) = script.take(now, amount);
        script.take_as(Mode::Force, now, cost);
        script.settle(now, at, taken, cost);
    }

    /// A wait that is promised is neither too short nor too long, and a counter that is idle is as
    /// good as a fresh one, and was not before.
    #[test]
    fn waits_are_exact(
        algorithm in algorithms(1..300u64),
        earlier in prop::collection::vec((0..200u64, 0..30u64), 0..6),
        limit in 0..40u64,
        amount in 1..40u64,
    ) {
        let mut script = Script::of(algorithm);
        script.charge.limit = limit;
        let mut now = 1_000;
        for (pause, amount) in earlier {
            now += pause;
            script.take_as(Mode::Force, now, amount);
        }
        let capacity = match algorithm {
            Algorithm::TokenBucket { burst, .. } if limit > 0 => burst,
            _ => limit,
        };
        let after = |wait: u64| {
            let mut script = Script { counter: script.counter, charge: script.charge };
            script.take(now + wait, amount)
        };
        match after(0) {
            (0, _, Some(wait)) => {
                prop_assert_eq!(after(wait).0, amount, "waited {}", wait);
                prop_assert_eq!(after(wait - 1).0, 0, "waited {}", wait - 1);
            }
            (0, _, None) => {
                let concurrent = matches!(algorithm, Algorithm::Concurrent { .. });
                prop_assert!(concurrent || amount > capacity);
            }
            (taken, ..) => prop_assert_eq!(taken, amount),
        }
        let mut fresh = Script::of(algorithm);
        fresh.charge.limit = limit;
        let idle_in = script.counter.idle_at.saturating_sub(now);
        let as_fresh = fresh.take(now + idle_in, amount);
        prop_assert_eq!(after(idle_in), as_fresh);
        if idle_in > 0 && capacity > 0 {
            let (_, left, _) = script.take(now + idle_in - 1, 0);
            prop_assert!(left < capacity, "idle before {}", idle_in);
        }
    }

    /// What is taken in any stretch as long as a window is within the bound that is documented.
    #[test]
    fn no_more_is_taken_than_documented(
        algorithm in prop::sample::select(vec![FIXED, SLIDING, BUCKET]),
        steps in prop::collection::vec((0..40u64, 1..11u64), 1..40),
    ) {
        let mut script = Script::of(algorithm);
        let mut now = 1_000;
        let mut log = Vec::new();
        for (pause, amount) in steps {
            now += pause;
            log.push((now, script.take(now, amount).0));
        }
        let within = |from, to| -> u64 {
            log.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, taken)| taken).sum()
        };
        for &(at, _) in &log {
            let aligned = at / 100 * 100;
            let (aligned, any) = (within(aligned, aligned + 100), within(at, at + 100));
            match algorithm {
                BUCKET => prop_assert!(any <= 5 + 10, "{any}"),
                _ => prop_assert!(aligned <= 10 && any <= 10 + 10, "{aligned} {any}"),
            }
        }
    }

    /// All of it given back, whenever and in whatever order, a counter is as good as a fresh one.
    #[test]
    fn refunds_are_exact(
        algorithm in prop::sample::select(vec![FIXED, SLIDING, BUCKET, CONCURRENT]),
        steps in prop::collection::vec((0..60u64, 0..5u64, any::<bool>()), 1..20),
        order in any::<u64>(),
    ) {
        let mut script = Script::of(algorithm);
        let mut now = 1_000;
        let mut open = Vec::new();
        for (pause, amount, forced) in steps {
            now += pause;
            let mode = if forced { Mode::Force } else { Mode::Enforce };
            let (taken, ..) = script.take_as(mode, now, amount);
            open.push((now, taken));
        }
        while !open.is_empty() {
            let which = usize::try_from(order).unwrap_or(0) % open.len();
            let (at, taken) = open.swap_remove(which);
            now += order % 3;
            script.settle(now, at, taken, 0);
        }
        prop_assert!(script.counter.is_idle(now), "{:?}", script.counter);
    }
}
