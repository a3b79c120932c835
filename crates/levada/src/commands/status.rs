//! `levada status`: is it ready, and what does it hold?

use model::kinesis::{op, shapes};
use serde::Serialize;

use super::{connect, endpoint_of, failed};
use crate::cli::Status;
use crate::client::{Client, ClientError};
use crate::exit::Failure;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    ready: bool,
    detail: String,
    #[serde(flatten)]
    held: Option<Held>,
}

/// What it holds.
#[derive(Serialize)]
struct Held {
    region: String,
    streams: Vec<StreamLine>,
}

#[derive(Serialize)]
struct StreamLine {
    name: String,
    status: String,
    mode: String,
    open_shards: i32,
    consumers: i32,
    retention_hours: i32,
}

pub(crate) async fn run(options: Status) -> Result<(), Failure> {
    let client = match options.brief {
        true => Client::anonymous(&endpoint_of(&options.target.place)?).map_err(failed)?,
        false => connect(&options.target)?,
    };
    let (status, detail) = client.get("/health/ready").await.map_err(failed)?;
    let detail = detail.trim().to_owned();
    let held = match options.brief {
        true => None,
        false => {
            let streams = list(&client).await.map_err(failed)?;
            Some(Held { region: options.target.region, streams })
        }
    };
    let report = Report { ready: status == 200, detail: detail.clone(), held };
    if options.json {
        let json = serde_json::to_string(&report);
        println!("{}", json.map_err(|error| Failure::new(error.to_string()))?);
    } else {
        match &report.held {
            Some(held) => print(held),
            None => println!("{detail}"),
        }
    }
    if report.ready { Ok(()) } else { Err(Failure::not_ready(format!("not ready: {detail}"))) }
}

fn print(held: &Held) {
    println!("{:<32} {:<9} {:<12} {:>6} {:>9}", "STREAM", "STATUS", "MODE", "SHARDS", "CONSUMERS");
    for stream in &held.streams {
        let StreamLine { name, status, mode, open_shards, consumers, .. } = stream;
        println!("{name:<32} {status:<9} {mode:<12} {open_shards:>6} {consumers:>9}");
    }
    eprintln!("{} streams in {}", held.streams.len(), held.region);
}

async fn list(client: &Client) -> Result<Vec<StreamLine>, ClientError> {
    let mut lines = Vec::new();
    let mut input = shapes::ListStreamsInput::default();
    loop {
        let page = client.call::<op::ListStreams>(&input).await?;
        for name in page.stream_names {
            lines.push(summarise(client, name).await?);
        }
        match page.next_token {
            None => return Ok(lines),
            next_token => {
                input = shapes::ListStreamsInput { next_token, ..Default::default() };
            }
        }
    }
}

async fn summarise(client: &Client, name: String) -> Result<StreamLine, ClientError> {
    let input = shapes::DescribeStreamSummaryInput {
        stream_name: Some(name.clone()),
        ..shapes::DescribeStreamSummaryInput::default()
    };
    let answer = client.call::<op::DescribeStreamSummary>(&input).await?;
    let summary = answer.stream_description_summary;
    let mode = summary.stream_mode_details.map(|details| details.stream_mode.to_string());
    Ok(StreamLine {
        name,
        status: summary.stream_status.to_string(),
        mode: mode.unwrap_or_default(),
        open_shards: summary.open_shard_count,
        consumers: summary.consumer_count.unwrap_or_default(),
        retention_hours: summary.retention_period_hours,
    })
}
