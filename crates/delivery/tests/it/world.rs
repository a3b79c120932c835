//! A bucket and a function that fail, lie and stall, as a seed says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use delivery::{Answer, Functions, InvokeError, Invoked, NewObject, ObjectStore, Put, PutError};
use stdx::Entropy;

/// What becomes of a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Honest,
    /// It fails, and nothing is stored.
    Fails,
    /// It is stored, and an error is answered.
    StoredButFails,
    /// It never answers.
    Hangs,
}

/// An object as it was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) body: Vec<u8>,
    pub(crate) encoding: Option<&'static str>,
}

type Chooser = Box<dyn FnMut(&NewObject) -> Fate + Send>;

/// A bucket of every name.
pub(crate) struct Bucket {
    pub(crate) objects: Mutex<BTreeMap<(String, String), Stored>>,
    pub(crate) fate: Mutex<Chooser>,
    pub(crate) has_conditions: bool,
    /// How often a task gives way in the middle of a put, at most.
    pub(crate) pauses_max: u64,
    pub(crate) entropy: Entropy,
}

impl Bucket {
    pub(crate) fn honest() -> Arc<Self> {
        Bucket::with(|_| Fate::Honest)
    }

    pub(crate) fn with(fate: impl FnMut(&NewObject) -> Fate + Send + 'static) -> Arc<Self> {
        Arc::new(Bucket {
            objects: Mutex::default(),
            fate: Mutex::new(Box::new(fate)),
            has_conditions: true,
            pauses_max: 3,
            entropy: Entropy::seeded(7),
        })
    }

    pub(crate) fn set_fate(&self, fate: impl FnMut(&NewObject) -> Fate + Send + 'static) {
        *self.fate.lock().expect("no panic") = Box::new(fate);
    }

    /// The objects of a bucket, by name.
    pub(crate) fn of(&self, bucket: &str) -> Vec<(String, Stored)> {
        let objects = self.objects.lock().expect("no panic");
        let own = objects.iter().filter(|((of, _), _)| of == bucket);
        own.map(|((_, key), stored)| (key.clone(), stored.clone())).collect()
    }

    async fn pause(&self) {
        for _ in 0..self.entropy.below(self.pauses_max + 1) {
            tokio::task::yield_now().await;
        }
    }

    fn store(&self, object: NewObject) -> Put {
        let name = (object.bucket, object.key);
        let mut objects = self.objects.lock().expect("no panic");
        let body: Vec<u8> = object.body.concat();
        let stored = Stored { body, encoding: object.content_encoding };
        if self.has_conditions
            && let Some(there) = objects.get(&name)
        {
            // The same plan gives the same bytes.
            assert_eq!(there, &stored, "{name:?}");
            return Put::Taken;
        }
        objects.insert(name, stored);
        Put::Stored
    }
}

impl ObjectStore for Bucket {
    fn put_if_absent(&self, object: NewObject) -> Answer<'_, Result<Put, PutError>> {
        Box::pin(async move {
            let fate = (self.fate.lock().expect("no panic"))(&object);
            let error = PutError { code: "S3.InternalError".into(), message: "as told".into() };
            self.pause().await;
            let result = match fate {
                Fate::Honest => Ok(self.store(object)),
                Fate::Fails => Err(error),
                Fate::StoredButFails => {
                    self.store(object);
                    Err(error)
                }
                Fate::Hangs => std::future::pending().await,
            };
            self.pause().await;
            result
        })
    }

    fn has_conditions(&self, _: &str, _: &str) -> Answer<'_, Result<bool, PutError>> {
        Box::pin(async move {
            self.pause().await;
            Ok(self.has_conditions)
        })
    }
}

/// A function that answers as it is told.
pub(crate) struct Function<F>(pub(crate) F);

impl<F> Functions for Function<F>
where
    F: Fn(&str, Bytes) -> Result<Invoked, InvokeError> + Send + Sync,
{
    fn invoke<'a>(
        &'a self,
        function: &'a str,
        event: Bytes,
    ) -> Answer<'a, Result<Invoked, InvokeError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            (self.0)(function, event)
        })
    }
}

/// Nobody is called.
pub(crate) fn no_functions() -> Arc<dyn Functions> {
    Arc::new(Function(|_: &str, _| panic!("no function is configured")))
}
