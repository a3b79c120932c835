//! `levada demo`: a server, a stream, a stock ticker that puts, a consumer that shows, and a delivery
//! into a bucket, all through the public API.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use model::firehose;
use model::kinesis::{op, shapes};
use stdx::{Clock, Entropy};
use wire::Blob;

use crate::cli::{Demo, From};
use crate::client::{Client, ClientError};
use crate::commands::{Follow, Shutdown, start, tell_ready};
use crate::exit::Failure;

const STREAM: &str = "ticker";
const SHARDS: i32 = 4;
const REGION: &str = "us-east-1";
/// Where the ticker is delivered to, a folder for each symbol.
const BUCKET: &str = "ticker";
const DELIVERY_STREAM: &str = "ticker-to-bucket";
/// How long a price waits for others before it becomes an object: the shortest that AWS allows where
/// there are partitions.
const INTERVAL_SECONDS: i32 = 60;
/// And the smallest.
const OBJECT_MIB: i32 = 64;
/// How often the consumer looks when nothing new was there.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const SYMBOLS: &[(&str, i64)] =
    &[("ACME", 12_050), ("BRDG", 4_275), ("CANL", 9_910), ("LVDA", 31_400), ("WEIR", 780)];

pub(crate) async fn run(options: Demo) -> Result<(), Failure> {
    let shutdown = Shutdown::listen()?;
    let (server, ready_after) = start(&options.serve).await?;
    let client = || {
        let pair = server.root_key().clone();
        Client::new(server.endpoint(), pair, REGION).map_err(Failure::new)
    };
    let (producer, consumer) = (client()?, client()?);
    create_stream(&producer).await?;
    create_delivery(&producer, &options.serve.account).await?;
    let follow = Follow::begin(&consumer, STREAM, From::Latest).await?;
    eprintln!(
        "every {INTERVAL_SECONDS} s the ticker becomes objects, a folder for each symbol:\n\n  \
         levada deliver flush {DELIVERY_STREAM}      # or at once\n  aws s3 ls --recursive \
         s3://{BUCKET}/\n  aws s3 cp --recursive s3://{BUCKET}/ /tmp/{BUCKET}/\n"
    );
    tell_ready(&options.serve, &server, ready_after);
    let ended = tokio::select! {
        failed = produce(&producer, options.rate) => failed,
        failed = show(follow) => failed,
        () = shutdown.ordered() => Ok(()),
    };
    server.stop().await;
    ended
}

/// The demo's folder may have been used before: a stream that is there is as good as a new one.
async fn create_stream(client: &Client) -> Result<(), Failure> {
    let input = shapes::CreateStreamInput {
        stream_name: STREAM.to_owned(),
        shard_count: Some(SHARDS),
        ..shapes::CreateStreamInput::default()
    };
    match client.call::<op::CreateStream>(&input).await {
        Ok(()) => await_active(client).await,
        Err(ClientError::Fault(fault)) if fault.code == "ResourceInUseException" => {
            await_active(client).await
        }
        Err(error) => Err(Failure::new(error)),
    }
}

async fn await_active(client: &Client) -> Result<(), Failure> {
    let clock = Clock::system();
    let input = shapes::DescribeStreamSummaryInput {
        stream_name: Some(STREAM.to_owned()),
        ..shapes::DescribeStreamSummaryInput::default()
    };
    loop {
        let answer = client.call::<op::DescribeStreamSummary>(&input).await;
        let summary = answer.map_err(Failure::new)?.stream_description_summary;
        if summary.stream_status == shapes::StreamStatus::Active {
            return Ok(());
        }
        clock.sleep(LOOK_EVERY).await;
    }
}

