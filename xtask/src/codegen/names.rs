//! AWS's names in Rust's clothes, and the order in which AWS's Java speaks of them.

use std::collections::BTreeSet;

use super::overlay::Java;

/// Units whose capitals mislead the splitting of words.
const UNITS: &[(&str, &str)] = &[("KiB", "Kib"), ("MiBps", "Mibps"), ("MiB", "Mib")];

fn words(name: &str) -> Vec<String> {
    let mut name = name.to_string();
    for (unit, plain) in UNITS {
        name = name.replace(unit, plain);
    }
    let letters: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = vec![String::new()];
    for (i, &letter) in letters.iter().enumerate() {
        if !letter.is_ascii_alphanumeric() {
            words.push(String::new());
            continue;
        }
        let previous = i.checked_sub(1).map(|p| letters[p]);
        let next = letters.get(i + 1);
        // A word starts at a capital after a small letter, or at the last capital of a run that a
        // small letter follows. A digit belongs to the word before it.
        let starts = letter.is_ascii_uppercase()
            && previous.is_some_and(|p| {
                p.is_ascii_lowercase()
                    || p.is_ascii_digit()
                    || (p.is_ascii_uppercase() && next.is_some_and(char::is_ascii_lowercase))
            });
        if starts {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(letter.to_ascii_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `StreamARN` becomes `stream_arn`.
pub(super) fn snake(name: &str) -> String {
    words(name).join("_")
}

/// A field's name; Rust's own words are written raw.
pub(super) fn field(name: &str) -> String {
    match snake(name).as_str() {
        "type" => "r#type".to_string(),
        "match" => "r#match".to_string(),
        plain => plain.to_string(),
    }
}

/// `StreamName` becomes `STREAM_NAME`.
pub(super) fn constant(name: &str) -> String {
    snake(name).to_ascii_uppercase()
}

/// An enum value as a variant: `AT_SEQUENCE_NUMBER` becomes `AtSequenceNumber`.
pub(super) fn variant(value: &str) -> String {
    words(value)
        .iter()
        .map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map(|first| first.to_ascii_uppercase())
                .into_iter()
                .chain(letters)
                .collect::<String>()
        })
        .collect()
}

/// `StreamName` becomes `streamName`, as AWS's Java calls the member.
pub(super) fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

/// Java's `String.hashCode`.
fn java_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

/// The order in which AWS reports several broken members of one structure: that of Java's `HashMap`
/// over the members' names. All fourteen structures of Kinesis whose order a peer's tests recorded
/// from AWS follow that of Java 7, and all three of Firehose (floci-io/floci's probes) that of Java 8.
/// Names that share a bucket stand in the model's order, unless `ties` has recorded that the first of
/// a pair comes first.
pub(super) fn member_order<'a>(
    names: &[&'a str],
    java: Java,
    ties: &[(String, String)],
) -> Vec<&'a str> {
    let mut buckets = 16;
    while names.len() * 4 > buckets * 3 {
        buckets *= 2;
    }
    let bucket = |name: &str| {
        let hash = java_hash(&lower_first(name));
        let spread = match java {
            Java::Seven => {
                let hash = hash ^ (hash >> 20) ^ (hash >> 12);
                hash ^ (hash >> 7) ^ (hash >> 4)
            }
            Java::Eight => hash ^ (hash >> 16),
        };
        spread as usize % buckets
    };
    let mut names = names.to_vec();
    names.sort_by_key(|name| bucket(name));
    for (first, second) in ties {
        let place = |wanted: &str| names.iter().position(|name| *name == wanted);
        if let (Some(late), Some(early)) = (place(first), place(second))
            && early < late
            && bucket(first) == bucket(second)
        {
            let name = names.remove(late);
            names.insert(early, name);
        }
    }
    names
}

/// The order in which AWS lists an enum's values: by `String.hashCode` modulo 32, later ones first
/// where that is the same. Twelve lists that peers recorded from AWS (one of thirteen values) follow it.
pub(super) fn value_order(values: &[String]) -> Vec<&str> {
    let mut values: Vec<&str> = values.iter().rev().map(String::as_str).collect();
    values.sort_by_key(|value| java_hash(value) % 32);
    values
}

/// Whether two AWS names meet in one Rust name.
pub(super) fn collide(names: &[String]) -> bool {
    names.iter().collect::<BTreeSet<_>>().len() != names.len()
}
