//! Every limit of this crate, with its source.

use std::time::Duration;

/// The largest `Authorization` header that is looked at (`facts/security.md` § 1.1, hygiene).
pub const AUTHORIZATION_BYTES_MAX: usize = 8 * 1024;
/// The most headers one signature may cover (`facts/security.md` § 1.1, hygiene).
pub const SIGNED_HEADERS_MAX: usize = 100;
/// How far a signature's date may lie from the wall clock (Kinesis' messages say "- 5 min.";
/// `facts/security.md` § 1.1).
pub const SKEW_MAX: Duration = Duration::from_secs(5 * 60);
/// The longest life of a presigned request: seven days (AWS's Signature Version 4 documentation).
pub const PRESIGNED_SECONDS_MAX: u32 = 604_800;
/// The longest region name in a credential scope; AWS's longest today has 16 characters.
pub const REGION_BYTES_MAX: usize = 32;
/// How many derived signing keys one generation of the cache holds; two generations are kept.
/// One entry per key, day, region and service, about 300 bytes each (our choice).
pub const DERIVED_KEYS_MAX: usize = 1024;
/// The longest plain text that is sealed into a token (our choice; a `NextToken` is the largest).
pub const SEALED_BYTES_MAX: usize = 64 * 1024;
/// How long a local certificate authority is believed: ten years, so that nobody has to hand it
/// out again while a test machine lives.
pub const CA_DAYS: u64 = 3650;
/// How long a server's certificate is valid: what public authorities give.
pub const LEAF_DAYS: u64 = 90;
/// By when a running server must have a new one: a month before the old one ends.
pub const LEAF_RENEW_DAYS: u64 = 60;
/// By how much certificates are dated back, for clients whose clocks are behind.
pub const CERTIFICATE_GRACE_DAYS: u64 = 1;
/// The most names in one certificate (our choice; a machine has fewer than ten).
pub const LEAF_NAMES_MAX: usize = 32;
/// The longest resource policy. Kinesis publishes no quota; this is DynamoDB's for the same thing.
pub const POLICY_BYTES_MAX: usize = 20 * 1024;
