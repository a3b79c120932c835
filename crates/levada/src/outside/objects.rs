//! Where deliveries put their objects: buckets of this server, or of an S3-compatible store somewhere else. Source of the codes and
//! words: the developer guide, "Amazon S3 data delivery errors".

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bucket::{Bucket, BucketError};
use delivery::{Answer, NewObject, ObjectStore, Put, PutError};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, ClientOptions, Error, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    RetryConfig,
};
use stdx::Entropy;
use telemetry::{Gauge, Telemetry};

use super::S3Location;

/// What AWS says of every object, however it is compressed (`facts/firehose.md` § 2.3).
const CONTENT_TYPE: &str = "application/octet-stream";
/// How long a connection may take.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// How long one object may take.
const PUT_WAIT: Duration = Duration::from_secs(300);
/// Clients of buckets that are kept: one is a few kilobytes and its idle connections.
const BUCKETS_MAX: usize = 1024;
/// What the objects' names begin with that find out whether a bucket knows conditions.
const PROBE: &str = ".levada-probe-";

/// The server's own buckets.
pub(crate) struct EmbeddedObjects(pub(crate) Bucket);

/// A place for objects somewhere else.
pub(crate) struct OutsideObjects {
    location: S3Location,
    entropy: Entropy,
    buckets: RwLock<HashMap<String, Arc<OutsideBucket>>>,
    /// Buckets that write over objects that are there.
    without_conditions: Gauge,
}

/// A bucket, and whether it refuses to write over an object, once that is known.
struct OutsideBucket {
    objects: Box<dyn object_store::ObjectStore>,
    has_conditions: tokio::sync::OnceCell<bool>,
}

impl OutsideObjects {
    pub(crate) fn new(location: S3Location, entropy: Entropy, telemetry: &Telemetry) -> Self {
        let without_conditions = telemetry.gauge(
            "delivery_buckets_without_conditions",
            "Buckets that ignore conditional writes: deliveries into them are at-least-once.",
        );
        OutsideObjects { location, entropy, buckets: RwLock::default(), without_conditions }
    }

    fn bucket(&self, name: &str) -> Result<Arc<OutsideBucket>, PutError> {
        let known = self.buckets.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(bucket) = known {
            return Ok(bucket);
        }
        let mut builder = AmazonS3Builder::new();
        for (key, value) in &self.location.options {
            let Ok(key) = key.parse::<AmazonS3ConfigKey>() else { continue };
            builder = builder.with_config(key, value);
        }
        let client = ClientOptions::new()
            .with_allow_http(self.location.endpoint.starts_with("http://"))
            .with_connect_timeout(CONNECT_WAIT)
            .with_timeout(PUT_WAIT);
        // When to try again is the delivery's decision.
        let once = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        let builder = builder.with_bucket_name(name).with_client_options(client).with_retry(once);
        let objects = Box::new(builder.build().map_err(|error| failed(&error))?);
        let bucket =
            Arc::new(OutsideBucket { objects, has_conditions: tokio::sync::OnceCell::new() });
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX {
            buckets.clear();
        }
        Ok(Arc::clone(buckets.entry(name.to_owned()).or_insert(bucket)))
    }

    /// Puts an object twice and takes it away again: a bucket that knows conditions refuses the second.
    async fn probe(&self, bucket: &OutsideBucket) -> Result<bool, PutError> {
        let name = Path::from(format!("{PROBE}{:016x}", u64::from_be_bytes(self.entropy.array())));
        let put = || bucket.put(&name, PutPayload::from_static(b"levada"), PutMode::Create, None);
        match put().await {
            Ok(()) => {}
            // It knows the condition, or it would not mind it.
            Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => return Ok(false),
            Err(error) => return Err(failed(&error)),
        }
        let second = put().await;
        if let Err(error) = bucket.objects.delete(&name).await {
            tracing::warn!(%error, %name, "an object that was put to try the bucket is left in it");
        }
        match second {
            Ok(()) | Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => Ok(false),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(true),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn conditions(&self, bucket: &OutsideBucket) -> Result<bool, PutError> {
        let probe = async {
            let has_conditions = self.probe(bucket).await?;
            if !has_conditions {
                self.without_conditions.add(1);
            }
            Ok(has_conditions)
        };
        bucket.has_conditions.get_or_try_init(|| probe).await.copied()
    }

    async fn put(&self, object: NewObject) -> Result<Put, PutError> {
        let bucket = self.bucket(&object.bucket)?;
        let mode = match self.conditions(&bucket).await? {
            true => PutMode::Create,
            false => PutMode::Overwrite,
        };
        let name = Path::parse(&object.key).map_err(|error| failed(&error.into()))?;
        let body = PutPayload::from_iter(object.body);
        match bucket.put(&name, body, mode, object.content_encoding).await {
            Ok(()) => Ok(Put::Stored),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Put::Taken),
            Err(error) => Err(failed(&error)),
        }
    }
}

impl OutsideBucket {
    async fn put(
        &self,
        name: &Path,
        body: PutPayload,
        mode: PutMode,
        content_encoding: Option<&'static str>,
    ) -> Result<(), Error> {
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::ContentType, CONTENT_TYPE.into());
        if let Some(encoding) = content_encoding {
            attributes.insert(Attribute::ContentEncoding, encoding.into());
        }
        let options = PutOptions { mode, attributes, ..PutOptions::default() };
        self.objects.put_opts(name, body, options).await.map(drop)
    }
}

impl ObjectStore for OutsideObjects {
    fn put_if_absent(&self, object: NewObject) -> Answer<'_, Result<Put, PutError>> {
        Box::pin(self.put(object))
    }

    fn has_conditions<'a>(
        &'a self,
        _account: &'a str,
        bucket: &'a str,
    ) -> Answer<'a, Result<bool, PutError>> {
        Box::pin(async move { self.conditions(&*self.bucket(bucket)?).await })
    }
}

impl ObjectStore for EmbeddedObjects {
    fn put_if_absent(&self, object: NewObject) -> Answer<'_, Result<Put, PutError>> {
        Box::pin(async move {
            let NewObject { account, bucket, key, body, content_encoding } = object;
            let put = self.0.put_object(
                &account,
                &bucket,
                &key,
                &body,
                CONTENT_TYPE,
                content_encoding,
                true,
            );
            match put.await {
                Ok(bucket::Put::Stored) => Ok(Put::Stored),
                Ok(bucket::Put::Taken) => Ok(Put::Taken),
                Err(BucketError::NoSuchBucket) => Err(no_such_bucket()),
                Err(error) => Err(internal(&error)),
            }
        })
    }

    fn has_conditions<'a>(
        &'a self,
        _account: &'a str,
        _bucket: &'a str,
    ) -> Answer<'a, Result<bool, PutError>> {
        Box::pin(async { Ok(true) })
    }
}

fn no_such_bucket() -> PutError {
    PutError {
        code: "S3.NoSuchBucket".to_owned(),
        message:
            "The specified bucket does not exist. Create the bucket or use a different bucket \
                  that does exist."
                .to_owned(),
    }
}

fn internal(error: &dyn std::fmt::Display) -> PutError {
    PutError { code: "InternalError".to_owned(), message: error.to_string() }
}

fn failed(error: &Error) -> PutError {
    let (code, message) = match error {
        Error::NotFound { .. } => return no_such_bucket(),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => (
            "S3.AccessDenied",
            "Access was denied. Ensure that the keys that the server was given allow access to the \
             S3 bucket."
                .to_owned(),
        ),
        error => return internal(error),
    };
    PutError { code: code.to_owned(), message }
}
