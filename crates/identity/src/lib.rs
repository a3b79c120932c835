//! Who is calling, and who answers: Signature Version 4 verified and made, keys and accounts, sealed
//! tokens, and a certificate authority of one's own.
//!
//! Pure computation over borrowed views; the keys are injected and nothing here touches a socket
//! or a file. AWS's words and their order: `facts/security.md` § 1.

pub mod authorise;
pub mod authority;
pub mod certificates;
pub mod keys;
pub mod limits;
pub mod policy;
pub mod seal;
pub mod sign;
pub mod sigv4;

pub use authorise::authorise;
pub use authority::{Authority, Standing, claimed_service};
pub use certificates::{CertificateError, Leaf, LocalCa};
pub use keys::{Identity, KeyPair, KeyRing};
pub use seal::Sealer;
pub use sign::{Credentials, sign};
pub use sigv4::{HeaderView, Presented, RequestView};
