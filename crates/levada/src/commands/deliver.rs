//! `levada deliver`: what is on its way to a destination, and what keeps it.

use std::time::Duration;

use api::operator::{
    DeliveryInput, DeliveryStanding, DescribeDelivery, FlushDelivery, ListDeliveries,
    ListedDeliveries, Nothing, RedriveDelivery, SERVICE,
};
use bytes::Bytes;
use model::firehose::{self, op, shapes};
use stdx::Clock;
use wire::Blob;

use super::clock::span;
use super::{connect, failed, print, size};
use crate::cli::{DeliverCommand, DeliverOne, DeliverStatus, DeliverTest};
use crate::client::{Client, ClientError};
use crate::exit::Failure;

/// How often a test looks whether its record is there.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) async fn run(command: DeliverCommand) -> Result<(), Failure> {
    match command {
        DeliverCommand::Status(options) => status(options).await,
        DeliverCommand::Test(options) => test(options).await,
        DeliverCommand::Flush(options) => flush(&options).await,
        DeliverCommand::Redrive(options) => redrive(&options).await,
    }
}

async fn status(options: DeliverStatus) -> Result<(), Failure> {
    let client = connect(&options.target)?;
    let listed = match options.name {
        Some(name) => {
            let input = DeliveryInput { delivery_stream_name: name };
            let one = client.call_of::<DescribeDelivery>(&SERVICE, &input).await;
            let deliveries = vec![one.map_err(refused)?];
            ListedDeliveries { deliveries, has_more: false }
        }
        None => client.call_of::<ListDeliveries>(&SERVICE, &Nothing {}).await.map_err(refused)?,
    };
    if options.json {
        let json = serde_json::to_string(&listed);
        println!("{}", json.map_err(|error| Failure::new(error.to_string()))?);
        return Ok(());
    }
    print(&table(&listed.deliveries));
    let more = if listed.has_more { ", and more" } else { "" };
    eprintln!("{} delivery streams in {}{more}", listed.deliveries.len(), options.target.region);
    Ok(())
}

fn table(deliveries: &[DeliveryStanding]) -> String {
    let mut text = format!(
        "{:<32} {:>9} {:>10} {:>10} {:>10} {:>7}\n",
        "DELIVERY STREAM", "RECORDS", "BYTES", "OLDEST", "PARTITIONS", "OBJECTS"
    );
    for each in deliveries {
        let oldest = each.oldest_millis.map(|millis| span(millis - millis % 1000));
        let oldest = oldest.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned());
        text += &format!(
            "{:<32} {:>9} {:>10} {oldest:>10} {:>10} {:>7}\n",
            each.delivery_stream_name,
            each.backlog_records,
            size(each.backlog_bytes),
            each.partitions,
            each.objects.len(),
        );
        for object in each.objects.iter().filter(|object| object.failures > 0) {
            let code = object.error_code.as_deref().unwrap_or("no answer");
            let parked = if object.parked { ", waits for `levada deliver redrive`" } else { "" };
            text += &format!(
                "  s3://{}/{}: {code} after {} attempts{parked}\n",
                object.bucket, object.key, object.failures
            );
        }
        for bucket in &each.at_least_once {
            text += &format!(
                "  s3://{bucket} knows no conditional writes: a crash may deliver an object twice\n"
            );
        }
        if let Some(trouble) = &each.trouble {
            text += &format!("  {trouble}\n");
        }
    }
    text
}

async fn test(options: DeliverTest) -> Result<(), Failure> {
    let client = connect(&options.target)?;
    let record = shapes::Record { data: Blob(Bytes::from(options.data)) };
    let put = shapes::PutRecordInput { delivery_stream_name: options.name.clone(), record };
    client.call_of::<op::PutRecord>(&firehose::SERVICE, &put).await.map_err(refused)?;
    let clock = Clock::system();
    let began = clock.monotonic();
    let input = DeliveryInput { delivery_stream_name: options.name };
    let delivered = clock.timeout(options.wait, drain(&client, &input, &clock)).await;
    match delivered {
        Some(done) => done?,
        None => return Err(not_delivered(&client, &input, options.wait).await),
    }
    println!("delivered in {} ms", (clock.monotonic() - began).as_millis());
    Ok(())
}

/// Flushes until nothing is on its way.
async fn drain(client: &Client, input: &DeliveryInput, clock: &Clock) -> Result<(), Failure> {
    loop {
        let standing = client.call_of::<FlushDelivery>(&SERVICE, input).await.map_err(refused)?;
        if standing.backlog_records == 0 && standing.objects.is_empty() {
            return Ok(());
        }
        clock.sleep(LOOK_EVERY).await;
    }
}

/// Why a record did not arrive, as far as it is known.
async fn not_delivered(client: &Client, input: &DeliveryInput, waited: Duration) -> Failure {
    let name = &input.delivery_stream_name;
    let failure = Failure::new(format!(
        "the record is taken, and not delivered within {}",
        span(waited.as_millis() as u64)
    ));
    let standing = client.call_of::<DescribeDelivery>(&SERVICE, input).await;
    let object = standing.ok().and_then(|standing| {
        let mut objects = standing.objects.into_iter();
        objects.find_map(|object| object.error_message.map(|why| (object.bucket, why)))
    });
    match object {
        Some((bucket, why)) => failure.help(format!("s3://{bucket}: {why}")),
        None => failure.help(format!("see `levada deliver status {name}`")),
    }
}

async fn flush(options: &DeliverOne) -> Result<(), Failure> {
    let client = connect(&options.target)?;
    let input = DeliveryInput { delivery_stream_name: options.name.clone() };
    client.call_of::<FlushDelivery>(&SERVICE, &input).await.map_err(refused)?;
    Ok(())
}

async fn redrive(options: &DeliverOne) -> Result<(), Failure> {
    let client = connect(&options.target)?;
    let input = DeliveryInput { delivery_stream_name: options.name.clone() };
    let redriven = client.call_of::<RedriveDelivery>(&SERVICE, &input).await.map_err(refused)?;
    eprintln!("{} objects are tried again", redriven.objects);
    Ok(())
}

fn refused(error: ClientError) -> Failure {
    match &error {
        ClientError::Fault(fault) if fault.code == "ResourceNotFoundException" => {
            Failure::new(fault.message.as_deref().unwrap_or_default())
                .help("see `levada deliver status`")
        }
        _ => failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_what_keeps_an_object() {
        let object = api::operator::ObjectStanding {
            bucket: "lake".into(),
            key: "2026/11/24/12/clicks-1".into(),
            failures: 3,
            error_code: Some("S3.NoSuchBucket".into()),
            ..Default::default()
        };
        let standing = DeliveryStanding {
            delivery_stream_name: "clicks".into(),
            backlog_records: 7,
            backlog_bytes: 2048,
            oldest_millis: Some(61_500),
            objects: vec![object],
            at_least_once: vec!["old".into()],
            ..Default::default()
        };
        let text = table(&[standing]);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "clicks                                   7    2.0 KiB      1m 1s          0       1",
                "  s3://lake/2026/11/24/12/clicks-1: S3.NoSuchBucket after 3 attempts",
                "  s3://old knows no conditional writes: a crash may deliver an object twice",
            ]
        );
    }
}
