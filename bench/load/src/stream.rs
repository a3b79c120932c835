//! The stream that the load goes to.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time;

use crate::connection::Connection;
use crate::target::Target;

/// How often, and with what pause, to ask whether the stream is active.
const ASKS_MAX: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);

/// Creates a stream and waits until it is active.
///
/// # Errors
/// The server's, in its words; or the stream is not active after ten seconds.
pub async fn create_stream(target: &Target, name: &str, shards: u32) -> io::Result<()> {
    let mut connection = Connection::open(target).await?;
    let input = json!({ "StreamName": name, "ShardCount": shards });
    call(&mut connection, target, "CreateStream", &input).await?;
    for _ in 0..ASKS_MAX {
        let input = json!({ "StreamName": name });
        let answer = call(&mut connection, target, "DescribeStreamSummary", &input).await?;
        if answer["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE" {
            return Ok(());
        }
        time::sleep(PAUSE).await;
    }
    Err(io::Error::other(format!("stream {name} does not become active")))
}

/// Signs and sends one request, and reads its answer.
///
/// # Errors
/// The server's, in its words.
pub async fn call(
    connection: &mut Connection,
    target: &Target,
    operation: &str,
    input: &Value,
) -> io::Result<Value> {
    let request = target.make_signer().write_request(operation, input.to_string().as_bytes());
    let answer = connection.exchange(&request).await?;
    if answer.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(answer).map_err(io::Error::other)
}
