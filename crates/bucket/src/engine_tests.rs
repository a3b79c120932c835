//! The engine: what is put reads back, conditions hold whoever races, nothing half is seen, and space comes
//! back.

use bytes::Bytes;
use proptest::prelude::*;
use stdx::{Clock, Entropy, task};
use store::{Config, Store};

use crate::limits::PART_BYTES_MIN;
use crate::{
    Attributes, Bucket, BucketError, CompletedPart, Condition, ListingEntry, ListingQuery, Object,
    ObjectName, Put,
};

const ACCOUNT: &str = "000000000000";
const BUCKET: &str = "logs";

fn name(key: &str) -> ObjectName {
    ObjectName::new(ACCOUNT, BUCKET, key).unwrap()
}

async fn open(config: Config) -> (Store, Bucket) {
    let (clock, entropy) = (Clock::system(), Entropy::system());
    let store = Store::open(config, clock.clone(), entropy.clone()).await.unwrap();
    (store.clone(), Bucket::new(store, clock, entropy))
}

async fn bucket(config: Config) -> (Store, Bucket) {
    let (store, bucket) = open(config).await;
    bucket.create_bucket(ACCOUNT, BUCKET, "us-east-1").await.unwrap();
    (store, bucket)
}

async fn put(bucket: &Bucket, key: &str, body: &[u8]) -> Object {
    put_if(bucket, key, body, Condition::Any).await.unwrap()
}

async fn put_if(
    bucket: &Bucket,
    key: &str,
    body: &[u8],
    condition: Condition,
) -> Result<Object, BucketError> {
    let mut sink = bucket.sink();
    sink.write(body).await.unwrap();
    bucket.commit_object(name(key), sink, Attributes::default(), condition, None).await
}

async fn read(bucket: &Bucket, key: &str) -> Vec<u8> {
    let (object, pin) = bucket.get(&name(key)).unwrap();
    let mut found = Vec::new();
    while (found.len() as u64) < object.bytes {
        found.extend(pin.read(found.len() as u64..object.bytes).await.unwrap());
    }
    found
}

