//! Who decides whether a request is believed.

use std::sync::Arc;

use stdx::UnixMillis;
use wire::Fault;

use crate::keys::{Identity, KeyRing, Proof};
use crate::sigv4::{
    HeaderView, Payload, Policy, Presented, RequestView, Scope, claimed_credential, hashes_equal,
    hex_of, is_region, read, sha256, signature_mismatch,
};

/// The region of a request that names none, where signatures are not asked for.
const REGION_DEFAULT: &str = "us-east-1";

/// How requests are believed.
pub enum Authority {
    /// By their signature.
    SigV4(KeyRing),
    /// Always: for tests and closed networks. Everyone is this identity.
    None(Arc<Identity>),
}

/// What is known of a request's signature once its headers have been read.
pub enum Standing<'a> {
    /// Signatures are not asked for.
    Trusted(Proof),
    /// Signed over a stated hash, and proven; the body must have that hash.
    ProvenFor(Proof, [u8; 32]),
    /// Plausible, and proven or refused only with the whole body.
    Plausible(Presented<'a>),
}

impl Authority {
    /// Believes everyone, as the root of `account`.
    pub fn none(account: &str) -> Self {
        Authority::None(Arc::new(Identity::root(account)))
    }

    /// The secret of a key, for a protocol whose signatures go on through the body and are verified
    /// where that is read; `None` if nobody has the key.
    pub fn secret_of(&self, access_key_id: &str) -> Option<&str> {
        match self {
            Authority::SigV4(ring) => ring.secret_of(access_key_id),
            Authority::None(_) => None,
        }
    }

    /// Whom a key stands for, once its signature is proven.
    pub fn holder_of(&self, access_key_id: &str) -> Option<Arc<Identity>> {
        match self {
            Authority::SigV4(ring) => ring.holder_of(access_key_id),
            Authority::None(identity) => Some(Arc::clone(identity)),
        }
    }

    /// Whom a request without a signature speaks for: somebody only if nobody has to sign.
    pub fn anyone(&self) -> Option<Arc<Identity>> {
        match self {
            Authority::SigV4(_) => None,
            Authority::None(identity) => Some(Arc::clone(identity)),
        }
    }

    /// Everything that can be said from the headers alone.
    ///
    /// # Errors
    /// The fault of the first row of `facts/security.md` § 1.3 that applies.
    pub fn examine<'a, H: HeaderView + ?Sized>(
        &self,
        request: &RequestView<'a, H>,
        policy: Policy<'_>,
        now: UnixMillis,
    ) -> Result<Standing<'a>, Fault> {
        let ring = match self {
            Authority::SigV4(ring) => ring,
            Authority::None(identity) => {
                let region = claimed_region(request).as_deref().unwrap_or(REGION_DEFAULT).into();
                return Ok(Standing::Trusted(Proof { identity: Arc::clone(identity), region }));
            }
        };
        let presented = read(request, policy, now)?;
        match presented.payload {
            Payload::Hash(hash) => {
                let proof = ring.prove(&presented, request, &hex_of(&hash))?;
                Ok(Standing::ProvenFor(proof, hash))
            }
            _ => {
                ring.recognise(&presented)?;
                Ok(Standing::Plausible(presented))
            }
        }
    }

    /// The last word, with the body.
    ///
    /// # Errors
    /// `InvalidSignatureException` when signature or body do not agree.
    pub fn conclude<H: HeaderView + ?Sized>(
        &self,
        standing: Standing<'_>,
        request: &RequestView<'_, H>,
        body: &[u8],
    ) -> Result<Proof, Fault> {
        match (standing, self) {
            (Standing::Trusted(proof), _) => Ok(proof),
            (Standing::ProvenFor(proof, hash), _) => {
                if hashes_equal(&sha256(body), &hash) {
                    Ok(proof)
                } else {
                    Err(signature_mismatch())
                }
            }
            (Standing::Plausible(presented), Authority::SigV4(ring)) => match presented.payload {
                // Nothing served here may leave its body unsigned.
                Payload::Unsigned | Payload::Unsupported => Err(signature_mismatch()),
                _ => ring.prove(&presented, request, &hex_of(&sha256(body))),
            },
            (Standing::Plausible(_), Authority::None(_)) => Err(signature_mismatch()),
        }
    }

    /// Proves a request that has no body, such as a scrape of `/metrics`.
    ///
    /// # Errors
    /// As [`Authority::examine`] and [`Authority::conclude`].
    pub fn prove_bodiless<H: HeaderView + ?Sized>(
        &self,
        request: &RequestView<'_, H>,
        now: UnixMillis,
    ) -> Result<Proof, Fault> {
        let standing = self.examine(request, Policy { service: None, must_sign: &[] }, now)?;
        self.conclude(standing, request, &[])
    }
}

/// The service in a request's credential scope, believed without proof: enough to choose the
/// protocol of a refusal.
pub fn claimed_service<H: HeaderView + ?Sized>(request: &RequestView<'_, H>) -> Option<String> {
    let credential = claimed_credential(request)?;
    Scope::parse(&credential).map(|scope| scope.service.to_owned())
}

/// The region in a request's credential scope, believed without proof.
fn claimed_region<H: HeaderView + ?Sized>(request: &RequestView<'_, H>) -> Option<String> {
    let credential = claimed_credential(request)?;
    let region = Scope::parse(&credential)?.region;
    is_region(region).then(|| region.to_owned())
}
