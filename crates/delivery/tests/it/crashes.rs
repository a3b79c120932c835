//! Crashes anywhere: what is delivered is what was acknowledged, record by record.

use std::sync::Arc;
use std::time::Duration;

use delivery::{Config, DeliveryStream, NewObject};
use model::firehose::shapes::S3DestinationDescription;
use stdx::Entropy;

use super::fixture::{Fixture, delivered, extended};
use super::world::{Bucket, Fate, no_functions};

const SEEDS: u64 = 40;

fn fickle(seed: u64) -> Arc<Bucket> {
    let entropy = Entropy::seeded(seed);
    Bucket::with(move |_: &NewObject| match entropy.below(8) {
        0 => Fate::Fails,
        1 => Fate::StoredButFails,
        _ => Fate::Honest,
    })
}

/// Puts records while the engine crashes again and again; then lets it finish. Answers what was put.
pub(crate) async fn put_through_crashes(
    fixture: &mut Fixture,
    name: &str,
    entropy: &Entropy,
) -> (Arc<DeliveryStream>, Vec<String>) {
    let mut put = Vec::new();
    let find = |fixture: &Fixture| {
        fixture.delivery.stream(&super::fixture::stream_name(name)).expect("it is there")
    };
    for _ in 0..12 {
        for _ in 0..entropy.below(4) {
            let stream = find(fixture);
            let records: Vec<_> = (0..entropy.below(20))
                .map(|_| format!("{:06}{};", put.len(), "x".repeat(entropy.below(50) as usize)))
                .enumerate()
                .map(|(index, text)| format!("{index:02}-{text}"))
                .collect();
            fixture.put(&stream, &records.iter().map(String::as_str).collect::<Vec<_>>()).await;
            put.extend(records);
            if entropy.below(3) == 0 {
                fixture.delivery.flush(&stream).await.expect("it is there");
            }
        }
        // Anywhere in whatever it is doing.
        for _ in 0..entropy.below(60) {
            fixture.clock.advance(Duration::from_millis(entropy.below(400)));
            tokio::task::yield_now().await;
            if entropy.below(4) == 0 {
                std::thread::yield_now();
            }
        }
        fixture.crash().await;
    }
    let stream = find(fixture);
    fixture.delivery.flush(&stream).await.expect("it is there");
    fixture.until_delivered(&stream).await;
    put.sort_unstable();
    (stream, put)
}

#[tokio::test]
async fn every_record_once_whatever_crashes() {
    for seed in 0..SEEDS {
        let entropy = Entropy::seeded(seed);
        let bucket = fickle(seed);
        let mut fixture = Fixture::with(bucket, no_functions(), seed, Config::default()).await;
        let mut extended = extended(1, 5);
        extended.s3_backup_mode = Some("Enabled".into());
        extended.s3_backup_description = Some(S3DestinationDescription {
            bucket_arn: "arn:aws:s3:::vault".to_owned(),
            compression_format: "UNCOMPRESSED".into(),
            ..S3DestinationDescription::default()
        });
        fixture.create("clicks", extended).await;
        let (_, put) = put_through_crashes(&mut fixture, "clicks", &entropy).await;
        assert_eq!(delivered(&fixture.bucket, "lake"), put, "seed {seed}");
        assert_eq!(delivered(&fixture.bucket, "vault"), put, "seed {seed}");
    }
}
