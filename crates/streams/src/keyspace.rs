//! The hash-key space: 128 bits, divided among shards.

use std::fmt;

use md5::{Digest, Md5};

/// A point in the hash-key space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKey(pub u128);

impl HashKey {
    /// Where a partition key lands: its MD5 as a big-endian number.
    pub fn of(partition_key: &str) -> Self {
        HashKey(u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into()))
    }

    /// Reads decimal digits. `None` beyond 2^128-1; callers know the text is digits.
    pub fn parse(digits: &str) -> Option<Self> {
        digits.parse().ok().map(HashKey)
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A shard's part of the space; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashRange {
    /// The first key.
    pub start: HashKey,
    /// The last key.
    pub end: HashKey,
}

impl HashRange {
    /// Whether `key` lies inside.
    pub fn contains(&self, key: HashKey) -> bool {
        self.start <= key && key <= self.end
    }

    /// Whether `next` begins right after this ends.
    pub fn touches(&self, next: &HashRange) -> bool {
        self.end.0.checked_add(1) == Some(next.start.0)
    }
}

/// Divides the whole space into `count` ranges as AWS does: every start is a multiple of
/// floor(2^128 / count), and the last range takes the remainder (facts/streams.md § 2.4).
pub fn divide_evenly(count: u32) -> Vec<HashRange> {
    let width = width_of(count);
    (0..u128::from(count))
        .map(|i| HashRange {
            start: HashKey(width.wrapping_mul(i)),
            end: HashKey(if i + 1 == u128::from(count) {
                u128::MAX
            } else {
                width.wrapping_mul(i + 1) - 1
            }),
        })
        .collect()
}

/// floor(2^128 / count); 0 stands for 2^128 itself when there is one range.
fn width_of(count: u32) -> u128 {
    let count = u128::from(count.max(1));
    if count == 1 {
        return 0;
    }
    let quotient = u128::MAX / count;
    if u128::MAX % count == count - 1 { quotient + 1 } else { quotient }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn md5_of_a_known_key() {
        // md5("a") = 0cc175b9c0f1b6a831c399e269772661
        assert_eq!(HashKey::of("a").0, 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661);
    }

    #[test]
    fn three_ranges_as_aws_draws_them() {
        let starts: Vec<String> =
            divide_evenly(3).iter().map(|range| range.start.to_string()).collect();
        assert_eq!(
            starts,
            [
                "0",
                "113427455640312821154458202477256070485",
                "226854911280625642308916404954512140970"
            ]
        );
    }

    #[test]
    fn power_of_two_has_no_remainder() {
        let ranges = divide_evenly(4);
        assert_eq!(ranges[1].start.to_string(), "85070591730234615865843651857942052864");
        assert_eq!(ranges[3].end.0, u128::MAX);
    }

    proptest! {
        #[test]
        fn ranges_cover_the_space_without_overlap(count in 1u32..2000) {
            let ranges = divide_evenly(count);
            prop_assert_eq!(ranges.len(), count as usize);
            prop_assert_eq!(ranges[0].start.0, 0);
            prop_assert_eq!(ranges[ranges.len() - 1].end.0, u128::MAX);
            for pair in ranges.windows(2) {
                prop_assert!(pair[0].touches(&pair[1]));
            }
        }
    }
}
