//! A bucket over the `object_store` crate: S3 and what is compatible with it, and memory.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, Error, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode,
    PutOptions, RetryConfig,
};
use stdx::Clock;
use tokio::runtime::{Builder, Handle, Runtime};

use super::{Answer, Ask, Bucket, Listed, Reply, Upload};
use crate::config::BucketLocation;
use crate::error::OpenError;
use crate::limits::{
    BUCKET_CONNECT_MAX, BUCKET_LANE_DEPTH, BUCKET_READ_RETRIES_MAX, BUCKET_REQUEST_MAX,
};

/// What memory is called, where others have `s3://…`.
pub(crate) const MEMORY_URL: &str = "memory:";

/// A bucket, and who does the waiting.
#[derive(Debug)]
pub(crate) struct ObjectBucket {
    objects: Objects,
    /// `None` in memory, where everything is answered at once on the thread that asks.
    runtime: Option<Runtime>,
    /// Only for waiting; the store's own clock may be one that stands still.
    clock: Wait,
}

/// How pauses are waited for.
struct Wait(Clock);

impl std::fmt::Debug for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wait")
    }
}

/// The objects themselves.
#[derive(Clone, Debug)]
struct Objects {
    /// Puts are tried once, here: what to do after an unknown answer is decided above.
    puts: Arc<dyn ObjectStore>,
    /// Everything else may be tried again below.
    reads: Arc<dyn ObjectStore>,
    url: String,
    prefix: String,
}

impl Drop for ObjectBucket {
    fn drop(&mut self) {
        // It may be dropped where nobody may block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn refused(url: &str, why: &dyn std::fmt::Display) -> OpenError {
    OpenError::BucketConfig { url: url.to_owned(), reason: why.to_string() }
}

impl ObjectBucket {
    /// The bucket at `location`; nothing is asked of it yet.
    pub(crate) fn new(location: &BucketLocation) -> Result<Self, OpenError> {
        let url = location.url.as_str();
        if url == MEMORY_URL {
            return Ok(Self::memory(Arc::new(InMemory::new())));
        }
        let rest =
            url.strip_prefix("s3://").ok_or_else(|| refused(url, &"it must begin with s3://"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let mut builder = AmazonS3Builder::new();
        for (key, value) in &location.options {
            let Ok(key) = key.parse::<AmazonS3ConfigKey>() else { continue };
            builder = builder.with_config(key, value);
        }
        let builder = builder
            .with_bucket_name(bucket)
            .with_client_options(client_options(has_plain_endpoint(location)));
        let once = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        let again = RetryConfig {
            max_retries: BUCKET_READ_RETRIES_MAX,
            retry_timeout: BUCKET_REQUEST_MAX,
            backoff: BackoffConfig::default(),
        };
        let puts =
            builder.clone().with_retry(once).build().map_err(|error| refused(url, &error))?;
        let reads = builder.with_retry(again).build().map_err(|error| refused(url, &error))?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("store-bucket")
            .enable_all()
            .build()
            .map_err(|source| OpenError::Io {
                doing: "start the bucket's thread".into(),
                source,
            })?;
        let objects = Objects {
            puts: Arc::new(puts),
            reads: Arc::new(reads),
            url: format!("s3://{bucket}"),
            prefix: prefix.trim_matches('/').to_owned(),
        };
        Ok(ObjectBucket { objects, runtime: Some(runtime), clock: Wait(Clock::system()) })
    }

    /// A bucket in memory; it can be opened again while `objects` lives.
    pub(crate) fn memory(objects: Arc<InMemory>) -> Self {
        let objects = Objects {
            puts: Arc::clone(&objects) as Arc<dyn ObjectStore>,
            reads: objects,
            url: "memory:/".to_owned(),
            prefix: String::new(),
        };
        ObjectBucket { objects, runtime: None, clock: Wait(Clock::system()) }
    }

    fn wait<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> io::Result<T> {
        wait_on(self.runtime.as_ref().map(Runtime::handle), future)
    }
}

/// Waits for `future`, on whatever thread: also one that drives a runtime. Memory needs no runtime.
fn wait_on<T: Send + 'static>(
    runtime: Option<&Handle>,
    future: impl Future<Output = T> + Send + 'static,
) -> io::Result<T> {
    let Some(runtime) = runtime else {
        let ready = future.now_or_never();
        return ready.ok_or_else(|| io::Error::other("memory did not answer at once"));
    };
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    runtime.spawn(async move { sender.send(future.await) });
    receiver.recv().map_err(|_| io::Error::other("the bucket's thread has ended"))
}

/// An object on its way in parts.
#[derive(Debug)]
struct ObjectUpload {
    /// Gone once a part of it could not be put.
    upload: Option<Box<dyn MultipartUpload>>,
    wait: Option<Handle>,
}

impl ObjectUpload {
    fn take(&mut self) -> io::Result<Box<dyn MultipartUpload>> {
        self.upload.take().ok_or_else(|| io::Error::other("the upload has failed"))
    }
}

impl Upload for ObjectUpload {
    fn put(&mut self, part: Bytes) -> io::Result<()> {
        let mut upload = self.take()?;
        let (upload, put) = wait_on(self.wait.as_ref(), async move {
            let put = upload.put_part(part.into()).await;
            (upload, put)
        })?;
        put.map_err(io::Error::from)?;
        self.upload = Some(upload);
        Ok(())
    }