/// Delivers the stream into a bucket, partitioned by symbol.
async fn create_delivery(client: &Client, account: &str) -> Result<(), Failure> {
    client.create_bucket(BUCKET).await.map_err(Failure::new)?;
    let role_arn = format!("arn:aws:iam::{account}:role/demo");
    let source = firehose::shapes::KinesisStreamSourceConfiguration {
        kinesis_stream_arn: format!("arn:aws:kinesis:{REGION}:{account}:stream/{STREAM}"),
        role_arn: role_arn.clone(),
    };
    let processors = [
        ("MetadataExtraction", "MetadataExtractionQuery", "{symbol: .symbol}"),
        ("AppendDelimiterToRecord", "Delimiter", "\\n"),
    ];
    let processors = processors.map(|(kind, name, value)| {
        let parameter = |name: &str, value: &str| firehose::shapes::ProcessorParameter {
            parameter_name: name.into(),
            parameter_value: value.to_owned(),
        };
        let engine =
            (kind == "MetadataExtraction").then(|| parameter("JsonParsingEngine", "JQ-1.6"));
        let parameters = [parameter(name, value)].into_iter().chain(engine).collect();
        firehose::shapes::Processor { r#type: kind.into(), parameters: Some(parameters) }
    });
    let destination = firehose::shapes::ExtendedS3DestinationConfiguration {
        role_arn,
        bucket_arn: format!("arn:aws:s3:::{BUCKET}"),
        prefix: Some("symbol=!{partitionKeyFromQuery:symbol}/!{timestamp:yyyy/MM/dd}/".to_owned()),
        error_output_prefix: Some("errors/!{firehose:error-output-type}/".to_owned()),
        buffering_hints: Some(firehose::shapes::BufferingHints {
            size_in_m_bs: Some(OBJECT_MIB),
            interval_in_seconds: Some(INTERVAL_SECONDS),
        }),
        dynamic_partitioning_configuration: Some(
            firehose::shapes::DynamicPartitioningConfiguration {
                enabled: Some(true),
                ..Default::default()
            },
        ),
        processing_configuration: Some(firehose::shapes::ProcessingConfiguration {
            enabled: Some(true),
            processors: Some(processors.into()),
        }),
        ..Default::default()
    };
    let input = firehose::shapes::CreateDeliveryStreamInput {
        delivery_stream_name: DELIVERY_STREAM.to_owned(),
        delivery_stream_type: Some("KinesisStreamAsSource".into()),
        kinesis_stream_source_configuration: Some(source),
        extended_s3_destination_configuration: Some(destination),
        ..Default::default()
    };
    match client.call_of::<firehose::op::CreateDeliveryStream>(&firehose::SERVICE, &input).await {
        Ok(_) => Ok(()),
        Err(ClientError::Fault(fault)) if fault.code == "ResourceInUseException" => Ok(()),
        Err(error) => Err(Failure::new(error)),
    }
}

/// Puts a price at a time, each a small step from the last.
async fn produce(client: &Client, rate: u32) -> Result<(), Failure> {
    let (clock, entropy) = (Clock::system(), Entropy::system());
    let mut cents: HashMap<&str, i64> = SYMBOLS.iter().copied().collect();
    loop {
        let (symbol, _) = SYMBOLS[entropy.below(SYMBOLS.len() as u64) as usize];
        let price = cents.entry(symbol).or_default();
        let step = entropy.below(200) as i64 - 100;
        *price = (*price + step).max(100);
        let tick = format!(
            r#"{{"symbol":"{symbol}","price":{}.{:02},"change":{}}}"#,
            *price / 100,
            *price % 100,
            step as f64 / 100.0
        );
        let input = shapes::PutRecordInput {
            stream_name: Some(STREAM.to_owned()),
            data: Blob(Bytes::from(tick)),
            partition_key: Some(symbol.to_owned()),
            ..shapes::PutRecordInput::default()
        };
        client.call::<op::PutRecord>(&input).await.map_err(Failure::new)?;
        clock.sleep(Duration::from_secs(1) / rate).await;
    }
}

/// Shows what arrives.
async fn show(mut follow: Follow<'_>) -> Result<(), Failure> {
    let clock = Clock::system();
    loop {
        let found = follow.next().await?;
        for (shard, record) in &found {
            let number = &record.sequence_number;
            let tail = &number[number.len().saturating_sub(12)..];
            println!("{shard}  …{tail}  {}", String::from_utf8_lossy(&record.data));
        }
        if found.is_empty() {
            clock.sleep(LOOK_EVERY).await;
        }
    }
}
