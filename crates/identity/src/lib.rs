//! Who is calling: Signature Version 4 verified and made, keys and accounts, and sealed tokens.
//!
//! Pure computation over borrowed views; the keys are injected and nothing here touches a socket
//! or a file. AWS's words and their order: `facts/security.md` § 1.

pub mod authorise;
pub mod authority;
pub mod keys;
pub mod limits;
pub mod seal;
pub mod sign;
pub mod sigv4;

pub use authorise::authorise;
pub use authority::{Authority, Standing};
pub use keys::{Identity, KeyPair, KeyRing};
pub use seal::Sealer;
pub use sign::{Credentials, sign};
pub use sigv4::{HeaderView, Presented, RequestView};