    fn complete(&mut self) -> io::Result<()> {
        let mut upload = self.take()?;
        let completed = wait_on(self.wait.as_ref(), async move { upload.complete().await })?;
        completed.map(drop).map_err(io::Error::from)
    }

    fn abort(&mut self) {
        if let Ok(mut upload) = self.take() {
            let _the_store_may_expire_it =
                wait_on(self.wait.as_ref(), async move { upload.abort().await });
        }
    }
}

/// The client's limits; `http` if the endpoint has no TLS.
fn client_options(http: bool) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(http)
        .with_connect_timeout(BUCKET_CONNECT_MAX)
        .with_timeout(BUCKET_REQUEST_MAX)
}

fn has_plain_endpoint(location: &BucketLocation) -> bool {
    location.options.iter().any(|(key, value)| {
        let endpoint =
            matches!(key.parse(), Ok(AmazonS3ConfigKey::Endpoint | AmazonS3ConfigKey::S3Endpoint));
        endpoint && value.starts_with("http://")
    })
}

impl Objects {
    fn path(&self, name: &str) -> Path {
        if self.prefix.is_empty() {
            Path::from(name)
        } else {
            Path::from(format!("{}/{name}", self.prefix))
        }
    }

    async fn ask(&self, ask: Ask) -> Answer {
        match ask {
            Ask::PutNew(name, bytes) => self.put_new(&name, bytes).await,
            Ask::Get(name) => self.get(&name).await,
            Ask::List(folder) => self.list(&folder).await,
        }
    }

    async fn put_new(&self, name: &str, bytes: Bytes) -> Answer {
        let options = PutOptions::from(PutMode::Create);
        match self.puts.put_opts(&self.path(name), bytes.into(), options).await {
            Ok(_) => Answer::Created,
            // 412, and 409 with which S3 says that somebody else is at it: reading settles both.
            Err(Error::AlreadyExists { .. }) => Answer::Exists,
            Err(error) => Answer::Unknown(error.to_string()),
        }
    }

