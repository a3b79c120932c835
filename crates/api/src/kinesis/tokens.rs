//! Shard iterators and next tokens: sealed, so that nobody can make one, and opaque.
//!
//! A shard iterator is eight bytes `0…01` and a sealed cursor, in base64. Its length follows AWS's:
//! 152 + ⌊(name + 2) / 16⌋ · 16 bytes (facts/streams.md § 2.4), so the cursor is padded. Since the
//! nonce is random, no two iterators are the same, as with AWS.

use minicbor::{Decode, Encode};
use stdx::UnixMillis;
use streams::Position;
use streams::{Cursor, StreamName, World};
use wire::{Call, Fault};

use super::Kinesis;
use super::faults::{expired_token, invalid_argument, invalid_token};
use crate::world_of;

const ITERATOR_PURPOSE: &str = "kinesis shard iterator";
const ITERATOR_PREFIX: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 1];
/// What sealing adds: version, key id, nonce and tag.
const SEAL_BYTES: usize = 30;

/// What is sealed in a shard iterator.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
struct IteratorToken {
    #[n(0)]
    generation: u64,
    #[n(1)]
    shard: u32,
    #[n(2)]
    position: u64,
    #[n(3)]
    created_ms: u64,
    #[n(4)]
    account: String,
    #[n(5)]
    region: String,
    #[n(6)]
    stream: String,
}

/// Where a listing continues.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct ListToken {
    /// When it was sealed; sealing sets it.
    #[n(0)]
    pub(super) created_ms: u64,
    /// The stream's generation; 0 for a list of streams.
    #[n(1)]
    pub(super) generation: u64,
    /// The name or index after which to go on.
    #[n(2)]
    pub(super) after: String,
    /// The filter's type, if there is one.
    #[n(3)]
    pub(super) filter: Option<String>,
    /// The filter's time, if it has one.
    #[n(4)]
    pub(super) time_ms: Option<u64>,
}

impl Kinesis {
    /// The iterator that stands for a cursor.
    pub(super) fn seal_cursor(&self, stream: &StreamName, cursor: &Cursor) -> String {
        let token = IteratorToken {
            generation: cursor.generation,
            shard: cursor.shard,
            position: cursor.position.0,
            created_ms: cursor.created.0,
            account: stream.world.account.to_string(),
            region: stream.world.region.to_string(),
            stream: stream.name.to_string(),
        };
        let mut text = encode(&token);
        let length = 152 + (stream.name.len() + 2) / 16 * 16;
        text.resize(text.len().max(length - ITERATOR_PREFIX.len() - SEAL_BYTES), 0);
        let sealed = self.sealer.seal(ITERATOR_PURPOSE, &text, &self.entropy);
        base64_simd::STANDARD.encode_to_string([&ITERATOR_PREFIX[..], &sealed].concat())
    }

    /// The stream and the cursor that an iterator stands for.
    ///
    /// An iterator in double quotes is taken, as AWS does (facts/streams.md § 2.4).
    pub(super) fn open_cursor(
        &self,
        call: &Call,
        iterator: &str,
    ) -> Result<(StreamName, Cursor), Fault> {
        let invalid = || invalid_argument("Invalid ShardIterator.");
        let bare = iterator.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let bytes =
            base64_simd::STANDARD.decode_to_vec(bare.unwrap_or(iterator)).map_err(|_| invalid())?;
        let sealed = bytes.strip_prefix(&ITERATOR_PREFIX[..]).ok_or_else(invalid)?;
        let text = self.sealer.open(ITERATOR_PURPOSE, sealed).ok_or_else(invalid)?;
        let token: IteratorToken = minicbor::decode(&text).map_err(|_| invalid())?;
        let world = World { account: token.account.into(), region: token.region.into() };
        // An iterator is a capability of the account and region it was made for.
        if world != world_of(call) {
            return Err(invalid());
        }
        let cursor = Cursor {
            generation: token.generation,
            shard: token.shard,
            position: Position(token.position),
            created: UnixMillis(token.created_ms),
        };
        Ok((world.stream(token.stream), cursor))
    }

    /// A next token of one kind of listing.
    pub(super) fn seal_list(&self, call: &Call, listing: &str, token: ListToken) -> String {
        let token = ListToken { created_ms: self.streams.now().0, ..token };
        self.sealer.seal_text(&purpose(call, listing), &encode(&token), &self.entropy)
    }

    /// What a next token stands for.
    pub(super) fn open_list(
        &self,
        call: &Call,
        listing: &str,
        token: &str,
    ) -> Result<ListToken, Fault> {
        let text = self.sealer.open_text(&purpose(call, listing), token);
        let text = text.ok_or_else(invalid_token)?;
        let token: ListToken = minicbor::decode(&text).map_err(|_| invalid_token())?;
        let age = self.streams.now().since(UnixMillis(token.created_ms));
        if age > streams::limits::TOKEN_LIFE { Err(expired_token()) } else { Ok(token) }
    }
}

/// Tokens of other listings, accounts and regions do not open.
fn purpose(call: &Call, listing: &str) -> String {
    format!("kinesis {listing} {} {}", call.account, call.region)
}

fn encode<T: Encode<()>>(token: &T) -> Vec<u8> {
    minicbor::to_vec(token).expect("a vector takes every byte")
}

/// What is sealed in tokens, as functions of bytes that anybody may have sealed: the fuzz targets' bodies.
/// Each says whether the bytes are believed.
#[cfg(any(test, feature = "fuzzing"))]
pub mod decoders {
    use super::{Decode, Encode, IteratorToken, ListToken, encode};

    /// A decoder: its fuzz target's name, and whether it believes bytes.
    pub type Decoder = (&'static str, fn(&[u8]) -> bool);

    /// All of them.
    pub const DECODERS: &[Decoder] =
        &[("iterator_token", token::<IteratorToken>), ("list_token", token::<ListToken>)];

    /// What comes after a token is padding.
    fn token<T>(bytes: &[u8]) -> bool
    where
        T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq,
    {
        let Ok(token) = minicbor::decode::<T>(bytes) else { return false };
        let again = minicbor::decode::<T>(&encode(&token));
        assert!(again.is_ok_and(|again| again == token), "a token that reads as another");
        true
    }

    #[cfg(test)]
    #[allow(clippy::disallowed_methods, reason = "the corpus is files")]
    mod tests;
}
