//! Who is who, in all workers alike.

use super::Hasher;
use crate::store::Subject;
use crate::store::world::{Host, Worker};

fn subject(hasher: &Hasher, parts: &[&str], worker: &mut Worker) -> Subject {
    hasher.subject(parts.iter().map(|part| part.as_bytes()), worker)
}

fn worker(host: &Host, random: u8) -> Worker {
    Worker { host: host.clone(), random: Some(random), ..Worker::default() }
}

#[test]
fn the_hash_is_siphash_2_4_128_of_parts_and_their_lengths() {
    let host = Host::default();
    // Of one part, which is empty: its length is all there is.
    let key: Vec<u8> = (0..16).collect();
    host.set("mcp_quota.1.hash_key", &key, 0);
    let hash = subject(&Hasher::default(), &[""], &mut worker(&host, 1));
    let mut reference =
        siphasher::sip128::SipHasher24::new_with_keys(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
    std::hash::Hasher::write(&mut reference, &[0; 8]);
    let reference = siphasher::sip128::Hasher128::finish128(&reference);
    assert_eq!(hash, Subject(reference.as_bytes()));
}

#[test]
fn other_parts_are_another_subject() {
    let (host, hasher) = (Host::default(), Hasher::default());
    let mut worker = worker(&host, 1);
    let all: [&[&str]; 8] = [
        &[],
        &[""],
        &["", ""],
        &["a", "bc"],
        &["ab", "c"],
        &["abc"],
        &["bc", "a"],
        &["a", "bc", ""],
    ];
    let subjects: std::collections::BTreeSet<_> =
        all.iter().map(|parts| subject(&hasher, parts, &mut worker)).collect();
    assert_eq!(subjects.len(), all.len());
}

#[test]
fn workers_that_start_together_agree_on_a_key() {
    let (host, other_host) = (Host::default(), Host::default());
    let mut first = worker(&host, 1);
    let in_between = host.clone();
    first.before_write = Some(Box::new(move || {
        subject(&Hasher::default(), &["a"], &mut worker(&in_between, 2));
    }));
    let hash = subject(&Hasher::default(), &["a"], &mut first);
    assert_eq!(hash, subject(&Hasher::default(), &["a"], &mut worker(&host, 3)));
    assert_eq!(host.values(), [[2; 16]], "the one that was first");
    let elsewhere = subject(&Hasher::default(), &["a"], &mut worker(&other_host, 9));
    assert_ne!(hash, elsewhere, "each host has its own");
}

#[test]
fn a_key_is_made_once_and_kept() {
    let (host, hasher) = (Host::default(), Hasher::default());
    let mut worker = worker(&host, 1);
    let hash = subject(&hasher, &["a"], &mut worker);
    host.calls();
    host.set("mcp_quota.1.hash_key", &[7; 16], 0);
    assert_eq!(subject(&hasher, &["a"], &mut worker), hash);
    assert_eq!(host.calls(), (0, 0));
}

#[test]
fn what_is_no_key_is_replaced_and_without_randomness_there_is_one_all_the_same() {
    let host = Host::default();
    host.set("mcp_quota.1.hash_key", b"short", 0);
    let hash = subject(&Hasher::default(), &["a"], &mut worker(&host, 1));
    assert_eq!(host.values(), [[1; 16]]);
    let mut without = Worker::default();
    let fixed = subject(&Hasher::default(), &["a"], &mut without);
    assert_eq!(fixed, subject(&Hasher::default(), &["a"], &mut Worker::default()));
    assert_ne!(fixed, hash);
}