    async fn get(&self, name: &str) -> Answer {
        let found = match self.reads.get(&self.path(name)).await {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        match found {
            Ok(bytes) => Answer::Found(bytes),
            Err(Error::NotFound { .. }) => Answer::Missing,
            Err(error) => Answer::Unknown(error.to_string()),
        }
    }

    async fn list(&self, folder: &str) -> Answer {
        let prefix = self.path(folder);
        let found: Result<Vec<_>, Error> = self.reads.list(Some(&prefix)).try_collect().await;
        match found {
            Err(error) => Answer::Unknown(error.to_string()),
            Ok(found) => {
                let below = format!("{prefix}/");
                let listed = found.into_iter().filter_map(|object| {
                    let name = object.location.as_ref().strip_prefix(&below)?.to_owned();
                    Some(Listed { name, bytes: object.size })
                });
                Answer::Listed(listed.collect())
            }
        }
    }

    async fn root(&self) -> Result<Vec<String>, Error> {
        let root = (!self.prefix.is_empty()).then(|| Path::from(self.prefix.as_str()));
        let found = self.reads.list_with_delimiter(root.as_ref()).await?;
        let folders = found.common_prefixes.into_iter();
        let objects = found.objects.into_iter().map(|object| object.location);
        let names = folders.chain(objects);
        Ok(names.filter_map(|path| path.filename().map(str::to_owned)).collect())
    }

    async fn delete(&self, names: Vec<String>) -> Result<(), Error> {
        let paths: Vec<_> = names.iter().map(|name| Ok(self.path(name))).collect();
        let mut gone = self.reads.delete_stream(stream::iter(paths).boxed());
        while let Some(one) = gone.next().await {
            match one {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

type AnswerFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

impl Bucket for ObjectBucket {
    fn start(&self, ask: Ask, pause: Duration, reply: Reply) {
        let (objects, clock) = (self.objects.clone(), self.clock.0.clone());
        let Some(runtime) = &self.runtime else {
            return reply(self.call(ask));
        };
        runtime.spawn(async move {
            if !pause.is_zero() {
                clock.sleep(pause).await;
            }
            reply(objects.ask(ask).await);
        });
    }

    fn call(&self, ask: Ask) -> Answer {
        let objects = self.objects.clone();
        let answer = self.wait(async move { objects.ask(ask).await });
        answer.unwrap_or_else(|error| Answer::Unknown(error.to_string()))
    }

    fn call_all(&self, asks: Vec<Ask>) -> Vec<Answer> {
        let count = asks.len();
        let objects = self.objects.clone();
        let answers = self.wait(async move {
            let each = asks.into_iter().map(|ask| -> AnswerFuture {
                let objects = objects.clone();
                Box::pin(async move { objects.ask(ask).await })
            });
            let each: Vec<AnswerFuture> = each.collect();
            stream::iter(each).buffered(BUCKET_LANE_DEPTH).collect::<Vec<_>>().await
        });
        answers.unwrap_or_else(|error| vec![Answer::Unknown(error.to_string()); count])
    }

    fn get_range(&self, name: &str, at: u64, bytes: u64) -> io::Result<Bytes> {
        let (objects, path) = (self.objects.clone(), self.objects.path(name));
        let found =
            self.wait(async move { objects.reads.get_range(&path, at..at + bytes).await })?;
        found.map_err(io::Error::from)
    }

    fn begin_upload(&self, name: &str) -> io::Result<Box<dyn Upload>> {
        let (objects, path) = (self.objects.clone(), self.objects.path(name));
        let begun = self.wait(async move { objects.reads.put_multipart(&path).await })?;
        let wait = self.runtime.as_ref().map(|runtime| runtime.handle().clone());
        Ok(Box::new(ObjectUpload { upload: Some(begun.map_err(io::Error::from)?), wait }))
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        let (objects, path) = (self.objects.clone(), self.objects.path(name));
        let found = self.wait(async move { objects.reads.head(&path).await })?;
        found.map(|object| object.size).map_err(io::Error::from)
    }

    fn root(&self) -> io::Result<Vec<String>> {
        let objects = self.objects.clone();
        self.wait(async move { objects.root().await })?.map_err(io::Error::from)
    }

    fn delete(&self, names: Vec<String>) -> io::Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let objects = self.objects.clone();
        self.wait(async move { objects.delete(names).await })?.map_err(io::Error::from)
    }

    fn pause(&self, pause: Duration) {
        let clock = self.clock.0.clone();
        if self.runtime.is_some() {
            let _ended = self.wait(async move { clock.sleep(pause).await });
        }
    }

    fn address(&self, name: &str) -> String {
        format!("{}/{}", self.objects.url, self.objects.path(name))
    }
}
