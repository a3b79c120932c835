//! How the store is, for readiness and `doctor`.

/// How the store is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether it takes writes.
    pub ready: bool,
    /// Whether the lane failed and no new one could be opened yet.
    pub poisoned: bool,
    /// Whether there is no room; reads go on.
    pub disk_full: bool,
    /// Acknowledged data that is damaged, by name, the first ones; never served, never cut away.
    pub quarantined: Vec<String>,
}
