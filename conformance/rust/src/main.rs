//! The AWS SDK for Rust against the server under test: `records`, `fan-out`.
//!
//! Prints the operations that it called; a failure is told as the SDK tells it.

mod fan_out;
mod records;
mod streams;
mod watch;

use std::error::Error;
use std::fmt::Debug;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::{Config, Credentials, Region};
use watch::Watch;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() {
    let watch = Watch::default();
    let outcome = match std::env::args().nth(1).as_deref() {
        Some("records") => run_records(&watch).await,
        Some("fan-out") => run_fan_out(&watch).await,
        _ => Err("usage: records | fan-out".into()),
    };
    if let Err(failure) = outcome {
        eprintln!("{failure:?}\nlast exchange: {}", watch.last());
        std::process::exit(1);
    }
    println!("operations\t{}", watch.operations().join(","));
}

async fn run_records(watch: &Watch) -> Outcome<()> {
    records::run(&connect(watch)?).await
}

async fn run_fan_out(watch: &Watch) -> Outcome<()> {
    fan_out::run(&connect(watch)?).await
}

/// A refusal is not tried again: the tests want to see it.
fn connect(watch: &Watch) -> Outcome<Client> {
    let key = std::env::var("AWS_ACCESS_KEY_ID")?;
    let secret = std::env::var("AWS_SECRET_ACCESS_KEY")?;
    let config = Config::builder()
        .behavior_version_latest()
        .endpoint_url(std::env::var("LEVADA_ENDPOINT")?)
        .region(Region::new(std::env::var("AWS_REGION")?))
        .credentials_provider(Credentials::new(key, secret, None, None, "environment"))
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .interceptor(watch.clone())
        .build();
    Ok(Client::from_conf(config))
}

/// What must be equal.
fn same<T: PartialEq + Debug>(what: &str, expected: T, found: T) -> Outcome<()> {
    match expected == found {
        true => Ok(()),
        false => Err(format!("{what}: expected {expected:?}, found {found:?}").into()),
    }
}
