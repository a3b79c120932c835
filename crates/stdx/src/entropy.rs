//! Randomness: the operating system's in production, a seed's in tests.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// The operating system's randomness that a thread fetches at once: asking costs more than the
/// bytes, and every answer carries some.
const POOL_BYTES: usize = 4096;

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL_BYTES], left: 0 }) };
}

/// A thread's randomness, not given out yet.
struct Pool {
    bytes: [u8; POOL_BYTES],
    left: usize,
}

impl Pool {
    /// Fills `bytes`, which must be no more than the pool; what was given out is forgotten.
    fn fill(&mut self, bytes: &mut [u8], refill: impl FnOnce(&mut [u8])) {
        if self.left < bytes.len() {
            refill(&mut self.bytes);
            self.left = POOL_BYTES;
        }
        let taken = &mut self.bytes[self.left - bytes.len()..self.left];
        bytes.copy_from_slice(taken);
        taken.fill(0);
        self.left -= bytes.len();
    }
}

/// A source of random bytes; clones share the source.
#[derive(Clone)]
pub struct Entropy(Arc<Source>);

enum Source {
    System(SystemRandom),
    Seeded(Mutex<u64>),
}

impl Entropy {
    /// The operating system's cryptographic randomness.
    pub fn system() -> Self {
        Entropy(Arc::new(Source::System(SystemRandom::new())))
    }

    /// A repeatable, *not* cryptographic series for tests: the same seed gives the same bytes.
    pub fn seeded(seed: u64) -> Self {
        Entropy(Arc::new(Source::Seeded(Mutex::new(seed))))
    }

    /// Fills `bytes`.
    ///
    /// # Panics
    /// If the operating system has no randomness to give: nothing here can go on without it.
    pub fn fill(&self, bytes: &mut [u8]) {
        match &*self.0 {
            Source::System(system) => {
                let refill = |bytes: &mut [u8]| {
                    system.fill(bytes).expect("the operating system gives randomness");
                };
                if bytes.len() <= POOL_BYTES / 8 {
                    POOL.with_borrow_mut(|pool| pool.fill(bytes, refill));
                } else {
                    refill(bytes);
                }
            }
            Source::Seeded(state) => {
                let mut state = state.lock().expect("no panic while held");
                for chunk in bytes.chunks_mut(8) {
                    chunk.copy_from_slice(&split_mix(&mut state).to_le_bytes()[..chunk.len()]);
                }
            }
        }
    }

    /// A random `N`-byte array.
    pub fn array<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A random 64-bit number.
    pub fn u64(&self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// A random number below `bound`, which must not be zero. The bias is below 2^-32 for the
    /// bounds in use here.
    pub fn below(&self, bound: u64) -> u64 {
        ((u128::from(self.u64()) * u128::from(bound)) >> 64) as u64
    }
}

/// One step of Sebastiano Vigna's splitmix64 (<https://prng.di.unimi.it/splitmix64.c>).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_bytes() {
        assert_eq!(Entropy::seeded(7).array::<33>(), Entropy::seeded(7).array::<33>());
        assert_ne!(Entropy::seeded(7).u64(), Entropy::seeded(8).u64());
    }

    #[test]
    fn no_byte_is_given_out_twice() {
        let mut pool = Pool { bytes: [0; POOL_BYTES], left: 0 };
        let mut refills = 0u8;
        for _ in 0..100 {
            let mut given = [0; 99];
            pool.fill(&mut given, |bytes| {
                refills += 1;
                bytes.fill(refills);
            });
            assert_eq!(given, [refills; 99]);
            assert!(pool.bytes[pool.left..].iter().all(|byte| *byte == 0));
        }
        assert_eq!(usize::from(refills), 100usize.div_ceil(POOL_BYTES / 99));
    }

    #[test]
    fn below_stays_below() {
        let entropy = Entropy::seeded(1);
        assert!((0..1000).all(|_| entropy.below(3) < 3));
    }
}
