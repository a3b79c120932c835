//! Which partition a record belongs to: the keys that its destination's prefix is made from.

use std::collections::BTreeMap;

use jiff::ZonedDateTime;

use crate::limits::PREFIX_CHARACTERS_MAX;
use crate::prefix::{Evaluation, Prefix};
use crate::process::ProcessingError;

/// AWS's words for a key without a value.
pub(crate) const EMPTY_KEY: &str = "partitionKeys values must not be null or empty";

/// The keys of a partition, and no others than its prefix has: records with the same ones go to the
/// same place.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionKeys {
    /// From the query.
    pub from_query: BTreeMap<String, String>,
    /// From the function.
    pub from_lambda: BTreeMap<String, String>,
}

/// A prefix that records are partitioned by.
#[derive(Clone, Debug)]
pub struct Partitioner {
    prefix: Prefix,
    from_query: Vec<String>,
    from_lambda: Vec<String>,
}

impl Partitioner {
    /// Of a destination with this prefix.
    pub fn new(prefix: Prefix) -> Partitioner {
        let (from_query, from_lambda) = prefix.partition_keys();
        let [from_query, from_lambda] = [from_query, from_lambda]
            .map(|keys| keys.into_iter().map(str::to_owned).collect::<Vec<_>>());
        Partitioner { prefix, from_query, from_lambda }
    }

    /// Whether the prefix has keys at all.
    pub fn is_partitioned(&self) -> bool {
        !(self.from_query.is_empty() && self.from_lambda.is_empty())
    }

    /// The partition of a record with these keys, which arrived at `arrival` in the delivery stream's
    /// zone.
    ///
    /// # Errors
    /// If a key that the prefix needs is missing or empty, or makes the prefix too long.
    pub fn partition(
        &self,
        from_query: &BTreeMap<String, String>,
        from_lambda: &BTreeMap<String, String>,
        arrival: &ZonedDateTime,
    ) -> Result<PartitionKeys, ProcessingError> {
        let keys = PartitionKeys {
            from_query: chosen(&self.from_query, from_query)?,
            from_lambda: chosen(&self.from_lambda, from_lambda)?,
        };
        // How long a prefix is does not depend on what is drawn, and hardly on the time.
        let prefix = self.evaluate(&keys, arrival, &mut || 0);
        let length = prefix.chars().count();
        if length > PREFIX_CHARACTERS_MAX {
            let most = PREFIX_CHARACTERS_MAX;
            let message = format!("The evaluated prefix has {length} characters of at most {most}");
            return Err(ProcessingError::of_metadata(message));
        }
        Ok(keys)
    }

    /// The prefix of an object of a partition whose oldest record arrived at `oldest`. `random` draws
    /// numbers for random strings.
    pub fn evaluate(
        &self,
        keys: &PartitionKeys,
        oldest: &ZonedDateTime,
        random: &mut dyn FnMut() -> u64,
    ) -> String {
        self.prefix.evaluate(&mut Evaluation {
            oldest,
            error_output: None,
            keys_from_query: &keys.from_query,
            keys_from_lambda: &keys.from_lambda,
            random,
        })
    }
}

fn chosen(
    needed: &[String],
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ProcessingError> {
    let value = |key: &String| match given.get(key) {
        Some(value) if !value.is_empty() => Ok((key.clone(), value.clone())),
        _ => Err(ProcessingError::of_metadata(EMPTY_KEY.to_owned())),
    };
    needed.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    fn keys(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn arrival() -> ZonedDateTime {
        date(2026, 7, 13).at(14, 5, 9, 0).to_zoned_datetime(TimeZone::UTC).expect("a moment")
    }

    fn partitioner(prefix: &str) -> Partitioner {
        Partitioner::new(Prefix::parse(prefix).expect(prefix))
    }

    #[test]
    fn only_what_the_prefix_has_makes_a_partition() {
        let by_symbol = partitioner(
            "s=!{partitionKeyFromQuery:symbol}/c=!{partitionKeyFromLambda:customer}/!{timestamp:yyyy}/",
        );
        assert!(by_symbol.is_partitioned());
        let partition = by_symbol
            .partition(
                &keys(&[("symbol", "ACME"), ("price", "7")]),
                &keys(&[("customer", "c1"), ("else", "x")]),
                &arrival(),
            )
            .expect("a partition");
        assert_eq!(partition.from_query, keys(&[("symbol", "ACME")]));
        assert_eq!(partition.from_lambda, keys(&[("customer", "c1")]));
        assert_eq!(by_symbol.evaluate(&partition, &arrival(), &mut || 0), "s=ACME/c=c1/2026/");
        assert!(!partitioner("data/!{timestamp:yyyy}/").is_partitioned());
    }

    #[test]
    fn a_key_that_is_missing_or_empty_fails_the_record() {
        let by_symbol = partitioner("!{partitionKeyFromQuery:symbol}/");
        for given in [keys(&[]), keys(&[("symbol", "")])] {
            let error = by_symbol.partition(&given, &keys(&[]), &arrival()).unwrap_err();
            assert_eq!(error.message, EMPTY_KEY);
        }
        let by_customer = partitioner("!{partitionKeyFromLambda:customer}/");
        let given = keys(&[("customer", "c1")]);
        assert!(by_customer.partition(&given, &keys(&[]), &arrival()).is_err());
    }

    #[test]
    fn a_prefix_has_at_most_512_characters() {
        let by_symbol = partitioner("!{partitionKeyFromQuery:symbol}/");
        let symbol = |length| keys(&[("symbol", &"é".repeat(length))]);
        assert!(by_symbol.partition(&symbol(511), &keys(&[]), &arrival()).is_ok());
        assert!(by_symbol.partition(&symbol(512), &keys(&[]), &arrival()).is_err());
    }
}
