//! `levada wait`: until the server is ready, but not for ever.

use std::time::Duration;

use stdx::Clock;

use super::{endpoint_of, failed};
use crate::cli::{Place, Wait};
use crate::client::{Client, ClientError};
use crate::exit::Failure;

/// How often to ask.
const ASK_EVERY: Duration = Duration::from_millis(50);

pub(crate) async fn run(options: &Wait) -> Result<(), Failure> {
    if let Some(endpoint) = &options.place.endpoint {
        // What can never be reached is not waited for.
        Client::anonymous(endpoint).map_err(failed)?;
    }
    let clock = Clock::system();
    let mut reason = "it was not asked".to_owned();
    let ready = async {
        while let Err(unready) = ask(&options.place).await {
            reason = unready;
            clock.sleep(ASK_EVERY).await;
        }
    };
    if clock.timeout(options.ready, ready).await.is_some() {
        return Ok(());
    }
    let waited_ms = options.ready.as_millis();
    Err(Failure::not_ready(format!("not ready after {waited_ms} ms: {reason}"))
        .help("start a server with `levada serve`, or give it longer with --ready"))
}

/// Asks once; why it is not ready if it is not. The endpoint is read anew each time: a server that
/// starts writes it.
async fn ask(place: &Place) -> Result<(), String> {
    let endpoint = endpoint_of(place).map_err(|failure| failure.to_string())?;
    let client = Client::anonymous(&endpoint).map_err(|error| error.to_string())?;
    match client.get("/health/ready").await {
        Ok((200, _)) => Ok(()),
        Ok((_, detail)) => Err(detail.trim().to_owned()),
        Err(ClientError::Connection(cause)) => Err(format!("{endpoint}: {cause}")),
        Err(error) => Err(error.to_string()),
    }
}
