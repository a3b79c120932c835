//! What of a delivery stream changes on request: tags, encryption, destination.

use model::firehose::shapes::DestinationDescription;
use stdx::UnixMillis;

use crate::engine::{Delivery, encode};
use crate::error::Error;
use crate::limits::{ENCRYPTION_CHANGE_LASTS_MAX, ENCRYPTION_CHANGES_MAX, QUOTA_WINDOW, TAGS_MAX};
use crate::rows::{DeliveryStreamRow, EncryptionRow, Secrets, Source, Status, Tags};
use crate::stream::{DeliveryStream, DeliveryStreamState};

/// The id of the only destination that a delivery stream has.
pub const DESTINATION_ID: &str = "destinationId-000000000001";

/// How a delivery stream's encryption stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncryptionStatus {
    /// Being switched on.
    Enabling,
    /// On.
    Enabled,
    /// Being switched off.
    Disabling,
    /// Off.
    Disabled,
}

/// A customer's key, or AWS's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionKey {
    /// `AWS_OWNED_CMK` or `CUSTOMER_MANAGED_CMK`.
    pub key_type: String,
    /// The customer's key.
    pub key_arn: Option<String>,
}

/// A destination that takes the place of another: its description, and its secrets.
pub struct NewDestination {
    /// With every default filled in.
    pub destination: DestinationDescription,
    /// What no description shows.
    pub secrets: Secrets,
}

impl Delivery {
    /// Adds tags, over those with the same keys.
    ///
    /// # Errors
    /// [`Error::TagLimit`].
    pub async fn add_tags(&self, stream: &DeliveryStream, added: &Tags) -> Result<(), Error> {
        self.change(stream, |state| {
            let mut tags = state.row.tags.clone();
            for (key, value) in added {
                match tags.iter_mut().find(|(known, _)| known == key) {
                    Some((_, known)) => known.clone_from(value),
                    None => tags.push((key.clone(), value.clone())),
                }
            }
            if tags.len() > TAGS_MAX {
                return Err(Error::TagLimit(stream.name.clone()));
            }
            Ok(Some(DeliveryStreamRow { tags, ..state.row.clone() }))
        })
        .await
    }

    /// Removes tags; keys that are not there are passed over.
    ///
    /// # Errors
    /// If the log fails.
    pub async fn remove_tags(&self, stream: &DeliveryStream, keys: &[String]) -> Result<(), Error> {
        self.change(stream, |state| {
            let mut tags = state.row.tags.clone();
            tags.retain(|(key, _)| !keys.contains(key));
            Ok(Some(DeliveryStreamRow { tags, ..state.row.clone() }))
        })
        .await
    }

    /// Switches encryption on with this key, or off.
    ///
    /// # Errors
    /// [`Error::NotDirectPut`], [`Error::NotActive`], [`Error::EncryptionChanging`],
    /// [`Error::EncryptionLimit`].
    pub async fn encrypt(
        &self,
        stream: &DeliveryStream,
        key: Option<EncryptionKey>,
    ) -> Result<(), Error> {
        self.change(stream, |state| {
            let row = &state.row;
            if !matches!(row.source, Source::DirectPut { .. }) {
                return Err(Error::NotDirectPut(stream.name.clone()));
            }
            if row.status != Status::Active {
                return Err(Error::NotActive(stream.name.clone()));
            }
            if matches!(
                self.encryption(state),
                EncryptionStatus::Enabling | EncryptionStatus::Disabling
            ) {
                return Err(Error::EncryptionChanging(stream.name.clone()));
            }
            let now = self.now();
            let mut changed_ms = row.encryption.changed_ms.clone();
            changed_ms.retain(|at| now.since(UnixMillis(*at)) < QUOTA_WINDOW);
            if self.0.config.limits && changed_ms.len() >= ENCRYPTION_CHANGES_MAX {
                return Err(Error::EncryptionLimit(stream.name.clone()));
            }
            // Only as many as the quota looks at.
            let surplus = (changed_ms.len() + 1).saturating_sub(ENCRYPTION_CHANGES_MAX);
            changed_ms.drain(..surplus);
            changed_ms.push(now.0);
            let encryption = EncryptionRow {
                enabled: key.is_some(),
                key_type: key.as_ref().map(|key| key.key_type.clone()),
                key_arn: key.as_ref().and_then(|key| key.key_arn.clone()),
                changed_ms,
            };
            Ok(Some(DeliveryStreamRow { encryption, ..row.clone() }))
        })
        .await
    }

    /// How its encryption stands now: a change takes as long as `--state-delay`, but at most the five
    /// seconds that the API reference gives it.
    pub fn encryption(&self, state: &DeliveryStreamState) -> EncryptionStatus {
        let encryption = &state.row.encryption;
        let lasts = self.0.config.state_delay.min(ENCRYPTION_CHANGE_LASTS_MAX);
        let changed = encryption.changed_ms.last().map(|at| UnixMillis(*at));
        let changing = changed.is_some_and(|at| at.after(lasts) > self.now());
        match (encryption.enabled, changing) {
            (true, true) => EncryptionStatus::Enabling,
            (true, false) => EncryptionStatus::Enabled,
            (false, true) => EncryptionStatus::Disabling,
            (false, false) => EncryptionStatus::Disabled,
        }
    }

    /// Gives it the destination that `plan` makes of the one it has, and the next version.
    ///
    /// # Errors
    /// [`Error::VersionMismatch`], [`Error::NoSuchDestination`], [`Error::NotActive`], and the
    /// plan's.
    pub async fn update_destination<E: From<Error>>(
        &self,
        stream: &DeliveryStream,
        (version, destination_id): (&str, &str),
        mut plan: impl FnMut(&DeliveryStreamState) -> Result<NewDestination, E>,
    ) -> Result<(), E> {
        let mut refused = None;
        let changed = self
            .change(stream, |state| {
                let row = &state.row;
                let stream = stream.name.clone();
                if row.status != Status::Active {
                    return Err(Error::NotActive(stream));
                }
                if row.version.to_string() != version {
                    let (current, given) = (row.version, version.to_owned());
                    return Err(Error::VersionMismatch { stream, current, given });
                }
                if destination_id != DESTINATION_ID {
                    let given = destination_id.to_owned();
                    return Err(Error::NoSuchDestination { stream, given });
                }
                let new = match plan(state) {
                    Ok(new) => new,
                    Err(error) => {
                        refused = Some(error);
                        return Ok(None);
                    }
                };
                Ok(Some(DeliveryStreamRow {
                    destination: encode(&new.destination),
                    secrets: new.secrets,
                    version: row.version + 1,
                    updated_ms: Some(self.now().0),
                    ..row.clone()
                }))
            })
            .await;
        changed?;
        refused.map_or(Ok(()), Err)
    }
}
