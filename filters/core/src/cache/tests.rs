//! The cache, by hand and against a plain list.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::num::NonZeroUsize;

use super::Bounded;

fn of<V>(capacity: usize) -> Bounded<String, V> {
    Bounded::new(NonZeroUsize::new(capacity).expect("at least one"))
}

#[test]
fn the_oldest_makes_room() {
    let mut cache = of(2);
    assert_eq!(cache.insert("a".into(), 1), None);
    assert!(!cache.is_full());
    assert_eq!(cache.insert("b".into(), 2), None);
    assert!(cache.is_full());
    assert_eq!(cache.insert("c".into(), 3), Some(("a".into(), 1)));
    assert_eq!((cache.peek("a"), cache.peek("b"), cache.peek("c")), (None, Some(&2), Some(&3)));
    assert_eq!(cache.len(), 2);
}

#[test]
fn use_keeps_an_entry_and_peeking_does_not() {
    let mut cache = of(2);
    cache.insert("a".into(), 1);
    cache.insert("b".into(), 2);
    assert_eq!(cache.get("a"), Some(&mut 1));
    assert_eq!(cache.insert("c".into(), 3), Some(("b".into(), 2)));
    assert_eq!(cache.peek("a"), Some(&1));
    assert_eq!(cache.insert("d".into(), 4), Some(("a".into(), 1)));
}

#[test]
fn a_known_key_pushes_nothing_out() {
    let mut cache = of(2);
    cache.insert("a".into(), 1);
    cache.insert("b".into(), 2);
    assert_eq!(cache.insert("a".into(), 3), None);
    assert_eq!(cache.peek("a"), Some(&3));
    // To be written is to be used.
    assert_eq!(cache.insert("c".into(), 4), Some(("b".into(), 2)));
}

#[test]
fn values_can_be_changed_in_place() {
    let mut cache = of(1);
    cache.insert("a".into(), 1);
    if let Some(value) = cache.get("a") {
        *value += 1;
    }
    assert_eq!(cache.peek("a"), Some(&2));
}

#[test]
fn what_is_removed_is_gone() {
    let mut cache = of(2);
    cache.insert("a".into(), 1);
    cache.insert("b".into(), 2);
    assert_eq!(cache.remove("a"), Some(1));
    assert_eq!(cache.remove("a"), None);
    assert_eq!(cache.insert("c".into(), 3), None);
    assert_eq!(cache.insert("d".into(), 4), Some(("b".into(), 2)));
    cache.clear();
    assert!(cache.is_empty());
    assert_eq!(cache.insert("e".into(), 5), None);
    assert_eq!(cache.insert("f".into(), 6), None);
    assert_eq!(cache.insert("g".into(), 7), Some(("e".into(), 5)));
}

#[cfg(not(target_arch = "wasm32"))]
mod random {
    use proptest::prelude::*;

    use super::of;

    #[derive(Debug, Clone)]
    enum Step {
        Get(u8),
        Insert(u8, u16),
        Peek(u8),
        Remove(u8),
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = 0_u8..12;
        prop_oneof![
            10 => (key.clone(), any::<u16>()).prop_map(|(key, value)| Step::Insert(key, value)),
            5 => key.clone().prop_map(Step::Get),
            3 => key.clone().prop_map(Step::Peek),
            2 => key.prop_map(Step::Remove),
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        /// It does what a list does, of which the front is the least recently used.
        #[test]
        fn like_a_list(capacity in 1_usize..8, steps in prop::collection::vec(step(), 0..200)) {
            let (mut cache, mut list) = (of(capacity), Vec::<(String, u16)>::new());
            for step in steps {
                let find = |list: &[(String, u16)], key: &str| {
                    list.iter().position(|(other, _)| other == key)
                };
                match step {
                    Step::Insert(key, value) => {
                        let key = key.to_string();
                        let known = find(&list, &key).map(|at| list.remove(at));
                        let room = known.is_some() || list.len() < capacity;
                        let evicted = (!room).then(|| list.remove(0));
                        list.push((key.clone(), value));
                        prop_assert_eq!(cache.insert(key, value), evicted);
                    }
                    Step::Get(key) => {
                        let known = find(&list, &key.to_string()).map(|at| list.remove(at));
                        list.extend(known.clone());
                        let seen = cache.get(key.to_string().as_str()).copied();
                        prop_assert_eq!(seen, known.map(|(_, value)| value));
                    }
                    Step::Peek(key) => {
                        let known = find(&list, &key.to_string()).map(|at| list[at].1);
                        prop_assert_eq!(cache.peek(key.to_string().as_str()).copied(), known);
                    }
                    Step::Remove(key) => {
                        let known = find(&list, &key.to_string()).map(|at| list.remove(at).1);
                        prop_assert_eq!(cache.remove(key.to_string().as_str()), known);
                    }
                    Step::Clear => {
                        list.clear();
                        cache.clear();
                    }
                }
                prop_assert_eq!(cache.len(), list.len());
                prop_assert_eq!(cache.is_full(), list.len() == capacity);
                prop_assert_eq!(cache.uses.len(), list.len());
            }
        }
    }
}
