//! What a run's disk does to the calls of the store.

use std::io::ErrorKind;
use std::sync::Weak;

use stdx::Entropy;

use crate::core::Core;
use crate::queue::Request;
use crate::sim_disk::{CallKind, Fault};

/// What the disk's plan looks at.
#[derive(Default)]
pub(super) struct Chaos {
    pub(super) entropy: Option<Entropy>,
    /// One call in this many fails,
    pub(super) odds: u64,
    /// so many times,
    pub(super) left: u32,
    /// of these only, if any are named.
    pub(super) only: Option<(CallKind, &'static str)>,
    /// This call alone goes wrong, and how.
    pub(super) at: Option<(usize, Fault)>,
    /// Every call of this kind in this folder goes wrong, and how.
    pub(super) site: Option<(Site, Fault)>,
    /// The calls so far.
    pub(super) calls: Vec<Site>,
    /// One sync in this many is a lie.
    pub(super) lies: u64,
    /// After so many calls none is answered any more.
    pub(super) dies_after: Option<u32>,
    /// Requests that arrive while the lane writes.
    pub(super) late: Vec<Request>,
    /// Whose lane works while a flush writes.
    pub(super) meanwhile: Weak<Core>,
}

/// A kind of call and the folder it is made in.
pub(crate) type Site = (CallKind, String);

pub(crate) const EIO: ErrorKind = ErrorKind::Other;
pub(crate) const ENOSPC: ErrorKind = ErrorKind::StorageFull;

impl Chaos {
    pub(super) fn decide(&mut self, kind: CallKind, name: &str) -> Option<Fault> {
        let folders = matches!(kind, CallKind::List | CallKind::SyncFolder);
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let site = (kind, if folders { name } else { folder }.to_owned());
        let number = self.calls.len();
        self.calls.push(site.clone());
        if let Some((at, fault)) = self.at {
            return (at == number).then_some(fault);
        }
        if let Some(left) = &mut self.dies_after {
            *left = left.saturating_sub(1);
            return (*left == 0).then_some(Fault::Refuse(EIO));
        }
        if let Some((own, fault)) = &self.site {
            return (*own == site).then_some(*fault);
        }
        if self.lies > 0 && matches!(kind, CallKind::Sync | CallKind::SyncFolder) {
            let lies = self.entropy.as_ref().is_some_and(|own| own.below(self.lies) == 0);
            return lies.then_some(Fault::Lie);
        }
        let entropy = self.entropy.as_ref()?;
        let own = |(own, folder): (CallKind, &str)| own == kind && name.starts_with(folder);
        if self.left == 0 || !self.only.is_none_or(own) || entropy.below(self.odds) > 0 {
            return None;
        }
        self.left -= 1;
        let error = if entropy.below(3) == 0 { ENOSPC } else { EIO };
        Some(match (kind, entropy.below(4)) {
            (CallKind::Write, 0 | 1) => Fault::Short(error, 1 + entropy.below(20) as usize),
            (CallKind::Read | CallKind::Open | CallKind::List | CallKind::Length, _) => {
                Fault::Refuse(EIO)
            }
            (_, 2) => Fault::DoAndFail(EIO),
            _ => Fault::Refuse(error),
        })
    }
}
