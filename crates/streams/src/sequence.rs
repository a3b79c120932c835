//! Sequence numbers, in AWS's layout: 47 hexadecimal digits written as 56 decimals.
//!
//! | hex digits | meaning |
//! |---|---|
//! | 1 | `2`, so that the decimal form has its length |
//! | 9 | second in which the shard was created |
//! | 1 | shard index modulo 16 |
//! | 16 | the record's position in its shard's log (63 bits) |
//! | 2 | zero |
//! | 9 | second in which the record arrived |
//! | 8 | shard index |
//! | 1 | layout version, `2` |
//!
//! A child shard is created at least a second after its parents, so numbers rise along a lineage.
//! AWS still reads two older layouts, and so do we ([`GivenNumber`]).
//! Source: facts/streams.md § 2.4, kinesalite's recorded behaviour.

use std::fmt;

/// The position that stands for a shard's end.
pub const POSITION_END: u64 = 0x7fff_ffff_ffff_ffff;
/// Creation seconds from here on are refused (facts/streams.md § 2.4).
const CREATED_SECONDS_LIMIT: u64 = 16_025_175_000;
const DIGITS_MAX: usize = 129;
const TEN_19: u64 = 10_000_000_000_000_000_000;

/// A record's place in a stream's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SequenceNumber {
    /// When the shard was created, in seconds.
    pub shard_created_seconds: u64,
    /// The shard's index.
    pub shard: u32,
    /// The position in the shard's log; 0 is the shard's start, [`POSITION_END`] its end.
    pub position: u64,
    /// When the record arrived, in seconds.
    pub arrival_seconds: u64,
}

impl SequenceNumber {
    /// The number at which a shard starts.
    pub fn start_of(shard: u32, shard_created_seconds: u64) -> Self {
        SequenceNumber {
            shard_created_seconds,
            shard,
            position: 0,
            arrival_seconds: shard_created_seconds,
        }
    }

    /// The number at which a shard that was closed at `closed_seconds` ends.
    pub fn end_of(shard: u32, shard_created_seconds: u64, closed_seconds: u64) -> Self {
        SequenceNumber {
            shard_created_seconds,
            shard,
            position: POSITION_END,
            arrival_seconds: closed_seconds,
        }
    }

    /// Reads a decimal sequence number of the current layout.
    pub fn parse(digits: &str) -> Option<Self> {
        match GivenNumber::parse(digits)? {
            GivenNumber::Current(number) => Some(number),
            GivenNumber::Older { .. } => None,
        }
    }

    fn number(self) -> U192 {
        let high = (2u64 << 56)
            | (self.shard_created_seconds << 20)
            | (u64::from(self.shard % 16) << 16)
            | (self.position >> 48);
        let low = (u128::from(self.position & 0xffff_ffff_ffff) << 80)
            | (u128::from(self.arrival_seconds) << 36)
            | (u128::from(self.shard) << 4)
            | 2;
        U192 { high, low }
    }
}

/// A number that a caller gave, in any layout that AWS reads. Whatever the digits between the
/// fields hold is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenNumber {
    /// Version 2, the only one that is still written.
    Current(SequenceNumber),
    /// Versions 0 and 1: no stream of ours wrote it.
    Older {
        /// The shard's index.
        shard: u32,
        /// When the record arrived, in seconds; version 0 does not say.
        arrival_seconds: u64,
    },
}

impl GivenNumber {
    /// Reads a decimal number. `None` if it has no layout.
    pub fn parse(digits: &str) -> Option<Self> {
        if digits.is_empty() || digits.len() > DIGITS_MAX {
            return None;
        }
        let mut number = U192::default();
        for digit in digits.bytes() {
            if !digit.is_ascii_digit() || !number.push_digit(digit - b'0') {
                return None;
            }
        }
        let bits = |low: u32, count: u32| number.bits(low, count);
        if number.high == 0 {
            let created_seconds = bits(88, 36);
            let older = GivenNumber::Older { shard: bits(0, 16) as u32, arrival_seconds: 0 };
            return (created_seconds < CREATED_SECONDS_LIMIT).then_some(older);
        }
        let shard = bits(4, 32) as u32;
        match (bits(184, 8), bits(0, 4)) {
            (2, 1) => Some(GivenNumber::Older { shard, arrival_seconds: bits(100, 36) }),
            (2, 2) => {
                let number = SequenceNumber {
                    shard_created_seconds: bits(148, 36),
                    shard,
                    position: bits(80, 64),
                    arrival_seconds: bits(36, 36),
                };
                let well_formed = number.position <= POSITION_END
                    && number.shard_created_seconds < CREATED_SECONDS_LIMIT;
                well_formed.then_some(GivenNumber::Current(number))
            }
            _ => None,
        }
    }

