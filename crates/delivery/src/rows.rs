//! What Data Firehose keeps in tables. The bytes are CBOR maps with numbered fields, so a newer
//! version may add fields and still read what an older one wrote; a number is never used again.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::prefix::ErrorOutput;

/// Tags, in the order in which their keys were first given.
pub type Tags = Vec<(String, String)>;
/// Secrets of a destination that no description shows, by member, such as `Password`.
pub type Secrets = BTreeMap<String, String>;

/// What is happening to a delivery stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// Not usable yet.
    #[n(0)]
    Creating,
    /// Usable.
    #[n(1)]
    Active,
    /// Going away.
    #[n(2)]
    Deleting,
}

/// Where a delivery stream's records come from.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Source {
    /// From PutRecord and PutRecordBatch, into its own log.
    #[n(0)]
    DirectPut {
        /// The log.
        #[n(0)]
        log: u64,
    },
    /// From a Kinesis stream of the same account and region, since the delivery stream's creation.
    #[n(1)]
    KinesisStream {
        /// The stream's ARN, as it was given.
        #[n(0)]
        arn: String,
        /// The role's ARN, as it was given.
        #[n(1)]
        role_arn: String,
    },
    /// From something that is described and not read (MSK, a database): the model's shape of its
    /// configuration, as JSON.
    #[n(2)]
    Elsewhere {
        /// The delivery stream's type, such as `MSKAsSource`.
        #[n(0)]
        kind: String,
        /// Its description (`SourceDescription`).
        #[n(1)]
        description: String,
    },
}

/// How what has been put is encrypted, as DescribeDeliveryStream shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EncryptionRow {
    /// Whether it is on.
    #[n(0)]
    pub enabled: bool,
    /// `AWS_OWNED_CMK` or `CUSTOMER_MANAGED_CMK`.
    #[n(1)]
    pub key_type: Option<String>,
    /// The customer's key.
    #[n(2)]
    pub key_arn: Option<String>,
    /// When it was started or stopped, oldest first, of the last day: 25 times are allowed.
    #[cbor(n(3), default, skip_if = "Vec::is_empty")]
    pub changed_ms: Vec<u64>,
}

/// A delivery stream, under `account NUL region NUL name`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeliveryStreamRow {
    /// Tells this delivery stream from an earlier one of the same name.
    #[n(0)]
    pub generation: u64,
    /// When it was created.
    #[n(1)]
    pub created_ms: u64,
    /// When its configuration was changed, if ever.
    #[n(2)]
    pub updated_ms: Option<u64>,
    /// What is happening to it.
    #[n(3)]
    pub status: Status,
    /// When that ends: creation and deletion may take `--state-delay`.
    #[n(4)]
    pub due_ms: Option<u64>,
    /// The version of its configuration: 1, and one more with every UpdateDestination.
    #[n(5)]
    pub version: u64,
    /// Where its records come from.
    #[n(6)]
    pub source: Source,
    /// Where they go: the model's `DestinationDescription`, as JSON, with every default filled in.
    #[n(7)]
    pub destination: String,
    /// The destination's secrets.
    #[cbor(n(8), default, skip_if = "BTreeMap::is_empty")]
    pub secrets: Secrets,
    /// Its tags.
    #[cbor(n(9), default, skip_if = "Vec::is_empty")]
    pub tags: Tags,
    /// Its encryption.
    #[n(10)]
    pub encryption: EncryptionRow,
    /// What whoever puts records means to put, in MiB a second: a hint that is only shown.
    #[n(11)]
    pub throughput_hint_mibps: Option<u32>,
}

/// What a log is to a delivery stream that makes objects from it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Role {
    /// Its own log, of records that were put.
    #[n(0)]
    Intake,
    /// A shard of the Kinesis stream that it reads.
    #[n(1)]
    Shard {
        /// The shard's index.
        #[n(0)]
        index: u32,
        /// When it was created, which its sequence numbers begin with.
        #[n(1)]
        created_seconds: u64,
    },
    /// Records on their way to one partition.
    #[n(2)]
    Partition {
        /// The partition's keys from the query.
        #[n(0)]
        from_query: BTreeMap<String, String>,
        /// The partition's keys from the function.
        #[n(1)]
        from_lambda: BTreeMap<String, String>,
    },
    /// Records on their way to the error prefix.
    #[n(3)]
    Failed {
        /// Why.
        #[n(0)]
        output: ErrorOutput,
    },
}

