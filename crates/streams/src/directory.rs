//! Which streams there are. Read by every request, written when a stream comes or goes.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use crate::name::{StreamName, World};
use crate::stream::Stream;

#[derive(Debug, Default)]
pub(crate) struct Directory(RwLock<Index>);

#[derive(Debug, Default)]
struct Index {
    by_name: BTreeMap<StreamName, Arc<Stream>>,
    by_generation: HashMap<u64, Arc<Stream>>,
}

impl Directory {
    pub(crate) fn get(&self, name: &StreamName) -> Option<Arc<Stream>> {
        self.read(|index| index.by_name.get(name).map(Arc::clone))
    }

    pub(crate) fn by_generation(&self, generation: u64) -> Option<Arc<Stream>> {
        self.read(|index| index.by_generation.get(&generation).map(Arc::clone))
    }

    /// The streams of `world` after the one named `after`, by name, at most `count_max`.
    pub(crate) fn list(&self, world: &World, after: &str, count_max: usize) -> Vec<Arc<Stream>> {
        let after = world.stream(after);
        self.read(|index| {
            let own = index.by_name.range((Bound::Excluded(&after), Bound::Unbounded));
            let own = own.take_while(|(name, _)| name.world == *world);
            own.take(count_max).map(|(_, stream)| Arc::clone(stream)).collect()
        })
    }

    pub(crate) fn all(&self) -> Vec<Arc<Stream>> {
        self.read(|index| index.by_name.values().map(Arc::clone).collect())
    }

    pub(crate) fn insert(&self, stream: Arc<Stream>) {
        let mut index = self.0.write().unwrap_or_else(PoisonError::into_inner);
        index.by_generation.insert(stream.generation, Arc::clone(&stream));
        index.by_name.insert(stream.name.clone(), stream);
    }

    pub(crate) fn remove(&self, stream: &Stream) {
        let mut index = self.0.write().unwrap_or_else(PoisonError::into_inner);
        index.by_generation.remove(&stream.generation);
        // A stream of the same name may already stand in its place.
        let known = index.by_name.get(&stream.name);
        if known.is_some_and(|known| known.generation == stream.generation) {
            index.by_name.remove(&stream.name);
        }
    }

    fn read<R>(&self, look: impl FnOnce(&Index) -> R) -> R {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}