    /// The index of the shard that it names.
    pub fn shard(self) -> u32 {
        match self {
            GivenNumber::Current(number) => number.shard,
            GivenNumber::Older { shard, .. } => shard,
        }
    }

    /// When the record arrived, in seconds.
    pub fn arrival_seconds(self) -> u64 {
        match self {
            GivenNumber::Current(number) => number.arrival_seconds,
            GivenNumber::Older { arrival_seconds, .. } => arrival_seconds,
        }
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rest, third) = self.number().divide_by_ten_19();
        let (rest, second) = rest.divide_by_ten_19();
        // Below 2^186 < 10^57, so after two divisions what is left fits 64 bits.
        let mut text = [[0u8; 19]; 3];
        let first_len = write_digits(&mut text[0], rest.low as u64);
        write_digits(&mut text[1], second);
        write_digits(&mut text[2], third);
        let digits = &text.as_flattened()[19 - first_len..];
        let digits = std::str::from_utf8(digits).map_err(|_| fmt::Error)?;
        f.write_str(digits)
    }
}

/// Writes `number` right-aligned with leading zeros and says how many digits it really has. Two
/// digits at a time: it is written for every record that is put or got.
fn write_digits(text: &mut [u8; 19], mut number: u64) -> usize {
    let digits = number.checked_ilog10().map_or(0, |log| log as usize + 1);
    for pair in text.rchunks_exact_mut(2) {
        let two = (number % 100) as u8;
        pair[0] = b'0' + two / 10;
        pair[1] = b'0' + two % 10;
        number /= 100;
    }
    text[0] = b'0' + number as u8;
    digits
}

/// `rest * 2^64 + low` divided by 10^19, and what is left. `rest` is less than that, so it fits.
fn divide(rest: u64, low: u64) -> (u64, u64) {
    let number = (u128::from(rest) << 64) | u128::from(low);
    let quotient = (number / u128::from(TEN_19)) as u64;
    (quotient, low.wrapping_sub(quotient.wrapping_mul(TEN_19)))
}

/// Just enough of a 192-bit number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct U192 {
    high: u64,
    low: u128,
}

impl U192 {
    /// Appends a decimal digit; false on overflow.
    fn push_digit(&mut self, digit: u8) -> bool {
        let low_low = (self.low & u128::from(u64::MAX)) * 10 + u128::from(digit);
        let low_high = (self.low >> 64) * 10 + (low_low >> 64);
        let high = u128::from(self.high) * 10 + (low_high >> 64);
        self.low = (low_high << 64) | (low_low & u128::from(u64::MAX));
        self.high = high as u64;
        high >> 64 == 0
    }

    fn divide_by_ten_19(self) -> (U192, u64) {
        let (high, rest) = (self.high / TEN_19, self.high % TEN_19);
        let (middle, rest) = divide(rest, (self.low >> 64) as u64);
        let (bottom, rest) = divide(rest, self.low as u64);
        (U192 { high, low: (u128::from(middle) << 64) | u128::from(bottom) }, rest)
    }