/// A log that a delivery stream makes objects from.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SourceRow {
    /// What it is.
    #[n(0)]
    pub role: Role,
    /// Every record below this is in a plan, in an object, or in a staging log.
    #[n(1)]
    pub below: u64,
}

/// Some of a log's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Part {
    /// The log.
    #[n(0)]
    pub log: u64,
    /// The first record's position.
    #[n(1)]
    pub from: u64,
    /// Behind the last record.
    #[n(2)]
    pub to: u64,
}

/// What an object is made of.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Content {
    /// Records as they came in, which pure processors may still change.
    #[n(0)]
    Source,
    /// Records as they came in, for the backup.
    #[n(1)]
    Backup,
    /// Records that have been staged for delivery.
    #[n(2)]
    Staged,
    /// Records that have been staged as failed.
    #[n(3)]
    Failed {
        /// Why.
        #[n(0)]
        output: ErrorOutput,
    },
}

/// The table that an object's records are converted into, as the catalog had it when the object was
/// planned.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PlannedTable {
    /// It was there.
    #[n(0)]
    Found {
        /// Its columns' names and types, in order.
        #[n(0)]
        columns: Vec<(String, String)>,
        /// Which version of it this is, if the catalog counts them.
        #[n(1)]
        version_id: Option<String>,
    },
    /// There was none to be used: no record can be converted.
    #[n(1)]
    Missing {
        /// AWS's code.
        #[n(0)]
        code: String,
        /// AWS's words for it.
        #[n(1)]
        message: String,
    },
}

