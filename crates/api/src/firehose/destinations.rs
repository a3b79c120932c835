//! Destinations: as they are asked for, as they are described, as they change.
//!
//! AWS has ten of them, each in three shapes (`…Configuration`, `…Description`, `…Update`) whose
//! members are the same but for a few names. So a destination is handled as the description's
//! members: what is asked for is renamed to them, completed, checked, and read as the model's shape.

mod conversion;
mod kinds;
mod merge;
mod prefixes;
mod processors;
mod query;
mod rules;
mod zones;

use model::firehose::shapes::DestinationDescription;
use serde::Serialize;
use serde_json::{Map, Value};
use wire::Fault;

use delivery::{DESTINATION_ID, NewDestination, Secrets};

use self::kinds::{KINDS, Kind, S3_MEMBERS};
use super::faults::invalid_argument;

/// The members of a shape, by AWS's names.
pub(super) type Members = Map<String, Value>;

/// Where the destination is made.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The region of the delivery stream.
    pub(super) region: &'a str,
}

/// The destination that a request for a new delivery stream asks for.
///
/// # Errors
/// If there is not exactly one, or it breaks a rule.
pub(super) fn create(place: Place<'_>, input: &impl Serialize) -> Result<NewDestination, Fault> {
    let (kind, asked) = only_one(input, "DestinationConfiguration")?;
    let (members, secrets) = merge::renamed(asked);
    finish(place, kind, members, secrets)
}

/// The destination that an update makes of the one there is: with what it does not mention if it is
/// of the same kind, otherwise as if it were new.
///
/// # Errors
/// If there is not exactly one, it breaks a rule, or AWS does not allow the change.
pub(super) fn update(
    place: Place<'_>,
    input: &impl Serialize,
    old: &DestinationDescription,
    old_secrets: &Secrets,
) -> Result<NewDestination, Fault> {
    let (kind, asked) = only_one(input, "DestinationUpdate")?;
    let (old_kind, mut members) = described(old);
    let (asked, new_secrets) = merge::renamed(asked);
    if kind.description != old_kind.description {
        rules::check_switch(old_kind, kind)?;
        rules::check_complete(kind, &asked)?;
        return finish(place, kind, asked, new_secrets);
    }
    rules::check_change(kind, &members, &asked)?;
    merge::merge(&mut members, asked);
    let mut secrets = old_secrets.clone();
    secrets.extend(new_secrets);
    finish(place, kind, members, secrets)
}

fn finish(
    place: Place<'_>,
    kind: &'static Kind,
    mut members: Members,
    secrets: Secrets,
) -> Result<NewDestination, Fault> {
    rules::check(place, kind, &members, &secrets)?;
    processors::complete(kind, &mut members);
    kinds::complete(kind, &mut members);
    let mut whole = Members::new();
    whole.insert("DestinationId".to_owned(), DESTINATION_ID.into());
    if kind.is_s3() {
        // AWS shows both shapes, whichever was asked for (facts/firehose.md § 2.1).
        let plain = |(name, _): &(&String, &Value)| S3_MEMBERS.contains(&name.as_str());
        let plain: Members = members
            .iter()
            .filter(plain)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        whole.insert("S3DestinationDescription".to_owned(), plain.into());
    }
    whole.insert(kind.description.to_owned(), members.into());
    let destination = view(&whole.into())?;
    Ok(NewDestination { destination, secrets })
}

/// The only member of an input whose name ends so, and which kind of destination it is about.
fn only_one(input: &impl Serialize, ending: &str) -> Result<(&'static Kind, Members), Fault> {
    let members = members(input);
    let mut found = members.into_iter().filter_map(|(name, value)| {
        let name = name.strip_suffix(ending)?;
        let kind = KINDS.iter().find(|kind| kind.name == name)?;
        Some((kind, value))
    });
    match (found.next(), found.next()) {
        (Some((kind, Value::Object(asked))), None) => Ok((kind, asked)),
        _ => Err(invalid_argument(
            "Exactly one destination configuration is supported for a Firehose",
        )),
    }
}

/// The kind of a destination, and its members.
fn described(destination: &DestinationDescription) -> (&'static Kind, Members) {
    let mut members = members(destination);
    let found = KINDS.iter().find_map(|kind| match members.remove(kind.description)? {
        Value::Object(own) => Some((kind, own)),
        _ => None,
    });
    found.expect("a destination is of some kind")
}

fn members(shape: &impl Serialize) -> Members {
    match serde_json::to_value(shape) {
        Ok(Value::Object(members)) => members,
        _ => Members::new(),
    }
}

/// Members as a shape. The shapes of updates read every description: they ask for no member.
fn view<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, Fault> {
    T::deserialize(value).map_err(|error| {
        tracing::error!(%error, "a destination is not of its shape");
        Fault::internal()
    })
}
