//! Listing: a range of rows, with what a delimiter folds together told once.

use crate::Bucket;
use crate::error::BucketError;
use crate::limits::{LIST_MAX, LIST_ROWS, LIST_ROWS_DELIMITED};
use crate::name::prefix_of;
use crate::objects::Object;
use crate::tables::Objects;

/// Above every key that begins with a text: no UTF-8 has this byte.
const ABOVE: u8 = 0xff;

/// What to list of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListingQuery {
    /// Only keys that begin so.
    pub prefix: String,
    /// Keys that have this after the prefix are folded up to it; empty folds nothing.
    pub delimiter: String,
    /// Only keys after this one. If it is something folded, only keys after all of that.
    pub after: String,
    /// Whether `after` is only ever a key: keys that fold to it are listed.
    pub after_is_key: bool,
    /// Entries, at most.
    pub entries_max: usize,
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListingEntry {
    /// An object.
    Object(Box<Object>),
    /// What several keys begin with, up to the delimiter and with it.
    Prefix(String),
}

/// A part of a listing, in the order of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The entries.
    pub entries: Vec<ListingEntry>,
    /// What the next part comes after, if there is more.
    pub next: Option<String>,
}

impl ListingQuery {
    /// What a key is folded to.
    fn folded<'a>(&self, key: &'a str) -> Option<&'a str> {
        if self.delimiter.is_empty() {
            return None;
        }
        let rest = key.strip_prefix(self.prefix.as_str())?;
        let at = rest.find(self.delimiter.as_str())?;
        Some(&key[..self.prefix.len() + at + self.delimiter.len()])
    }

    /// The key, as bytes, from which on there may be entries.
    fn start(&self) -> Vec<u8> {
        let after = self.after.as_bytes();
        if self.after.is_empty() || self.after < self.prefix {
            return self.prefix.as_bytes().to_vec();
        }
        let whole_fold = !self.after_is_key && self.folded(&self.after) == Some(&self.after);
        [after, &[if whole_fold { ABOVE } else { 0 }]].concat()
    }
}

impl Bucket {
    /// Lists a bucket.
    ///
    /// # Errors
    /// [`BucketError::NoSuchBucket`], [`BucketError::Damaged`].
    pub fn list(
        &self,
        account: &str,
        bucket: &str,
        query: &ListingQuery,
    ) -> Result<Listing, BucketError> {
        self.bucket_row(account, bucket)?;
        let entries_max = query.entries_max.min(LIST_MAX);
        let own = prefix_of(account, bucket);
        let rows_max = match query.delimiter.is_empty() {
            true => LIST_ROWS.min(entries_max + 1),
            false => LIST_ROWS_DELIMITED,
        };
        let (mut listing, mut last) = (Listing::default(), String::new());
        let mut from = query.start();
        loop {
            let start = [&own[..], &from].concat();
            let rows = self.0.store.table::<Objects>().scan_from(&start, rows_max)?;
            let full = rows.len() == rows_max;
            let mut jumped = false;
            for (name, row) in rows {
                let here = name.account == account && name.bucket == bucket;
                if !here || !name.key.starts_with(&query.prefix) {
                    return Ok(listing);
                }
                let folded = query.folded(&name.key).map(str::to_owned);
                if folded.as_ref().is_some_and(|folded| *folded == last) {
                    continue;
                }
                if listing.entries.len() == entries_max {
                    listing.next = Some(last).filter(|_| entries_max > 0);
                    return Ok(listing);
                }
                from = [name.key.as_bytes(), &[0]].concat();
                last.clone_from(folded.as_ref().unwrap_or(&name.key));
                jumped = folded.is_some();
                listing.entries.push(match folded {
                    Some(folded) => ListingEntry::Prefix(folded),
                    None => ListingEntry::Object(Box::new(Object::of(name.key, row.row))),
                });
            }
            if !full {
                return Ok(listing);
            }
            if jumped {
                from = [last.as_bytes(), &[ABOVE]].concat();
            }
        }
    }
}