/// An object to come, with everything drawn that is random or depends on the time: the same plan
/// always gives the same objects.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PlanRow {
    /// Its records, in order.
    #[n(0)]
    pub parts: Vec<Part>,
    /// What they are.
    #[n(1)]
    pub content: Content,
    /// The object's name.
    #[n(2)]
    pub key: String,
    /// The names of the objects that take records which fail while the object is built.
    #[cbor(n(3), default, skip_if = "BTreeMap::is_empty")]
    pub error_keys: BTreeMap<ErrorOutput, String>,
    /// Where it goes: the model's `DestinationDescription` as it was when this was planned, as JSON.
    #[n(4)]
    pub destination: String,
    /// The version of the configuration.
    #[n(5)]
    pub version: u64,
    /// When it was planned, which is when its first attempt was made.
    #[n(6)]
    pub planned_ms: u64,
    /// When its oldest record arrived.
    #[n(7)]
    pub oldest_ms: u64,
    /// How many records it has.
    #[n(8)]
    pub records: u64,
    /// Their bytes.
    #[n(9)]
    pub bytes: u64,
    /// A UUID, which is in the object's name too: an archive calls its file so.
    #[n(10)]
    pub uuid: String,
    /// The table that its records are converted into, if they are.
    #[n(11)]
    pub table: Option<PlannedTable>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan() -> PlanRow {
        PlanRow {
            parts: vec![Part { log: 5, from: 7, to: 9 }],
            content: Content::Failed { output: ErrorOutput::Processing },
            key: "k".to_owned(),
            error_keys: BTreeMap::from([(ErrorOutput::Decompression, "e".to_owned())]),
            destination: "{}".to_owned(),
            version: 2,
            planned_ms: 1,
            oldest_ms: 3,
            records: 2,
            bytes: 4,
            uuid: "u".to_owned(),
            table: None,
        }
    }

    #[test]
    fn golden_bytes_of_sources_and_plans() {
        let role = Role::Shard { index: 3, created_seconds: 1_700_000_000 };
        let source = minicbor::to_vec(SourceRow { role, below: 7 }).expect("a row");
        assert_eq!(source, b"\xa2\x00\x82\x01\x82\x03\x1a\x65\x53\xf1\x00\x01\x07");
        let golden = b"\xab\x00\x81\x83\x05\x07\x09\x01\x82\x03\x81\x00\x02\x61k\x03\xa1\x02\x61e\
            \x04\x62{}\x05\x02\x06\x01\x07\x03\x08\x02\x09\x04\x0a\x61u";
        assert_eq!(minicbor::to_vec(plan()).expect("a row"), golden);
    }

    #[test]
    fn golden_bytes_of_planned_tables() {
        let columns = vec![("a".to_owned(), "int".to_owned())];
        let found = PlannedTable::Found { columns, version_id: Some("3".to_owned()) };
        let found = PlanRow { table: Some(found), ..plan() };
        let head = b"\xac\x00\x81\x83\x05\x07\x09\x01\x82\x03\x81\x00\x02\x61k\x03\xa1\x02\x61e\
            \x04\x62{}\x05\x02\x06\x01\x07\x03\x08\x02\x09\x04\x0a\x61u\x0b";
        let golden = [&head[..], b"\x82\x00\x82\x81\x82\x61a\x63int\x613"].concat();
        assert_eq!(minicbor::to_vec(&found).expect("a row"), golden);
        assert_eq!(minicbor::decode::<PlanRow>(&golden).expect("what was written"), found);
        let missing = PlannedTable::Missing { code: "c".to_owned(), message: "m".to_owned() };
        let missing = PlanRow { table: Some(missing), ..plan() };
        let golden = [&head[..], b"\x82\x01\x82\x61c\x61m"].concat();
        assert_eq!(minicbor::to_vec(&missing).expect("a row"), golden);
        assert_eq!(minicbor::decode::<PlanRow>(&golden).expect("what was written"), missing);
    }

    proptest! {
        #[test]
        fn sources_and_plans_are_read_as_written(
            parts in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 0..4),
            keys in prop::collection::btree_map(".{0,8}", ".{0,8}", 0..4),
            key in ".{0,20}",
            which in 0usize..4,
            numbers: [u64; 4],
            columns in prop::collection::vec((".{0,8}", ".{0,8}"), 0..4),
            version_id in prop::option::of(".{0,4}"),
        ) {
            let content = match which {
                0 => Content::Source,
                1 => Content::Backup,
                2 => Content::Staged,
                _ => Content::Failed { output: ErrorOutput::ActivePartitionExceeded },
            };
            let part = |(log, from, to)| Part { log, from, to };
            let row = PlanRow {
                parts: parts.into_iter().map(part).collect(),
                content,
                key,
                planned_ms: numbers[0],
                bytes: numbers[1],
                error_keys: BTreeMap::new(),
                table: match which {
                    0 => None,
                    1 => Some(PlannedTable::Missing { code: "c".to_owned(), message: "m".to_owned() }),
                    _ => Some(PlannedTable::Found { columns, version_id }),
                },
                ..plan()
            };
            let bytes = minicbor::to_vec(&row).expect("a row");
            prop_assert_eq!(minicbor::decode::<PlanRow>(&bytes).expect("what was written"), row);
            let role = match which {
                0 => Role::Intake,
                1 => Role::Shard { index: 1, created_seconds: numbers[2] },
                2 => Role::Failed { output: ErrorOutput::MetadataExtraction },
                _ => Role::Partition { from_query: keys.clone(), from_lambda: keys },
            };
            let row = SourceRow { role, below: numbers[3] };
            let bytes = minicbor::to_vec(&row).expect("a row");
            prop_assert_eq!(minicbor::decode::<SourceRow>(&bytes).expect("what was written"), row);
        }

        #[test]
        fn any_bytes_are_a_row_or_refused(bytes: Vec<u8>) {
            let _ = minicbor::decode::<PlanRow>(&bytes);
            let _ = minicbor::decode::<SourceRow>(&bytes);
        }
    }
}
