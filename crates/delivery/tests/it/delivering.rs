//! Records that become objects.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use delivery::{Config, Error, Unserved};
use model::firehose::shapes::{DestinationDescription, S3DestinationDescription};

use super::fixture::{Fixture, delivered, destination, extended, stream_name};
use super::world::{Bucket, Fate, no_functions};

#[tokio::test]
async fn records_are_delivered_after_the_interval() {
    let fixture = Fixture::new(Bucket::honest()).await;
    let clicks = fixture.create("clicks", extended(5, 60)).await;
    fixture.put(&clicks, &["a;", "b;"]).await;
    fixture.settle().await;
    fixture.clock.advance(Duration::from_secs(59));
    fixture.put(&clicks, &["c;"]).await;
    fixture.settle().await;
    assert!(fixture.bucket.of("lake").is_empty());
    fixture.clock.advance(Duration::from_secs(1));
    fixture.until("an object", |bucket| !bucket.of("lake").is_empty()).await;
    let objects = fixture.bucket.of("lake");
    let (key, stored) = &objects[0];
    // The oldest record's time, in the prefix and in the name.
    let name = "2023/11/14/22/clicks-1-2023-11-14-22-13-20-";
    assert!(key.starts_with(name) && key.len() == name.len() + 36, "{key}");
    assert_eq!((&stored.body[..], stored.encoding), (&b"a;b;c;"[..], None));
    assert_eq!(objects.len(), 1);
}

#[tokio::test]
async fn records_are_delivered_when_they_fill_an_object() {
    let fixture = Fixture::new(Bucket::honest()).await;
    let clicks = fixture.create("clicks", extended(1, 900)).await;
    let large = "x".repeat(300 << 10);
    for _ in 0..10 {
        fixture.put(&clicks, &[&large]).await;
    }
    fixture.until("three objects", |bucket| bucket.of("lake").len() == 3).await;
    fixture.settle().await;
    let sizes: Vec<_> = fixture.bucket.of("lake").iter().map(|(_, o)| o.body.len()).collect();
    assert_eq!(sizes, [900 << 10; 3]);
    fixture.clock.advance(Duration::from_secs(900));
    fixture.until("the rest", |bucket| bucket.of("lake").len() == 4).await;
}

#[tokio::test]
async fn an_interval_of_zero_waits_for_nothing() {
    let fixture = Fixture::new(Bucket::honest()).await;
    let clicks = fixture.create("clicks", extended(5, 0)).await;
    fixture.put(&clicks, &["a;"]).await;
    fixture.until("an object", |bucket| !bucket.of("lake").is_empty()).await;
}

#[tokio::test]
async fn the_moved_service_clock_is_waited_by() {
    let fixture = Fixture::new(Bucket::honest()).await;
    let clicks = fixture.create("clicks", extended(5, 900)).await;
    fixture.put(&clicks, &["a;"]).await;
    fixture.settle().await;
    fixture.clock.move_service(Duration::from_secs(900));
    fixture.until("an object", |bucket| !bucket.of("lake").is_empty()).await;
}

#[tokio::test]
async fn a_flush_delivers_what_was_put_before_it() {
    let fixture = Fixture::new(Bucket::honest()).await;
    let clicks = fixture.create("clicks", extended(5, 900)).await;
    for record in ["a;", "b;"] {
        fixture.put(&clicks, &[record]).await;
        fixture.delivery.flush(&clicks).await.expect("it is there");
    }
    fixture.until("both", |bucket| delivered(bucket, "lake") == ["a;", "b;"]).await;
}

#[tokio::test]
async fn compressed_objects_say_so() {
    let fixture = Fixture::new(Bucket::honest()).await;
    for (format, suffix, encoding) in [
        ("GZIP", ".gz", "gzip"),
        ("ZIP", ".zip", "zip"),
        ("Snappy", ".snappy", "snappy-java"),
        ("HADOOP_SNAPPY", ".snappy", "hadoop-snappy"),
    ] {
        let mut extended = extended(5, 0);
        extended.compression_format = format.into();
        extended.bucket_arn = format!("arn:aws:s3:::{format}");
        let stream = fixture.create(&format!("to-{format}"), extended).await;
        fixture.put(&stream, &["a;", "b;"]).await;
        fixture.until(format, |bucket| !bucket.of(format).is_empty()).await;
        let (key, stored) = fixture.bucket.of(format).remove(0);
        assert!(key.ends_with(suffix), "{key}");
        assert_eq!(stored.encoding, Some(encoding));
        if format == "GZIP" {
            let mut text = String::new();
            flate2::read::GzDecoder::new(&stored.body[..]).read_to_string(&mut text).unwrap();
            assert_eq!(text, "a;b;");
        }
    }
}

