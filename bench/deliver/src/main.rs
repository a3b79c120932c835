//! What a delivered byte costs: PutRecordBatch as fast as it goes for a while, until everything is an
//! object in the server's own bucket; the server's processor time over all of it, and its memory.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use kit::process::{read_cpu_seconds, read_resident_bytes, read_thread_cpu};
use kit::sigv4::{Service, Signer};
use load::connection::Connection;
use load::server::Program;
use load::target::Target;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time;

const BUCKET: &str = "measured";
const HOSE: &str = "measured";
const RECORDS: usize = 500;
const RECORD_BYTES: usize = 1024;
/// Different requests, so that no cache holds them all.
const REQUESTS: usize = 32;
const SECONDS_MAX: u64 = 60;
const DRAIN_MAX: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Measures deliveries.
#[derive(Debug, Parser)]
struct Flags {
    /// The Levada program to measure.
    #[arg(long)]
    levada: PathBuf,
    /// Seconds of putting, at most 60.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Connections that put.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Partitions that a query spreads the records over; 0 for none.
    #[arg(long, default_value_t = 0)]
    partitions: usize,
    /// What the objects are compressed with, such as GZIP.
    #[arg(long, default_value = "UNCOMPRESSED")]
    compression: String,
    /// Where the server's folder is made (and removed).
    #[arg(long, default_value = ".")]
    scratch: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let flags = Flags::parse();
    let scratch = tempfile::Builder::new().prefix("levada-deliver-").tempdir_in(&flags.scratch)?;
    let arguments = vec!["serve".to_owned()];
    let program = Program { name: "levada", path: flags.levada.clone(), arguments };
    let log = scratch.path().join("server.log");
    let server = program.start(&scratch.path().join("data"), &log)?;
    let target = server.target.clone();
    prepare(&target, &flags).await?;
    let before = read_cpu_seconds(target.pid)?;
    let threads = read_thread_cpu(target.pid)?;
    let began = Instant::now();
    let (put, peak) = put_all(&target, &flags).await?;
    let put_in = began.elapsed();
    let peak = drain(&target, peak).await?;
    let took = began.elapsed();
    let cpu = read_cpu_seconds(target.pid)? - before;
    let mib = (put * RECORDS as u64 * RECORD_BYTES as u64) as f64 / (1024.0 * 1024.0);
    println!(
        "{mib:.0} MiB put in {:.1} s ({:.0} MiB/s), delivered {:.1} s later; \
         {:.1} MiB per server CPU-second; resident at most {} MiB",
        put_in.as_secs_f64(),
        mib / put_in.as_secs_f64(),
        (took - put_in).as_secs_f64(),
        mib / cpu,
        peak >> 20,
    );
    for (thread, used) in read_thread_cpu(target.pid)? {
        let earlier = threads.get(&thread).copied().unwrap_or_default();
        let user = used.user_seconds - earlier.user_seconds;
        let system = used.system_seconds - earlier.system_seconds;
        println!("  {thread:<16} user {user:6.2} s  system {system:6.2} s");
    }
    server.end().map(drop)
}

/// The bucket and the delivery stream.
async fn prepare(target: &Target, flags: &Flags) -> io::Result<()> {
    let mut connection = Connection::open(target).await?;
    let s3 = Signer::for_service(&target.address.to_string(), &target.pair, Service::S3);
    connection.exchange(&s3.write_put(&format!("/{BUCKET}"))).await?;
    let mut extended = json!({
        "RoleARN": "arn:aws:iam::000000000000:role/deliver",
        "BucketARN": format!("arn:aws:s3:::{BUCKET}"),
        "CompressionFormat": flags.compression,
        "BufferingHints": { "SizeInMBs": 64, "IntervalInSeconds": 60 },
    });
    if flags.partitions > 0 {
        let processor = |kind: &str, parameters: &[(&str, &str)]| {
            let parameters: Vec<Value> = parameters
                .iter()
                .map(|(name, value)| json!({ "ParameterName": name, "ParameterValue": value }))
                .collect();
            json!({ "Type": kind, "Parameters": parameters })
        };
        let query = [("MetadataExtractionQuery", "{p: .p}"), ("JsonParsingEngine", "JQ-1.6")];
        extended["Prefix"] = json!("p=!{partitionKeyFromQuery:p}/");
        extended["ErrorOutputPrefix"] = json!("errors/!{firehose:error-output-type}/");
        extended["DynamicPartitioningConfiguration"] = json!({ "Enabled": true });
        extended["ProcessingConfiguration"] = json!({
            "Enabled": true,
            "Processors": [processor("MetadataExtraction", &query)],
        });
    }
    let input = json!({
        "DeliveryStreamName": HOSE,
        "DeliveryStreamType": "DirectPut",
        "ExtendedS3DestinationConfiguration": extended,
    });
    call(&mut connection, target, Service::Firehose, "CreateDeliveryStream", &input).await?;
    Ok(())
}

