//! Sorting of short lists.

use core::cmp::Ordering;

/// Sorts by insertion: for some dozens, or what is nearly in order. Equals stay as they were.
///
/// The standard library's sort is fast at any length, for which it takes five to twenty kilobytes of
/// a module, for each type it sorts.
pub fn by<T>(list: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    for end in 1..list.len() {
        let Some((sorted, [next, ..])) = list.split_at_checked(end) else { return };
        let place = sorted.partition_point(|other| compare(other, next).is_le());
        if let Some(moved) = list.get_mut(place..=end) {
            moved.rotate_right(1);
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn the_order_is_that_of_the_standard_library() {
        let lists: [&[(u8, u8)]; 5] = [
            &[],
            &[(1, 0)],
            &[(1, 0), (1, 1), (1, 2)],
            &[(3, 0), (2, 1), (1, 2), (0, 3)],
            &[(2, 0), (9, 1), (2, 2), (1, 3), (9, 4), (1, 5), (5, 6)],
        ];
        for list in lists {
            let (mut ours, mut theirs) = (list.to_vec(), list.to_vec());
            by(&mut ours, |one, other| one.0.cmp(&other.0));
            theirs.sort_by_key(|pair| pair.0);
            assert_eq!(ours, theirs);
        }
    }
}