#[tokio::test]
async fn a_backup_gets_the_records_too() {
    let fixture = Fixture::new(Bucket::honest()).await;
    let mut extended = extended(5, 60);
    extended.s3_backup_mode = Some("Enabled".into());
    extended.s3_backup_description = Some(S3DestinationDescription {
        bucket_arn: "arn:aws:s3:::vault".to_owned(),
        prefix: Some("as-it-came/".to_owned()),
        compression_format: "UNCOMPRESSED".into(),
        ..S3DestinationDescription::default()
    });
    let clicks = fixture.create("clicks", extended).await;
    fixture.put(&clicks, &["a;"]).await;
    fixture.settle().await;
    fixture.clock.advance(Duration::from_secs(60));
    fixture.until("an object", |bucket| !bucket.of("lake").is_empty()).await;
    assert!(fixture.bucket.of("vault").is_empty(), "its own interval is 300 seconds");
    fixture.clock.advance(Duration::from_secs(240));
    fixture.until("a backup", |bucket| !bucket.of("vault").is_empty()).await;
    let (key, stored) = fixture.bucket.of("vault").remove(0);
    assert!(key.starts_with("as-it-came/2023/11/14/22/clicks-1-"), "{key}");
    assert_eq!(stored.body, b"a;");
}

#[tokio::test]
async fn a_new_configuration_is_followed_from_then_on() {
    let fixture = Fixture::new(Bucket::honest()).await;
    let clicks = fixture.create("clicks", extended(5, 0)).await;
    fixture.put(&clicks, &["a;"]).await;
    fixture.until("an object", |bucket| !bucket.of("lake").is_empty()).await;
    let mut sea = extended(5, 0);
    sea.bucket_arn = "arn:aws:s3:::sea".to_owned();
    let text = serde_json::to_string(&destination(sea)).expect("a shape is JSON");
    let change = fixture.delivery.change(&clicks, |state| {
        let mut row = state.row.clone();
        (row.destination, row.version) = (text.clone(), 2);
        Ok(Some(row))
    });
    change.await.expect("nobody else changes it");
    fixture.put(&clicks, &["b;"]).await;
    fixture.until("an object elsewhere", |bucket| !bucket.of("sea").is_empty()).await;
    let (key, _) = fixture.bucket.of("sea").remove(0);
    assert!(key.starts_with("2023/11/14/22/clicks-2-"), "{key}");
    assert_eq!(delivered(&fixture.bucket, "sea"), ["b;"]);
}

#[tokio::test]
async fn what_is_put_while_the_destination_is_away_is_delivered_later() {
    let fixture = Fixture::new(Bucket::with(|_| Fate::Fails)).await;
    let clicks = fixture.create("clicks", extended(5, 0)).await;
    let mut put = Vec::new();
    for number in 0..100 {
        put.push(format!("{number:03};"));
        fixture.put(&clicks, &[&put[number]]).await;
        fixture.clock.advance(Duration::from_secs(1));
        fixture.settle().await;
    }
    let away = |status: &delivery::DeliveryStatus| {
        status.plans.iter().any(|plan| plan.failures > 1 && plan.error.is_some())
    };
    let status = fixture.delivery.status(&clicks).await.expect("it is there");
    assert!(away(&status), "{status:?}");
    assert_eq!(status.backlog_records, 100);
    fixture.bucket.set_fate(|_| Fate::Honest);
    fixture.until_delivered(&clicks).await;
    assert_eq!(delivered(&fixture.bucket, "lake"), put);
    // What waited was put together, not object by object.
    assert!(fixture.bucket.of("lake").len() < 60, "{}", fixture.bucket.of("lake").len());
}

#[tokio::test]
async fn a_day_without_a_destination_parks_and_loses_nothing() {
    let fixture = Fixture::new(Bucket::with(|_| Fate::Fails)).await;
    let clicks = fixture.create("clicks", extended(5, 0)).await;
    fixture.put(&clicks, &["a;"]).await;
    fixture.settle().await;
    let mut parked = false;
    for _ in 0..2000 {
        fixture.clock.advance(Duration::from_secs(60));
        fixture.settle().await;
        let status = fixture.delivery.status(&clicks).await.expect("it is there");
        parked = status.plans.iter().all(|plan| plan.parked);
        if parked {
            break;
        }
    }
    assert!(parked);
    fixture.bucket.set_fate(|_| Fate::Honest);
    assert_eq!(fixture.delivery.redrive(&clicks).await.expect("it is there"), 1);
    fixture.until("an object", |bucket| delivered(bucket, "lake") == ["a;"]).await;
}