/// Puts until the time is up; how many requests were taken, and the most memory that was seen.
async fn put_all(target: &Target, flags: &Flags) -> io::Result<(u64, u64)> {
    let signer = Signer::for_service(&target.address.to_string(), &target.pair, Service::Firehose);
    let requests: Arc<Vec<Vec<u8>>> =
        Arc::new((0..REQUESTS).map(|n| write_batch(&signer, n, flags.partitions)).collect());
    let taken = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + Duration::from_secs(flags.seconds.clamp(1, SECONDS_MAX));
    let mut putters = JoinSet::new();
    for _ in 0..flags.connections.clamp(1, 256) {
        let mut connection = Connection::open(target).await?;
        let (requests, taken) = (Arc::clone(&requests), Arc::clone(&taken));
        putters.spawn(async move {
            while Instant::now() < until {
                let turn = taken.fetch_add(1, Ordering::Relaxed) as usize;
                let answer = connection.exchange(&requests[turn % REQUESTS]).await?;
                let read: Value = serde_json::from_slice(&answer[..answer.len().min(1 << 20)])
                    .map_err(io::Error::other)?;
                if read["FailedPutCount"] != 0 {
                    return Err(io::Error::other("records were refused"));
                }
            }
            Ok::<(), io::Error>(())
        });
    }
    let mut peak = 0;
    while Instant::now() < until {
        time::sleep(LOOK_EVERY).await;
        peak = peak.max(read_resident_bytes(target.pid)?);
    }
    while let Some(putter) = putters.join_next().await {
        putter.map_err(io::Error::other)??;
    }
    Ok((taken.load(Ordering::Relaxed), peak))
}

/// Flushes until nothing is on its way; the most memory that was seen.
async fn drain(target: &Target, mut peak: u64) -> io::Result<u64> {
    let mut connection = Connection::open(target).await?;
    let input = json!({ "DeliveryStreamName": HOSE });
    let began = Instant::now();
    while began.elapsed() < DRAIN_MAX {
        let standing =
            call(&mut connection, target, Service::Levada, "FlushDelivery", &input).await?;
        peak = peak.max(read_resident_bytes(target.pid)?);
        let objects = standing["Objects"].as_array().map_or(0, Vec::len);
        if standing["BacklogRecords"] == 0 && objects == 0 {
            return Ok(peak);
        }
        time::sleep(LOOK_EVERY).await;
    }
    Err(io::Error::other("it is not delivered in time"))
}

async fn call(
    connection: &mut Connection,
    target: &Target,
    service: Service,
    operation: &str,
    input: &Value,
) -> io::Result<Value> {
    let signer = Signer::for_service(&target.address.to_string(), &target.pair, service);
    let request = signer.write_request(operation, input.to_string().as_bytes());
    let answer = connection.exchange(&request).await?;
    serde_json::from_slice(answer).map_err(io::Error::other)
}

/// One request: 500 records of 1 KiB, each a line of JSON.
fn write_batch(signer: &Signer, number: usize, partitions: usize) -> Vec<u8> {
    let records: Vec<Value> = (0..RECORDS)
        .map(|index| {
            let id = number * RECORDS + index;
            let partition = id % partitions.max(1);
            let mut line = format!(r#"{{"p":"{partition}","id":{id},"filler":""#);
            // Letters that do not repeat soon, so that compression has something to do.
            let mut state = id as u64 + 1;
            while line.len() < RECORD_BYTES - 3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                line.push(char::from(b'a' + (state >> 33) as u8 % 26));
            }
            line.push_str("\"}\n");
            json!({ "Data": base64_simd::STANDARD.encode_to_string(line) })
        })
        .collect();
    let input = json!({ "DeliveryStreamName": HOSE, "Records": records });
    signer.write_request("PutRecordBatch", input.to_string().as_bytes())
}
