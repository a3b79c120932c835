//! A reduced service model: the facts that the generator needs, and nothing of the prose.
//!
//! The member names are botocore's, so one reader serves the original and the reduced file.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::Failure;

/// A map that keeps its file's order, because the order of members is the order of fields.
#[derive(Clone, Debug)]
pub(crate) struct Ordered<V>(pub(crate) Vec<(String, V)>);

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Ordered(Vec::new())
    }
}

impl<V> Ordered<V> {
    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl<V: Serialize> Serialize for Ordered<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Ordered<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<V> {
            type Value = Ordered<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<V>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// One service.
#[derive(Debug, Deserialize)]
pub(crate) struct Model {
    pub(crate) metadata: Metadata,
    pub(crate) operations: Ordered<Operation>,
    pub(crate) shapes: Ordered<Shape>,
}

/// What identifies a service on the wire.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(crate) api_version: String,
    pub(crate) endpoint_prefix: String,
    pub(crate) protocol: String,
    pub(crate) service_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signing_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target_prefix: Option<String>,
}

impl Metadata {
    pub(crate) fn signing_name(&self) -> &str {
        self.signing_name.as_deref().unwrap_or(&self.endpoint_prefix)
    }
}

/// One operation.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Operation {
    pub(crate) http: Http,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<Reference>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<Reference>,
}

/// Where an operation is asked for; always `POST /` outside Video.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Http {
    pub(crate) method: String,
    pub(crate) request_uri: String,
}

/// A shape, by name, and where it travels if not in the body.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reference {
    pub(crate) shape: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) location_name: Option<String>,
}

/// The kinds of shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Blob,
    Boolean,
    Double,
    Integer,
    List,
    Long,
    Map,
    String,
    Structure,
    Timestamp,
}

/// One shape: its kind, its parts and its constraints.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Shape {
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub(crate) members: Ordered<Reference>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) required: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) member: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) min: Option<serde_json::Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max: Option<serde_json::Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pattern: Option<String>,
    #[serde(default, rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub(crate) values: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) payload: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<ErrorTrait>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) exception: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) fault: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) event: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) eventstream: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) streaming: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) sensitive: bool,
}

/// An error's status, where the model names one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorTrait {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) http_status_code: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Model {
    pub(crate) fn parse(text: &str) -> Result<Model, Failure> {
        let model: Model = serde_json::from_str(text)?;
        model.check()?;
        Ok(model)
    }

    pub(crate) fn read(path: &Path) -> Result<Model, Failure> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Model::parse(&text).map_err(|e| format!("{}: {e}", path.display()).into())
    }

    pub(crate) fn shape(&self, name: &str) -> Result<&Shape, Failure> {
        self.shapes.get(name).ok_or_else(|| format!("no shape {name}").into())
    }

    /// Puts other expressions, which take the same texts, in place of shapes' own.
    pub(crate) fn print_patterns(
        &mut self,
        patterns: &BTreeMap<String, String>,
    ) -> Result<(), Failure> {
        for (name, source) in patterns {
            let shape = self.shapes.0.iter_mut().find(|(shape, _)| shape == name);
            let (_, shape) = shape.ok_or_else(|| format!("no shape {name}"))?;
            shape.pattern = Some(source.clone());
        }
        Ok(())
    }

    /// Every name that is mentioned exists.
    fn check(&self) -> Result<(), Failure> {
        for (_, operation) in self.operations.iter() {
            for reference in
                operation.input.iter().chain(&operation.output).chain(&operation.errors)
            {
                self.shape(&reference.shape)?;
            }
        }
        for (name, shape) in self.shapes.iter() {
            let parts = shape.member.iter().chain(&shape.key).chain(&shape.value);
            for reference in parts.chain(shape.members.iter().map(|(_, member)| member)) {
                self.shape(&reference.shape)?;
            }
            for member in &shape.required {
                if shape.members.get(member).is_none() {
                    return Err(format!("{name} requires {member}, which it does not have").into());
                }
            }
        }
        Ok(())
    }

    /// The reduced file: one line per operation and shape, so that a new model reads as a diff.
    pub(crate) fn reduced(&self, source: &str) -> Result<String, Failure> {
        let mut text = format!("{{\n\"source\": {},\n", serde_json::to_string(source)?);
        text += &format!("\"metadata\": {},\n", serde_json::to_string(&self.metadata)?);
        text += "\"operations\": {\n";
        text += &lines(&self.operations)?;
        text += "},\n\"shapes\": {\n";
        text += &lines(&self.shapes)?;
        text += "}\n}\n";
        Ok(text)
    }
}

fn lines<V: Serialize>(entries: &Ordered<V>) -> Result<String, Failure> {
    let mut rows = Vec::new();
    for (name, value) in entries.iter() {
        rows.push(format!("{}: {}", serde_json::to_string(name)?, serde_json::to_string(value)?));
    }
    Ok(rows.join(",\n") + "\n")
}
