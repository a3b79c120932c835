//! A whole server inside a test, as a Rust user would run one.

mod hostile;

use bytes::Bytes;
use levada::{Client, ClientError, Server, ServerConfig};
use model::kinesis::{op, shapes};
use wire::Blob;

const STREAM: &str = "orders";

async fn started(config: ServerConfig) -> (Server, Client) {
    let server = Server::start(config).await.expect("it starts");
    let client = Client::new(server.endpoint(), server.root_key().clone(), "eu-west-1");
    let client = client.expect("its endpoint is one");
    (server, client)
}

async fn create(client: &Client) {
    create_stream(client, STREAM).await;
}

async fn create_stream(client: &Client, name: &str) {
    let input = shapes::CreateStreamInput {
        stream_name: name.to_owned(),
        shard_count: Some(1),
        ..shapes::CreateStreamInput::default()
    };
    client.call::<op::CreateStream>(&input).await.expect("a new name");
}

async fn put(client: &Client, data: &'static str) -> String {
    put_record(client, STREAM, data.to_owned()).await
}

async fn put_record(client: &Client, name: &str, data: String) -> String {
    let input = shapes::PutRecordInput {
        stream_name: Some(name.to_owned()),
        data: Blob(Bytes::from(data)),
        partition_key: Some("k".to_owned()),
        ..shapes::PutRecordInput::default()
    };
    client.call::<op::PutRecord>(&input).await.expect("a put").sequence_number
}

/// The data of a stream of one shard.
async fn read_stream(client: &Client, name: &str) -> Vec<String> {
    let text = |record: shapes::Record| String::from_utf8_lossy(&record.data).into_owned();
    read_from(client, name).await.into_iter().map(text).collect()
}

async fn read(client: &Client) -> Vec<shapes::Record> {
    read_from(client, STREAM).await
}

async fn read_from(client: &Client, name: &str) -> Vec<shapes::Record> {
    let input = shapes::GetShardIteratorInput {
        stream_name: Some(name.to_owned()),
        shard_id: "shardId-000000000000".to_owned(),
        shard_iterator_type: shapes::ShardIteratorType::TrimHorizon,
        ..shapes::GetShardIteratorInput::default()
    };
    let iterator = client.call::<op::GetShardIterator>(&input).await.expect("an iterator");
    let input = shapes::GetRecordsInput {
        shard_iterator: iterator.shard_iterator.expect("one"),
        ..shapes::GetRecordsInput::default()
    };
    client.call::<op::GetRecords>(&input).await.expect("records").records
}

fn fault(refused: Result<impl Sized, ClientError>) -> wire::Fault {
    match refused {
        Err(ClientError::Fault(fault)) => fault,
        Err(error) => panic!("not a fault: {error}"),
        Ok(_) => panic!("not refused"),
    }
}

#[tokio::test]
async fn a_server_in_memory_takes_and_gives_records() {
    let (server, client) = started(ServerConfig::in_memory()).await;
    create(&client).await;
    let number = put(&client, "hello").await;
    let records = read(&client).await;
    assert_eq!(records.len(), 1);
    assert_eq!((&records[0].data[..], &records[0].sequence_number), (&b"hello"[..], &number));
    assert_eq!(client.get("/health/ready").await.expect("a page").0, 200);
    server.stop().await;
    assert!(matches!(client.get("/health/ready").await, Err(ClientError::Connection(_))));
}

#[tokio::test]
async fn a_folder_keeps_records_keys_and_iterators() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = ServerConfig { data: Some(folder.path().to_owned()), ..ServerConfig::in_memory() };
    let (server, client) = started(config.clone()).await;
    create(&client).await;
    let first = put(&client, "one").await;
    let key = server.root_key().clone();
    server.stop().await;

    let (server, client) = started(config).await;
    assert_eq!(*server.root_key(), key);
    let second = put(&client, "two").await;
    assert!(first < second);
    let data: Vec<_> = read(&client).await.into_iter().map(|record| record.data.0).collect();
    assert_eq!(data, ["one", "two"]);
    server.stop().await;
}

#[tokio::test]
async fn every_region_is_its_own_world() {
    let (server, here) = started(ServerConfig::in_memory()).await;
    create(&here).await;
    let there = Client::new(server.endpoint(), server.root_key().clone(), "us-west-2");
    let there = there.expect("its endpoint is one");
    let input = shapes::DescribeStreamSummaryInput {
        stream_name: Some(STREAM.to_owned()),
        ..shapes::DescribeStreamSummaryInput::default()
    };
    let missing = fault(there.call::<op::DescribeStreamSummary>(&input).await);
    assert_eq!(missing.code, "ResourceNotFoundException");
    let summary = here.call::<op::DescribeStreamSummary>(&input).await.expect("it is here");
    assert_eq!(
        summary.stream_description_summary.stream_arn,
        "arn:aws:kinesis:eu-west-1:000000000000:stream/orders"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_secret_is_refused() {
    let (server, _) = started(ServerConfig::in_memory()).await;
    let mut pair = server.root_key().clone();
    pair.secret_access_key.push('x');
    let client = Client::new(server.endpoint(), pair, "eu-west-1").expect("its endpoint is one");
    let refused = client.call::<op::ListStreams>(&shapes::ListStreamsInput::default()).await;
    assert_eq!(fault(refused).code, "InvalidSignatureException");
    server.stop().await;
}