#[tokio::test]
async fn a_put_that_never_answers_is_given_up_and_made_again() {
    let mut first = true;
    let hangs_once = move |_: &delivery::NewObject| match std::mem::take(&mut first) {
        true => Fate::Hangs,
        false => Fate::Honest,
    };
    let fixture = Fixture::new(Bucket::with(hangs_once)).await;
    let clicks = fixture.create("clicks", extended(5, 0)).await;
    fixture.put(&clicks, &["a;"]).await;
    let step = Duration::from_secs(1);
    fixture.until_by(step, "an object", |bucket| delivered(bucket, "lake") == ["a;"]).await;
}

#[tokio::test]
async fn a_put_that_lies_delivers_once() {
    let mut count = 0;
    let lies = move |_: &delivery::NewObject| {
        count += 1;
        if count % 3 == 0 { Fate::Honest } else { Fate::StoredButFails }
    };
    let fixture = Fixture::new(Bucket::with(lies)).await;
    let clicks = fixture.create("clicks", extended(5, 0)).await;
    fixture.put(&clicks, &["a;", "b;"]).await;
    fixture.until_delivered(&clicks).await;
    assert_eq!(delivered(&fixture.bucket, "lake"), ["a;", "b;"]);
}

#[tokio::test]
async fn a_bucket_that_ignores_conditions_is_told() {
    let mut bucket = std::sync::Arc::into_inner(Bucket::honest()).expect("nobody else has it");
    bucket.has_conditions = false;
    let fixture = Fixture::new(bucket.into()).await;
    let clicks = fixture.create("clicks", extended(5, 0)).await;
    fixture.put(&clicks, &["a;"]).await;
    fixture.until_delivered(&clicks).await;
    let status = fixture.delivery.status(&clicks).await.expect("it is there");
    assert_eq!(status.at_least_once, ["lake"]);
}

#[tokio::test]
async fn a_backlog_that_is_full_takes_no_more() {
    let config = Config { backlog_bytes_max: 100, ..Config::default() };
    let bucket = Bucket::with(|_| Fate::Fails);
    let fixture = Fixture::with(bucket, no_functions(), 1, config).await;
    let clicks = fixture.create("clicks", extended(5, 900)).await;
    let large = Bytes::from(vec![b'x'; 150]);
    fixture.delivery.put(&clicks, std::slice::from_ref(&large)).await.expect("there is room");
    fixture.settle().await;
    let full = fixture.delivery.put(&clicks, std::slice::from_ref(&large)).await;
    assert!(matches!(full, Err(Error::BacklogFull(_))), "{full:?}");
    fixture.bucket.set_fate(|_| Fate::Honest);
    fixture.until_delivered(&clicks).await;
    fixture.settle().await;
    fixture.delivery.put(&clicks, &[large]).await.expect("there is room again");
}

#[tokio::test]
async fn a_delivery_stream_that_is_deleted_leaves_nothing() {
    let fixture = Fixture::new(Bucket::with(|_| Fate::Fails)).await;
    let clicks = fixture.create("clicks", extended(5, 0)).await;
    fixture.put(&clicks, &["a;"]).await;
    fixture.settle().await;
    fixture.delivery.delete(&clicks).await.expect("it is there");
    assert!(matches!(fixture.delivery.status(&clicks).await, Err(Error::NotFound(_))));
    fixture.bucket.set_fate(|_| Fate::Honest);
    let again = fixture.create("clicks", extended(5, 0)).await;
    fixture.put(&again, &["b;"]).await;
    fixture.until_delivered(&again).await;
    assert_eq!(delivered(&fixture.bucket, "lake"), ["b;"]);
}

#[tokio::test]
async fn what_is_not_served_takes_no_records() {
    let fixture = Fixture::new(Bucket::honest()).await;
    let clicks = fixture.create("clicks", extended(5, 0)).await;
    let splunk = DestinationDescription {
        splunk_destination_description: Some(Default::default()),
        ..DestinationDescription::default()
    };
    let text = serde_json::to_string(&splunk).expect("a shape is JSON");
    let change = fixture.delivery.change(&clicks, |state| {
        let mut row = state.row.clone();
        row.destination.clone_from(&text);
        Ok(Some(row))
    });
    change.await.expect("nobody else changes it");
    let put = fixture.delivery.put(&clicks, &[Bytes::from_static(b"a")]).await;
    let unserved = Error::Unserved(stream_name("clicks"), Unserved::Type("Splunk"));
    assert_eq!(format!("{put:?}"), format!("{:?}", Err::<u64, _>(unserved)));
}
