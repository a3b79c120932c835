//! Sealed tokens: what a caller carries for us and can neither read nor change.
//!
//! Shard iterators and pagination tokens are capabilities, so they are encrypted and
//! authenticated (`facts/security.md` § 0 item 9). Layout: version, key id, 12 random bytes of
//! nonce, AES-256-GCM's ciphertext and tag. The purpose is bound in, so a token of one kind never
//! opens as another.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use stdx::Entropy;

use crate::limits::SEALED_BYTES_MAX;
use crate::sigv4::sha256;

const VERSION: u8 = 1;
const PREFIX_BYTES: usize = 2 + NONCE_LEN;
const TAG_BYTES: usize = 16;

/// Seals and opens tokens under one key.
pub struct Sealer {
    key: LessSafeKey,
    key_id: u8,
}

impl Sealer {
    /// A sealer with this key. Its id is derived from it, so a token of another key is told at
    /// once.
    ///
    /// # Panics
    /// Never: the key has the algorithm's length.
    pub fn new(key: [u8; 32]) -> Self {
        let key_id = sha256(&[b"levada sealer key id".as_slice(), &key].concat())[0];
        let unbound = UnboundKey::new(&AES_256_GCM, &key).expect("the key has 32 bytes");
        Sealer { key: LessSafeKey::new(unbound), key_id }
    }

    /// Seals `plaintext` for `purpose`.
    ///
    /// # Panics
    /// If the plain text is longer than [`SEALED_BYTES_MAX`]: callers seal only what they made.
    pub fn seal(&self, purpose: &str, plaintext: &[u8], entropy: &Entropy) -> Vec<u8> {
        assert!(plaintext.len() <= SEALED_BYTES_MAX, "a token of {} bytes", plaintext.len());
        let nonce: [u8; NONCE_LEN] = entropy.array();
        let mut token = Vec::with_capacity(PREFIX_BYTES + plaintext.len() + TAG_BYTES);
        token.extend_from_slice(&[VERSION, self.key_id]);
        token.extend_from_slice(&nonce);
        token.extend_from_slice(plaintext);
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad(self.key_id, purpose)),
                &mut token[PREFIX_BYTES..],
            )
            .expect("the text is shorter than the cipher's limit");
        token.extend_from_slice(tag.as_ref());
        token
    }

    /// What was sealed for `purpose`, or `None` if this is anything else.
    pub fn open(&self, purpose: &str, token: &[u8]) -> Option<Vec<u8>> {
        let longest = PREFIX_BYTES + SEALED_BYTES_MAX + TAG_BYTES;
        if !(PREFIX_BYTES + TAG_BYTES..=longest).contains(&token.len())
            || token[..2] != [VERSION, self.key_id]
        {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(&token[2..PREFIX_BYTES]).ok()?;
        let mut text = token[PREFIX_BYTES..].to_vec();
        let aad = Aad::from(aad(self.key_id, purpose));
        let length = self.key.open_in_place(nonce, aad, &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }

    /// [`Sealer::seal`], as standard base64.
    pub fn seal_text(&self, purpose: &str, plaintext: &[u8], entropy: &Entropy) -> String {
        base64_simd::STANDARD.encode_to_string(self.seal(purpose, plaintext, entropy))
    }

    /// [`Sealer::open`], from standard base64.
    pub fn open_text(&self, purpose: &str, token: &str) -> Option<Vec<u8>> {
        self.open(purpose, &base64_simd::STANDARD.decode_to_vec(token).ok()?)
    }
}

fn aad(key_id: u8, purpose: &str) -> Vec<u8> {
    [&[VERSION, key_id], purpose.as_bytes()].concat()
}

#[cfg(test)]
mod tests;
