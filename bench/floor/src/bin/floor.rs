//! The floor on hyper and tokio: the same parts that Levada is made of.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;
use bytes::Bytes;
use floor::answer::{write_put_record, write_put_records};
use floor::chunk::Entry;
use floor::commit::{Committer, Durable};
use floor::records::{PutRecord, PutRecords, Record, RefusedBase64, pick_shards};
use floor::start::Start;
use floor::verify::{Headers, Verifier};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Bodies larger than this are not what the floor is for.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
const CONTENT_TYPE_JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
/// The answer to any operation but the measured ones: enough for a client that creates its stream
/// and waits until it is active.
const CONTROL_ANSWER: &[u8] =
    br#"{"StreamDescriptionSummary":{"StreamStatus":"ACTIVE","OpenShardCount":4}}"#;

struct Floor {
    verifier: Verifier,
    committer: Committer,
    /// Buffers for bodies, the last used first, because it is still in the processor's cache.
    buffers: Mutex<Vec<Vec<u8>>>,
}

struct HeadersOf<'a>(&'a HeaderMap);

impl Headers for HeadersOf<'_> {
    fn find(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(HeaderValue::as_bytes)
    }
}

/// What a request appended: the shard of each record, and whether it was a PutRecord.
struct Appended {
    first: u64,
    shards: Vec<u8>,
    single: bool,
    durable: Durable,
}

#[tokio::main(flavor = "multi_thread")]
async fn main() -> io::Result<()> {
    let start = Start::prepare()?;
    start.announce()?;
    let floor = Arc::new(Floor {
        verifier: Verifier::new(start.pair),
        committer: Committer::start(start.ring)?,
        buffers: Mutex::default(),
    });
    let listener = TcpListener::from_std(start.listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve_connection(Arc::clone(&floor), stream));
    }
}

async fn serve_connection(floor: Arc<Floor>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let floor = Arc::clone(&floor);
        async move { Ok::<_, Infallible>(answer_request(&floor, request).await) }
    });
    // A connection that breaks concerns only its client.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer_request(floor: &Floor, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let answer = match serve_request(floor, request).await {
        Ok(answer) => answer,
        Err(status) => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = status;
            return response;
        }
    };
    let mut response = Response::new(Full::new(answer));
    response.headers_mut().insert(CONTENT_TYPE, CONTENT_TYPE_JSON);
    response
}

async fn serve_request(floor: &Floor, request: Request<Incoming>) -> Result<Bytes, StatusCode> {
    let (head, incoming) = request.into_parts();
    let mut body = lock(&floor.buffers).pop().unwrap_or_default();
    let hash = receive_body(&head.headers, incoming, &mut body).await?;
    floor.verifier.verify(&HeadersOf(&head.headers), &hash).ok_or(StatusCode::FORBIDDEN)?;
    let target = head.headers.get("x-amz-target").ok_or(StatusCode::BAD_REQUEST)?;
    let appended = match target.as_bytes() {
        b"Kinesis_20131202.PutRecords" => append_put_records(&floor.committer, &body),
        b"Kinesis_20131202.PutRecord" => append_put_record(&floor.committer, &body),
        _ => {
            lock(&floor.buffers).push(body);
            return Ok(Bytes::from_static(CONTROL_ANSWER));
        }
    };
    lock(&floor.buffers).push(body);
    let appended = appended.ok_or(StatusCode::BAD_REQUEST)?;
    appended.durable.await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let mut answer = Vec::new();
    if appended.single {
        write_put_record(appended.first, appended.shards[0], &mut answer);
    } else {
        write_put_records(appended.first, &appended.shards, &mut answer);
    }
    Ok(answer.into())
}

/// Gathers the body into `body` and hashes each part while it is in the cache.
async fn receive_body(
    headers: &HeaderMap,
    mut incoming: Incoming,
    body: &mut Vec<u8>,
) -> Result<[u8; 32], StatusCode> {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok())
        .filter(|length| *length <= BODY_BYTES_MAX)
        .ok_or(StatusCode::LENGTH_REQUIRED)?;
    body.clear();
    body.reserve(length);
    let mut hasher = digest::Context::new(&digest::SHA256);
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        if let Ok(part) = frame.into_data() {
            hasher.update(&part);
            body.extend_from_slice(&part);
        }
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(hasher.finish().as_ref());
    Ok(hash)
}

fn append_put_records(committer: &Committer, body: &[u8]) -> Option<Appended> {
    let input: PutRecords<'_> = serde_json::from_slice(body).ok()?;
    let entries: Vec<Entry<'_>> = input.records.iter().map(Record::view).collect();
    append(committer, &entries, false).ok()
}

fn append_put_record(committer: &Committer, body: &[u8]) -> Option<Appended> {
    let input: PutRecord<'_> = serde_json::from_slice(body).ok()?;
    append(committer, &[input.view()], true).ok()
}

fn append(
    committer: &Committer,
    entries: &[Entry<'_>],
    single: bool,
) -> Result<Appended, RefusedBase64> {
    let shards = pick_shards(entries);
    let (first, durable) = committer.append(entries, &shards)?;
    Ok(Appended { first, shards, single, durable })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