    /// `count` bits (at most 64) from bit `low` up.
    fn bits(&self, low: u32, count: u32) -> u64 {
        let shifted = if low >= 128 {
            u128::from(self.high >> (low - 128))
        } else if low == 0 {
            self.low
        } else {
            (self.low >> low) | (u128::from(self.high) << (128 - low))
        };
        let mask = if count == 64 { u64::MAX } else { (1 << count) - 1 };
        shifted as u64 & mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden_digits() {
        let number = SequenceNumber {
            shard_created_seconds: 1_420_113_600,
            shard: 3,
            position: 5,
            arrival_seconds: 1_420_113_601,
        };
        let hex = format!(
            "2{:09x}{:x}{:016x}00{:09x}{:08x}2",
            number.shard_created_seconds, 3, 5, number.arrival_seconds, 3
        );
        assert_eq!(hex.len(), 47);
        assert_eq!(number.to_string(), decimal_of(&hex));
        assert_eq!(number.to_string().len(), 56);
        assert!(number.to_string().starts_with("49"));
    }

    /// An independent, slow conversion to check the fast one against.
    fn decimal_of(hex: &str) -> String {
        let mut digits = vec![0u8];
        for nibble in hex.chars() {
            let mut carry = nibble.to_digit(16).expect("hex");
            for digit in &mut digits {
                let value = u32::from(*digit) * 16 + carry;
                *digit = (value % 10) as u8;
                carry = value / 10;
            }
            while carry > 0 {
                digits.push((carry % 10) as u8);
                carry /= 10;
            }
        }
        digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
    }

    #[test]
    fn numbers_that_are_none() {
        let future = SequenceNumber::start_of(0, CREATED_SECONDS_LIMIT);
        for digits in ["", "0", "1", "abc", &"9".repeat(130), &"9".repeat(56), &future.to_string()]
        {
            assert_eq!(SequenceNumber::parse(digits), None, "{digits}");
        }
    }

    /// Numbers and what AWS read in them (kinesalite's recorded behaviour).
    #[test]
    fn given_numbers_in_every_layout() {
        let older = |shard, arrival_seconds| Some(GivenNumber::Older { shard, arrival_seconds });
        let current = |shard_created_seconds, shard, position, arrival_seconds| {
            let number = SequenceNumber { shard_created_seconds, shard, position, arrival_seconds };
            Some(GivenNumber::Current(number))
        };
        for (hex, expected) in [
            ("0", older(0, 0)),
            ("5", older(5, 0)),
            ("f3bb2cc3d7ff7fffffffffffffff0000", older(0, 0)),
            ("13bb2cc3d7ff7fffffffffffffff0000", older(0, 0)),
            ("3bb2cc3d7ff7fffffffffffffff0002", older(2, 0)),
            ("13bb2cc3d80000000000000000000000", None),
            ("20000000000000000000000000000000000000000000000", None),
            ("20000000000000000000000000000000000000000000001", older(0, 0)),
            ("20000000000000000000000000000000000000000000051", older(5, 0)),
            ("20000000000000000000000000000000000000000000002", current(0, 0, 0, 0)),
            ("20000000000000000000000000000000000000800000002", current(0, 1 << 31, 0, 0)),
            ("20000000000000000000000000000000000000000000003", None),
            ("20000000000000000000000000000000000000000000004", None),
            ("20000000000800000000000000000000000000000000002", None),
            ("23bb2cc3d80000000000000000000000000000000000002", None),
            ("1ffffffffff7fffffffffffffff000000000007fffffff2", None),
            ("30000000000000000000000000000000000000000000001", None),
        ] {
            assert_eq!(GivenNumber::parse(&decimal_of(hex)), expected, "{hex}");
        }
    }

    #[test]
    fn child_follows_parent() {
        let parent = SequenceNumber::end_of(1, 1_700_000_000, 1_700_000_100);
        let child = SequenceNumber::start_of(2, 1_700_000_101);
        assert!(parent.to_string() < child.to_string());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            shard_created_seconds in 1_000_000_000..CREATED_SECONDS_LIMIT,
            shard in 0..=0x7fff_ffffu32,
            position in 0..=POSITION_END,
            arrival_seconds in 0..0xf_ffff_ffffu64,
        ) {
            let number =
                SequenceNumber { shard_created_seconds, shard, position, arrival_seconds };
            prop_assert_eq!(SequenceNumber::parse(&number.to_string()), Some(number));
        }

        #[test]
        fn positions_order_as_text(a in 0..=POSITION_END, b in 0..=POSITION_END) {
            let number = |position| SequenceNumber {
                shard_created_seconds: 1_700_000_000,
                shard: 0,
                position,
                arrival_seconds: 1_700_000_001,
            };
            prop_assert_eq!(a.cmp(&b), number(a).to_string().cmp(&number(b).to_string()));
        }
    }
}
