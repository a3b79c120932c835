//! A small client of the public API: `identity` signs, `model` reads and writes, nothing is
//! special. What the subcommands can do, every SDK can.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use identity::{Credentials, KeyPair, RequestView, sign};
use serde::Serialize;
use serde::de::DeserializeOwned;
use stdx::{Clock, task};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use wire::{Codec, Fault, Operation, ServiceProfile};

/// How long an answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
/// The hash of no body, as S3 wants it in a header.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// Room for an ordinary call.
const BODY_BYTES_USUAL: usize = 256;

/// A connection to a server, opened when needed.
pub struct Client {
    authority: String,
    pair: KeyPair,
    region: String,
    clock: Clock,
    connection: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum ClientError {
    /// The endpoint is not `http://host:port`.
    Endpoint(String),
    /// Nobody listens there, or the connection broke.
    Connection(String),
    /// The answer took too long.
    TimedOut,
    /// The server refused.
    Fault(Fault),
    /// The answer is not what the operation answers.
    Unreadable(String),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Endpoint(given) => {
                write!(f, "{given} is not of the form http://host:port")
            }
            ClientError::Connection(cause) => write!(f, "the server cannot be reached: {cause}"),
            ClientError::TimedOut => write!(f, "the server did not answer in time"),
            ClientError::Fault(fault) => {
                let message = fault.message.as_deref().unwrap_or("no further words");
                write!(f, "{}: {message}", fault.code)
            }
            ClientError::Unreadable(cause) => write!(f, "the answer cannot be read: {cause}"),
        }
    }
}

impl std::error::Error for ClientError {}

impl Client {
    /// A client of the server at `endpoint`, such as `http://127.0.0.1:4567`.
    ///
    /// # Errors
    /// [`ClientError::Endpoint`].
    pub fn new(endpoint: &str, pair: KeyPair, region: &str) -> Result<Self, ClientError> {
        let rest = endpoint.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        match rest {
            Some(authority) if !authority.is_empty() && !authority.contains('/') => Ok(Client {
                authority: authority.to_owned(),
                pair,
                region: region.to_owned(),
                clock: Clock::system(),
                connection: Mutex::new(None),
            }),
            _ => Err(ClientError::Endpoint(endpoint.to_owned())),
        }
    }

    /// A client without a key, for pages that anybody may [`Client::get`].
    ///
    /// # Errors
    /// [`ClientError::Endpoint`].
    pub fn anonymous(endpoint: &str) -> Result<Self, ClientError> {
        let nobody = KeyPair { access_key_id: String::new(), secret_access_key: String::new() };
        Client::new(endpoint, nobody, "")
    }

    /// Calls one operation of Data Streams.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn call<Op>(&self, input: &Op::Input) -> Result<Op::Output, ClientError>
    where
        Op: Operation,
        Op::Input: Serialize,
        Op::Output: DeserializeOwned,
    {
        self.call_of::<Op>(&model::kinesis::SERVICE, input).await
    }

    /// Calls one operation of a service that speaks JSON by target.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn call_of<Op>(
        &self,
        profile: &ServiceProfile,
        input: &Op::Input,
    ) -> Result<Op::Output, ClientError>
    where
        Op: Operation,
        Op::Input: Serialize,
        Op::Output: DeserializeOwned,
    {
        let body = wire::codec::encode(Codec::Json, input, BODY_BYTES_USUAL);
        let request = self.signed(profile, Op::INFO.name, body)?;
        let (status, body) = self.exchange(request).await?;
        if status != 200 {
            return Err(ClientError::Fault(wire::codec::decode_fault(Codec::Json, status, &body)));
        }
        // An operation without an output answers no body at all.
        let body = if body.is_empty() { &b"null"[..] } else { &body };
        serde_json::from_slice(body).map_err(|error| ClientError::Unreadable(error.to_string()))
    }

    /// Asks for a page without a signature, such as `/health/ready`: the status and the text.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get(&self, path: &str) -> Result<(u16, String), ClientError> {
        let request = http::Request::get(path)
            .header("host", &self.authority)
            .body(Full::default())
            .map_err(|error| ClientError::Endpoint(error.to_string()))?;
        let (status, body) = self.exchange(request).await?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// Creates a bucket; one that is the caller's already stays as it is.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_bucket(&self, name: &str) -> Result<(), ClientError> {
        let path = format!("/{name}");
        let credentials = Credentials { pair: &self.pair, region: &self.region, service: "s3" };
        let headers = vec![
            ("host".to_owned(), self.authority.clone()),
            ("x-amz-content-sha256".to_owned(), EMPTY_SHA256.to_owned()),
        ];
        let request = self.sign_and_build(&credentials, "PUT", &path, headers, Bytes::new())?;
        match self.exchange(request).await? {
            (200, _) => Ok(()),
            (_, body) if body.windows(23).any(|part| part == b"BucketAlreadyOwnedByYou") => Ok(()),
            (status, body) => {
                let body = String::from_utf8_lossy(&body);
                Err(ClientError::Unreadable(format!("{status} {body}")))
            }
        }
    }

    fn signed(
        &self,
        profile: &ServiceProfile,
        operation: &str,
        body: Bytes,
    ) -> Result<http::Request<Full<Bytes>>, ClientError> {
        let credentials =
            Credentials { pair: &self.pair, region: &self.region, service: profile.signing_name };
        let headers = vec![
            ("content-type".to_owned(), CONTENT_TYPE.to_owned()),
            ("host".to_owned(), self.authority.clone()),
            ("x-amz-target".to_owned(), format!("{}.{operation}", profile.target_prefix)),
        ];
        self.sign_and_build(&credentials, "POST", "/", headers, body)
    }

    /// A request with all of `headers` under its signature.
    fn sign_and_build(
        &self,
        credentials: &Credentials<'_>,
        method: &str,
        path: &str,
        mut headers: Vec<(String, String)>,
        body: Bytes,
    ) -> Result<http::Request<Full<Bytes>>, ClientError> {
        let view =
            RequestView { method, path, query: "", headers: headers.as_slice(), authority: None };
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let signed = sign(credentials, &view, &names, &body, self.clock.wall());
        headers.extend(signed.map(|(name, value)| (name.to_owned(), value)));
        let request = http::Request::builder().method(method).uri(path);
        let request =
            headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let request = request.body(Full::new(body));
        request.map_err(|error| ClientError::Endpoint(error.to_string()))
    }

    /// One request and its answer, in time.
    async fn exchange(
        &self,
        request: http::Request<Full<Bytes>>,
    ) -> Result<(u16, Bytes), ClientError> {
        let broken = |error: hyper::Error| ClientError::Connection(error.to_string());
        let answer = async {
            let mut connection = self.connection.lock().await;
            let mut sender = match connection.take().filter(|sender| !sender.is_closed()) {
                Some(sender) => sender,
                None => self.connect().await?,
            };
            sender.ready().await.map_err(broken)?;
            let answer = sender.send_request(request).await.map_err(broken)?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.map_err(broken)?.to_bytes();
            // Only a connection whose answer was read whole may be used again.
            *connection = Some(sender);
            Ok((status, body))
        };
        self.clock.timeout(ANSWER_WAIT, answer).await.unwrap_or(Err(ClientError::TimedOut))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        let stream = TcpStream::connect(&self.authority)
            .await
            .map_err(|error| ClientError::Connection(error.to_string()))?;
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| ClientError::Connection(error.to_string()))?;
        task::spawn(async move {
            // Its failure is seen by whoever waits for an answer.
            let _closed = connection.await;
        });
        Ok(sender)
    }
}
