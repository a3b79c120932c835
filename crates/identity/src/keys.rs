//! Key pairs, whose they are, and the cache of signing keys derived from them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::hmac;
use stdx::Entropy;
use wire::Fault;

use crate::limits::DERIVED_KEYS_MAX;
use crate::sigv4::{
    HeaderView, PathStyle, Presented, RequestView, Scope, derive_key, signature_matches,
    signature_mismatch, unrecognized_client,
};

/// Whom a key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Twelve digits.
    pub account: Arc<str>,
    /// The ARN, such as `arn:aws:iam::000000000000:root`.
    pub principal: Arc<str>,
}

impl Identity {
    /// The root of an account.
    pub fn root(account: &str) -> Self {
        Identity {
            account: account.into(),
            principal: format!("arn:aws:iam::{account}:root").into(),
        }
    }
}

/// An access key id and its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// `AKIA` and 16 more for a long-lived key.
    pub access_key_id: String,
    /// 40 characters. Never logged.
    pub secret_access_key: String,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

impl KeyPair {
    /// A new long-lived key pair in AWS's shape.
    pub fn generate(entropy: &Entropy) -> Self {
        const ID_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let suffix =
            entropy.array::<16>().map(|byte| char::from(ID_ALPHABET[usize::from(byte & 31)]));
        KeyPair {
            access_key_id: format!("AKIA{}", String::from_iter(suffix)),
            secret_access_key: base64_simd::STANDARD.encode_to_string(entropy.array::<30>()),
        }
    }
}

/// A proven request: whom it speaks for, and in which region.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Whose key it was.
    pub identity: Arc<Identity>,
    /// The scope's region.
    pub region: Arc<str>,
}

/// Every key that the server accepts.
///
/// The ring does not change; a new configuration is a new ring, so a derived key never outlives
/// its secret.
pub struct KeyRing {
    keys: HashMap<String, Key>,
    derived: RwLock<Generations>,
    /// Works for key ids that nobody has, so that they cost what others cost.
    decoy_secret: String,
}

struct Key {
    secret: String,
    identity: Arc<Identity>,
}

struct Derived {
    key: hmac::Key,
    proof: Proof,
}

/// A bounded cache without bookkeeping on a hit: when the young generation is full it becomes the
/// old one. Only proven requests add to it, so strangers cannot wash it out.
#[derive(Default)]
struct Generations {
    young: HashMap<Box<str>, Arc<Derived>>,
    old: HashMap<Box<str>, Arc<Derived>>,
}

impl KeyRing {
    /// A ring of these keys.
    pub fn new(keys: impl IntoIterator<Item = (KeyPair, Identity)>, entropy: &Entropy) -> Self {
        let keys = keys
            .into_iter()
            .map(|(pair, identity)| {
                let key = Key { secret: pair.secret_access_key, identity: Arc::new(identity) };
                (pair.access_key_id, key)
            })
            .collect();
        let decoy_secret = KeyPair::generate(entropy).secret_access_key;
        KeyRing { keys, derived: RwLock::default(), decoy_secret }
    }

    pub(crate) fn secret_of(&self, access_key_id: &str) -> Option<&str> {
        self.keys.get(access_key_id).map(|key| key.secret.as_str())
    }

    pub(crate) fn holder_of(&self, access_key_id: &str) -> Option<Arc<Identity>> {
        self.keys.get(access_key_id).map(|key| Arc::clone(&key.identity))
    }

    /// Whether a presented key could be proven at all: known, and with a token exactly if it is a
    /// temporary one. Cheap; asked before a large body is read (row 12 of
    /// `facts/security.md` § 1.3).
    ///
    /// # Errors
    /// `UnrecognizedClientException`.
    pub fn recognise(&self, presented: &Presented<'_>) -> Result<(), Fault> {
        let known = self.keys.contains_key(presented.scope().access_key_id);
        // Every key here is long-lived: sessions are sealed tokens and come with STS.
        if known && presented.token.is_none() { Ok(()) } else { Err(unrecognized_client()) }
    }

    /// Proves a request, rows 12 to 14. `payload_hash` is the hash under the signature.
    ///
    /// # Errors
    /// `UnrecognizedClientException`, or `InvalidSignatureException` when the arithmetic does not
    /// agree.
    pub fn prove<H: HeaderView + ?Sized>(
        &self,
        presented: &Presented<'_>,
        request: &RequestView<'_, H>,
        payload_hash: &str,
    ) -> Result<Proof, Fault> {
        let matches = |key: &hmac::Key| {
            signature_matches(key, presented, request, PathStyle::ORDINARY, payload_hash)
        };
        if let Some(derived) = self.derived(&presented.credential)
            && presented.token.is_none()
        {
            return if matches(&derived.key) {
                Ok(derived.proof.clone())
            } else {
                Err(signature_mismatch())
            };
        }
        let scope = presented.scope();
        let recognised = self.recognise(presented);
        let known = self.keys.get(scope.access_key_id);
        let secret = known.map_or(&self.decoy_secret, |key| &key.secret);
        let key = derive_key(secret, &scope);
        let matched = matches(&key);
        recognised?;
        match known {
            Some(known) if matched => {
                let identity = Arc::clone(&known.identity);
                let proof = Proof { identity, region: scope.region.into() };
                self.remember(&scope, Derived { key, proof: proof.clone() });
                Ok(proof)
            }
            _ => Err(signature_mismatch()),
        }
    }

    fn derived(&self, credential: &str) -> Option<Arc<Derived>> {
        let generations = self.derived.read().unwrap_or_else(PoisonError::into_inner);
        generations.young.get(credential).or_else(|| generations.old.get(credential)).cloned()
    }

    fn remember(&self, scope: &Scope<'_>, derived: Derived) {
        let mut generations = self.derived.write().unwrap_or_else(PoisonError::into_inner);
        if generations.young.len() >= DERIVED_KEYS_MAX {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(scope.credential.into(), Arc::new(derived));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_pair_has_awss_shape_and_hides_its_secret() {
        let pair = KeyPair::generate(&Entropy::seeded(1));
        assert_eq!(pair.access_key_id.len(), 20);
        assert!(pair.access_key_id.starts_with("AKIA"));
        assert_eq!(pair.secret_access_key.len(), 40);
        assert!(!format!("{pair:?}").contains(&pair.secret_access_key));
        assert_ne!(pair, KeyPair::generate(&Entropy::seeded(2)));
    }

    #[test]
    fn the_cache_is_bounded() {
        let entropy = Entropy::seeded(3);
        let ring = KeyRing::new([(KeyPair::generate(&entropy), Identity::root("0"))], &entropy);
        for region in 0..DERIVED_KEYS_MAX * 3 {
            let credential = format!("k/20261124/r{region}/kinesis/aws4_request");
            let scope = Scope::parse(&credential).unwrap();
            let proof =
                Proof { identity: Arc::new(Identity::root("0")), region: scope.region.into() };
            ring.remember(&scope, Derived { key: derive_key("s", &scope), proof });
        }
        let generations = ring.derived.read().unwrap();
        assert!(generations.young.len() + generations.old.len() <= 2 * DERIVED_KEYS_MAX);
    }
}