async fn wait_for(store: &Store, bytes: u64) {
    let clock = Clock::system();
    for _ in 0..2000 {
        if store.blobs().bytes() == bytes {
            return;
        }
        clock.sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("{} bytes are taken", store.blobs().bytes());
}

#[tokio::test]
async fn what_is_put_reads_back_after_a_start_and_what_goes_takes_no_room() {
    let scratch = tempfile::tempdir().unwrap();
    let (store, own) = bucket(Config::folder(scratch.path())).await;
    let body: Vec<u8> = (0..300_000).map(|at| at as u8).collect();
    let empty = put(&own, "empty", b"").await;
    assert_eq!(empty.etag, "d41d8cd98f00b204e9800998ecf8427e");
    put(&own, "a", &body).await;
    put(&own, "a", b"second").await;
    store.close().await;
    let (store, own) = open(Config::folder(scratch.path())).await;
    assert_eq!(read(&own, "a").await, b"second");
    assert_eq!(read(&own, "empty").await, b"");
    let before = store.blobs().bytes();
    let mut large = own.sink();
    for _ in 0..40 {
        large.write(&body).await.unwrap();
    }
    let committed =
        own.commit_object(name("large"), large, Attributes::default(), Condition::Any, None);
    assert_eq!(committed.await.unwrap().bytes, 12_000_000);
    let (_, reader) = own.get(&name("large")).unwrap();
    own.delete_objects(ACCOUNT, BUCKET, &[name("large"), name("none"), name("large")])
        .await
        .unwrap();
    assert_eq!(own.head(&name("large")), Err(BucketError::NoSuchKey));
    // Who was reading reads on.
    assert_eq!(reader.read(11_999_999..12_000_000).await.unwrap()[0], body[299_999]);
    drop(reader);
    wait_for(&store, before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_want_to_be_first_one_is() {
    let (_, own) = bucket(Config::in_memory()).await;
    for round in 0..20 {
        let key = format!("key-{round}");
        let racers: Vec<_> = (0..8)
            .map(|racer| {
                let (own, key) = (own.clone(), key.clone());
                task::spawn(async move {
                    let body = [Bytes::from(vec![racer; 10])];
                    own.put_object(ACCOUNT, BUCKET, &key, &body, "text/plain", None, true).await
                })
            })
            .collect();
        let (mut winner, mut stored) = (None, 0);
        for (racer, answer) in racers.into_iter().enumerate() {
            if answer.await.unwrap().unwrap() == Put::Stored {
                (winner, stored) = (Some(racer as u8), stored + 1);
            }
        }
        assert_eq!(stored, 1);
        assert_eq!(read(&own, &key).await, vec![winner.unwrap(); 10]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_writes_over_each_other_leaves_one_whole_object() {
    let scratch = tempfile::tempdir().unwrap();
    let (store, own) = bucket(Config::folder(scratch.path())).await;
    let writers: Vec<_> = (0..6)
        .map(|writer| {
            let own = own.clone();
            task::spawn(async move {
                for _ in 0..5 {
                    put(&own, "a", &vec![writer; 50_000]).await;
                    let found = read(&own, "a").await;
                    assert!(found.len() == 50_000 && found.iter().all(|byte| *byte == found[0]));
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    own.delete_objects(ACCOUNT, BUCKET, &[name("a")]).await.unwrap();
    store.close().await;
    let seen = store::inspect::Inspection::open(scratch.path()).unwrap();
    let found = seen.examine().unwrap();
    assert_eq!((found.findings, found.counted.blobs), (Vec::new(), 0));
}

#[tokio::test]
async fn conditions_hold_and_change_nothing_where_they_do_not() {
    let (_, own) = bucket(Config::in_memory()).await;
    let tag = |tag: &str| Condition::Tag(tag.to_owned());
    assert_eq!(put_if(&own, "a", b"x", tag("0")).await, Err(BucketError::NoSuchKey));
    let first = put_if(&own, "a", b"one", Condition::Absent).await.unwrap();
    let refused = Err(BucketError::PreconditionFailed);
    assert_eq!(put_if(&own, "a", b"x", Condition::Absent).await, refused);
    assert_eq!(put_if(&own, "a", b"x", tag("0")).await, refused);
    assert_eq!(read(&own, "a").await, b"one");
    put_if(&own, "a", b"two", tag(&first.etag)).await.unwrap();
    assert_eq!(put_if(&own, "a", b"x", tag(&first.etag)).await, refused);
    assert_eq!(read(&own, "a").await, b"two");
    let missing = ObjectName::new(ACCOUNT, "other", "a").unwrap();
    assert_eq!(own.precheck(&missing, &Condition::Any), Err(BucketError::NoSuchBucket));
    assert_eq!(own.head(&missing), Err(BucketError::NoSuchBucket));
    let other_account = ObjectName::new("111111111111", BUCKET, "a").unwrap();
    assert_eq!(own.head(&other_account), Err(BucketError::NoSuchBucket));
}

#[tokio::test]
async fn buckets_are_made_once_and_go_when_empty() {
    let (_, own) = bucket(Config::in_memory()).await;
    let again = own.create_bucket(ACCOUNT, BUCKET, "us-east-1").await;
    assert_eq!(again, Err(BucketError::BucketExists));
    let bad = own.create_bucket(ACCOUNT, "No", "us-east-1").await;
    assert_eq!(bad, Err(BucketError::InvalidBucketName("No".to_owned())));
    own.create_bucket("111111111111", BUCKET, "eu-west-1").await.unwrap();
    own.create_bucket(ACCOUNT, "logs-2", "us-east-1").await.unwrap();
    put(&own, "a", b"x").await;
    assert_eq!(own.delete_bucket(ACCOUNT, BUCKET).await, Err(BucketError::BucketNotEmpty));
    own.delete_bucket(ACCOUNT, "logs-2").await.unwrap();
    assert_eq!(own.delete_bucket(ACCOUNT, "logs-2").await, Err(BucketError::NoSuchBucket));
    let names: Vec<_> =
        own.list_buckets(ACCOUNT).unwrap().into_iter().map(|own| own.name).collect();
    assert_eq!(names, [BUCKET]);
    own.delete_objects(ACCOUNT, BUCKET, &[name("a")]).await.unwrap();
    own.create_upload(name("a"), Attributes::default()).await.unwrap();
    own.delete_bucket(ACCOUNT, BUCKET).await.unwrap();
    own.create_bucket(ACCOUNT, BUCKET, "us-east-1").await.unwrap();
    assert_eq!(own.list_uploads(ACCOUNT, BUCKET, "").unwrap(), []);
}

async fn part(own: &Bucket, upload: &str, number: u16, bytes: u64) -> CompletedPart {
    let mut sink = own.sink();
    sink.write(&vec![number as u8; bytes as usize]).await.unwrap();
    let done = own.commit_part(name("big"), upload.to_owned(), number, sink).await.unwrap();
    CompletedPart { number, etag: done.etag }
}

#[tokio::test]
async fn parts_become_an_object_without_a_copy_and_what_is_not_used_goes() {
    let scratch = tempfile::tempdir().unwrap();
    let (store, own) = bucket(Config::folder(scratch.path())).await;
    put(&own, "big", b"before").await;
    let upload = own.create_upload(name("big"), Attributes::default()).await.unwrap();
    let two = part(&own, &upload, 2, 10).await;
    let replaced = part(&own, &upload, 1, 9).await;
    let one = part(&own, &upload, 1, PART_BYTES_MIN).await;
    let unused = part(&own, &upload, 3, 11).await;
    let complete = |parts: &[&CompletedPart], condition: Condition| {
        let parts = parts.iter().map(|part| (*part).clone()).collect();
        own.complete_upload(name("big"), upload.clone(), parts, condition)
    };
    let any = Condition::Any;
    let refusals = [
        (vec![&two, &one], any.clone(), BucketError::InvalidPartOrder),
        (vec![&replaced, &two], any.clone(), BucketError::InvalidPart(1)),
        (vec![&two, &unused], any.clone(), BucketError::PartTooSmall { part: 2, bytes: 10 }),
        (vec![], any.clone(), BucketError::InvalidPart(1)),
        (vec![&one], Condition::Absent, BucketError::PreconditionFailed),
    ];
    for (parts, condition, refusal) in refusals {
        assert_eq!(complete(&parts, condition).await, Err(refusal));
    }
    assert_eq!(read(&own, "big").await, b"before");
    assert_eq!(own.list_parts(&name("big"), &upload).unwrap().len(), 3);
    let object = complete(&[&one, &two], any.clone()).await.unwrap();
    assert!(object.etag.ends_with("-2"), "{}", object.etag);
    let whole = read(&own, "big").await;
    assert_eq!(whole.len() as u64, PART_BYTES_MIN + 10);
    assert_eq!((whole[0], whole[PART_BYTES_MIN as usize]), (1, 2));
    assert_eq!(complete(&[&one], any).await, Err(BucketError::NoSuchUpload));
    let given_up = own.create_upload(name("big"), Attributes::default()).await.unwrap();
    part(&own, &given_up, 1, 100).await;
    own.abort_upload(name("big"), given_up.clone()).await.unwrap();
    assert_eq!(own.precheck_part(&name("big"), &given_up, 1), Err(BucketError::NoSuchUpload));
    store.close().await;
    let seen = store::inspect::Inspection::open(scratch.path()).unwrap();
    let found = seen.examine().unwrap();
    assert_eq!((found.findings, found.counted.blobs), (Vec::new(), 2));
}

#[tokio::test]
async fn a_part_belongs_to_one_upload_of_one_object() {
    let (_, own) = bucket(Config::in_memory()).await;
    let upload = own.create_upload(name("big"), Attributes::default()).await.unwrap();
    assert_eq!(own.precheck_part(&name("big"), &upload, 10_000), Ok(10_000));
    for number in [0, 10_001, -1, 70_000] {
        let refused = own.precheck_part(&name("big"), &upload, number);
        assert_eq!(refused, Err(BucketError::PartNumber(number)));
    }
    for (key, id) in [("other", &*upload), ("big", "x"), ("big", &upload[1..])] {
        let refused = own.precheck_part(&name(key), id, 1);
        assert_eq!(refused, Err(BucketError::NoSuchUpload), "{key} {id}");
    }
}

#[tokio::test]
async fn a_full_index_is_refused_by_name_and_leaves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let config = Config { table_bytes_max: 20_000, ..Config::folder(scratch.path()) };
    let (store, own) = bucket(config).await;
    let mut put_so_far = 0;
    let refused = loop {
        match put_if(&own, &format!("{put_so_far:0100}"), b"x", Condition::Any).await {
            Ok(_) => put_so_far += 1,
            Err(error) => break error,
        }
        assert!(put_so_far < 1000);
    };
    assert_eq!(refused, BucketError::IndexFull);
    let first = name(&format!("{:0100}", 0));
    own.delete_objects(ACCOUNT, BUCKET, &[first]).await.unwrap();
    put(&own, "again", b"x").await;
    store.close().await;
    let seen = store::inspect::Inspection::open(scratch.path()).unwrap();
    let found = seen.examine().unwrap();
    assert_eq!((found.findings, found.counted.blobs), (Vec::new(), put_so_far));
}

/// What a listing says, told by a set of keys.
fn naive(keys: &[&str], prefix: &str, delimiter: &str) -> Vec<String> {
    let mut entries = Vec::new();
    for key in keys.iter().filter(|key| key.starts_with(prefix)) {
        let rest = &key[prefix.len()..];
        let fold = (!delimiter.is_empty()).then(|| rest.find(delimiter)).flatten();
        let entry = match fold {
            Some(at) => format!("{prefix}{}*", &rest[..at + delimiter.len()]),
            None => (*key).to_owned(),
        };
        if entries.last() != Some(&entry) {
            entries.push(entry);
        }
    }
    entries
}

fn shown(entries: Vec<ListingEntry>) -> impl Iterator<Item = String> {
    entries.into_iter().map(|entry| match entry {
        ListingEntry::Object(object) => object.key,
        ListingEntry::Prefix(prefix) => format!("{prefix}*"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_listing_in_parts_is_what_a_naive_one_says(
        keys in prop::collection::btree_set("[ab/é]{1,5}", 0..90),
        prefix in "[ab/]{0,2}",
        delimiter in prop::sample::select(vec!["", "/", "b", "//", "é"]),
        entries_max in 1_usize..9,
    ) {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let found = runtime.block_on(async {
            let (_store, own) = bucket(Config::in_memory()).await;
            for key in &keys {
                put(&own, key, b"").await;
            }
            // A neighbour that is never shown.
            own.create_bucket(ACCOUNT, "logs0", "us-east-1").await.unwrap();
            own.put_object(ACCOUNT, "logs0", "a", &[], "x", None, false).await.unwrap();
            let (mut found, mut after) = (Vec::new(), String::new());
            loop {
                let query = ListingQuery {
                    prefix: prefix.clone(),
                    delimiter: delimiter.to_owned(),
                    after,
                    after_is_key: false,
                    entries_max,
                };
                let part = own.list(ACCOUNT, BUCKET, &query).unwrap();
                assert!(part.entries.len() <= entries_max);
                found.extend(shown(part.entries));
                match part.next {
                    Some(next) => after = next,
                    None => break found,
                }
            }
        });
        prop_assert_eq!(found, naive(&keys, &prefix, delimiter));
    }
}

#[tokio::test]
async fn a_copy_is_the_same_bytes_with_the_attributes_that_are_asked_for() {
    let (_, own) = bucket(Config::in_memory()).await;
    let gzip = Some("gzip");
    own.put_object(ACCOUNT, BUCKET, "a", &["abc".into(), "d".into()], "x/y", gzip, false)
        .await
        .unwrap();
    let copy = own.copy_object(&name("a"), name("b"), None, Condition::Any).await.unwrap();
    assert_eq!(copy.attributes.content_encoding.as_deref(), gzip);
    assert_eq!(read(&own, "b").await, b"abcd");
    let plain = Some(Attributes::default());
    own.copy_object(&name("a"), name("a"), plain, Condition::Any).await.unwrap();
    assert_eq!(own.head(&name("a")).unwrap().attributes, Attributes::default());
    assert_eq!(read(&own, "a").await, b"abcd");
    let missing = own.copy_object(&name("none"), name("b"), None, Condition::Any).await;
    assert_eq!(missing, Err(BucketError::NoSuchKey));
}
