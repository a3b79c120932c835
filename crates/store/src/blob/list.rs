//! The blobs that a row names, at its front.

use super::{Blob, BlobId};
use crate::codec::Fields;
use crate::id::TableId;

/// The first table whose rows begin with a list of blobs; the last one is 31.
const TABLE_FIRST: u8 = 24;
const TABLE_LAST: u8 = 31;

/// Whether this table's rows begin with a [`BlobList`].
pub(crate) const fn names_blobs(table: TableId) -> bool {
    table.0 >= TABLE_FIRST && table.0 <= TABLE_LAST
}

/// The blobs that a row of the tables 24 to 31 names: its value begins with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobList(pub Vec<Blob>);

impl BlobList {
    /// Appends the list's bytes.
    pub fn encode(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&(self.0.len() as u16).to_le_bytes());
        for blob in &self.0 {
            into.extend_from_slice(&blob.id.0.to_le_bytes());
            into.extend_from_slice(&blob.bytes.to_le_bytes());
        }
    }

    /// Takes the list off the front of a row's value; `None` if there is none.
    pub fn decode(value: &[u8]) -> Option<(BlobList, &[u8])> {
        let mut fields = Fields(value);
        let count = fields.u16()?;
        let blobs = (0..count)
            .map(|_| Some(Blob { id: BlobId(fields.u64()?), bytes: fields.u64()? }))
            .collect::<Option<Vec<_>>>()?;
        Some((BlobList(blobs), fields.0))
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|blob| blob.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_list_comes_back_and_one_cut_short_does_not(
            blobs in prop::collection::vec((any::<u64>(), any::<u64>()), 0..5),
            rest in prop::collection::vec(any::<u8>(), 0..9),
        ) {
            let list: Vec<Blob> =
                blobs.into_iter().map(|(id, bytes)| Blob { id: BlobId(id), bytes }).collect();
            let list = BlobList(list);
            let mut value = Vec::new();
            list.encode(&mut value);
            let own = value.len();
            value.extend(&rest);
            prop_assert_eq!(BlobList::decode(&value), Some((list, &rest[..])));
            for end in 0..own {
                prop_assert_eq!(BlobList::decode(&value[..end]), None);
            }
        }
    }

    #[test]
    fn golden_bytes() {
        let mut value = Vec::new();
        BlobList(vec![Blob { id: BlobId(7), bytes: 258 }]).encode(&mut value);
        assert_eq!(value, b"\x01\0\x07\0\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0");
    }
}
