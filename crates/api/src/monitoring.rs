//! CloudWatch, as far as Kinesis's clients send it their metrics: accepted, counted, not kept.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use telemetry::{CounterFamily, Telemetry};
use wire::{
    Access, Answer, Call, Codec, Endpoint, Fault, Kind, Operation, OperationInfo, QueryForm,
    Resource, Serve, ServiceProfile, Throttling, codec, endpoint,
};

/// The facts of the service.
pub static SERVICE: ServiceProfile = ServiceProfile {
    signing_name: "monitoring",
    target_prefix: "GraniteServiceVersion20100801",
    content_types: &[("application/x-amz-json-1.0", Codec::Json)],
    rpc_service: Some("GraniteServiceVersion20100801"),
    query: Some(QueryForm {
        version: "2010-08-01",
        xml_namespace: "http://monitoring.amazonaws.com/doc/2010-08-01/",
    }),
    gzip: true,
    throttling: Throttling::Named,
};

/// The largest request, before and after compression (CloudWatch's documentation of
/// `PutMetricData`: 1 MB).
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The most metrics in one request (the same source).
const DATA_MAX: usize = 1000;
/// The most dimensions of one metric (the same source).
const DIMENSIONS_MAX: usize = 30;
/// The most values of one metric (the same source).
const VALUES_MAX: usize = 150;
/// The longest namespace, metric and dimension name (the official model).
const NAME_CHARS_MAX: usize = 255;
/// The longest value of a dimension (the official model).
const DIMENSION_VALUE_CHARS_MAX: usize = 1024;

/// Serves CloudWatch.
pub struct Monitoring {
    received: CounterFamily,
}

impl Monitoring {
    /// Its operations.
    pub fn endpoints(telemetry: &Telemetry) -> Vec<Box<dyn Endpoint>> {
        let received = telemetry.counters(
            "metric_data_received_total",
            "Metric data accepted from clients, by namespace.",
            "namespace",
        );
        vec![endpoint::<_, PutMetricData>(Arc::new(Monitoring { received }))]
    }
}

/// `PutMetricData`.
pub struct PutMetricData;

/// What a client measured. Times and units are passed over: nothing is kept.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutMetricDataInput {
    namespace: Option<String>,
    metric_data: Option<Vec<Datum>>,
    entity_metric_data: Option<Vec<EntityData>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EntityData {
    metric_data: Option<Vec<Datum>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Datum {
    metric_name: Option<String>,
    dimensions: Option<Vec<Dimension>>,
    value: Option<f64>,
    values: Option<Vec<f64>>,
    counts: Option<Vec<f64>>,
    statistic_values: Option<Statistics>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Dimension {
    name: Option<String>,
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statistics {
    sample_count: Option<f64>,
    sum: Option<f64>,
    minimum: Option<f64>,
    maximum: Option<f64>,
}

impl Operation for PutMetricData {
    type Input = PutMetricDataInput;
    type Output = ();
    const INFO: OperationInfo = OperationInfo {
        name: "PutMetricData",
        action: "cloudwatch:PutMetricData",
        kind: Kind::Unary,
        access: Access::Data,
        calls_per_second: None,
        body_bytes_max: BODY_BYTES_MAX,
    };

    fn decode(codec: Codec, body: &Bytes) -> Result<PutMetricDataInput, Fault> {
        let input: PutMetricDataInput = codec::read(codec, body)?;
        input.check()?;
        Ok(input)
    }

    fn encode(_codec: Codec, (): ()) -> Answer {
        Answer::Body(Bytes::new())
    }

    fn resource(_input: &PutMetricDataInput) -> Resource {
        Resource::Any
    }
}

impl Serve<PutMetricData> for Monitoring {
    async fn serve(&self, _call: &Call, input: PutMetricDataInput) -> Result<(), Fault> {
        let data = input.data().count() as u64;
        self.received.add(input.namespace.as_deref().unwrap_or_default(), data);
        Ok(())
    }
}

fn missing(parameter: &str) -> Fault {
    let message = format!("The parameter {parameter} is required.");
    Fault::client("MissingRequiredParameterException", message)
}

fn invalid(message: String) -> Fault {
    Fault::client("InvalidParameterValueException", message)
}

impl PutMetricDataInput {
    /// Every datum and where it stands.
    fn data(&self) -> impl Iterator<Item = (String, &Datum)> {
        let plain = numbered("MetricData", &self.metric_data);
        let entities = numbered("EntityMetricData", &self.entity_metric_data)
            .flat_map(|(at, entity)| numbered(&format!("{at}.MetricData"), &entity.metric_data));
        plain.chain(entities)
    }

    fn check(&self) -> Result<(), Fault> {
        check_text("Namespace", self.namespace.as_deref(), NAME_CHARS_MAX)?;
        let namespace = self.namespace.as_deref().unwrap_or_default();
        if namespace.starts_with(':') || namespace.starts_with("AWS/") {
            return Err(invalid(format!(
                "The value {namespace} for parameter Namespace is invalid."
            )));
        }
        let count = self.data().count();
        if count == 0 {
            return Err(missing("MetricData"));
        }
        if count > DATA_MAX {
            let message =
                format!("The collection MetricData must not have a size greater than {DATA_MAX}.");
            return Err(invalid(message));
        }
        self.data().try_for_each(|(at, datum)| datum.check(&at))
    }
}

impl Datum {
    fn check(&self, at: &str) -> Result<(), Fault> {
        check_text(&format!("{at}.MetricName"), self.metric_name.as_deref(), NAME_CHARS_MAX)?;
        check_size(&format!("{at}.Dimensions"), &self.dimensions, DIMENSIONS_MAX)?;
        for (at, dimension) in numbered(&format!("{at}.Dimensions"), &self.dimensions) {
            check_text(&format!("{at}.Name"), dimension.name.as_deref(), NAME_CHARS_MAX)?;
            let value = dimension.value.as_deref();
            check_text(&format!("{at}.Value"), value, DIMENSION_VALUE_CHARS_MAX)?;
        }
        self.check_exclusive(at)?;
        if let Some(value) = self.value {
            check_number(&format!("{at}.Value"), value)?;
        }
        check_size(&format!("{at}.Values"), &self.values, VALUES_MAX)?;
        for (at, value) in numbered(&format!("{at}.Values"), &self.values) {
            check_number(&at, *value)?;
        }
        let sizes = |list: &Option<Vec<f64>>| list.as_ref().map(Vec::len);
        if sizes(&self.counts).is_some_and(|counts| Some(counts) != sizes(&self.values)) {
            return Err(invalid(format!(
                "The parameters {at}.Values and {at}.Counts must be of the same size."
            )));
        }
        self.statistic_values.as_ref().map_or(Ok(()), |statistics| statistics.check(at))
    }

    /// A datum is a value, values, or statistics of values.
    fn check_exclusive(&self, at: &str) -> Result<(), Fault> {
        let forms = [
            ("Value", self.value.is_some()),
            ("Values", self.values.is_some()),
            ("StatisticValues", self.statistic_values.is_some()),
        ];
        let mut given = forms.iter().filter(|(_, given)| *given).map(|(name, _)| name);
        match (given.next(), given.next()) {
            (Some(first), Some(second)) => Err(Fault::client(
                "InvalidParameterCombinationException",
                format!(
                    "The parameters {at}.{first} and {at}.{second} are mutually exclusive and you \
                     have specified both."
                ),
            )),
            (None, _) => Err(Fault::client(
                "MissingRequiredParameterException",
                "At least one of the parameters must be specified.",
            )),
            _ => Ok(()),
        }
    }
}

impl Statistics {
    fn check(&self, at: &str) -> Result<(), Fault> {
        let members = [
            ("SampleCount", self.sample_count),
            ("Sum", self.sum),
            ("Minimum", self.minimum),
            ("Maximum", self.maximum),
        ];
        for (name, value) in members {
            let at = format!("{at}.StatisticValues.{name}");
            check_number(&at, value.ok_or_else(|| missing(&at))?)?;
        }
        Ok(())
    }
}

/// A list's elements, each with its place as AWS spells it.
fn numbered<'a, T>(
    at: &str,
    list: &'a Option<Vec<T>>,
) -> impl Iterator<Item = (String, &'a T)> + use<'a, T> {
    let at = at.to_owned();
    let elements = list.iter().flatten().enumerate();
    elements.map(move |(index, element)| (format!("{at}.member.{}", index + 1), element))
}

fn check_text(at: &str, text: Option<&str>, chars_max: usize) -> Result<(), Fault> {
    let text = text.filter(|text| !text.is_empty()).ok_or_else(|| missing(at))?;
    if text.chars().nth(chars_max).is_some() {
        let message =
            format!("The parameter {at} must be shorter than {} characters.", chars_max + 1);
        return Err(invalid(message));
    }
    Ok(())
}

fn check_size<T>(at: &str, list: &Option<Vec<T>>, max: usize) -> Result<(), Fault> {
    match list {
        Some(list) if list.len() > max => {
            Err(invalid(format!("The collection {at} must not have a size greater than {max}.")))
        }
        _ => Ok(()),
    }
}

/// Values lie between -2^360 and 2^360 (CloudWatch's documentation of `PutMetricData`).
fn check_number(at: &str, value: f64) -> Result<(), Fault> {
    if value.abs() <= 2f64.powi(360) {
        Ok(())
    } else {
        Err(invalid(format!("The value {value} for parameter {at} is invalid.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(codec: Codec, body: &'static [u8]) -> Result<PutMetricDataInput, Fault> {
        PutMetricData::decode(codec, &Bytes::from_static(body))
    }

    fn refused(body: &'static str) -> (String, String) {
        let fault = decode(Codec::Json, body.as_bytes()).err().expect("a fault");
        (fault.code.into_owned(), fault.message.unwrap_or_default().into_owned())
    }

    #[test]
    fn three_codecs() {
        let form = b"Action=PutMetricData&Version=2010-08-01&Namespace=My%2FApp\
            &MetricData.member.1.MetricName=Lag&MetricData.member.1.Unit=Count\
            &MetricData.member.1.Timestamp=2026-11-24T07%3A00%3A00Z&MetricData.member.1.Value=1.5\
            &MetricData.member.1.Dimensions.member.1.Name=Shard\
            &MetricData.member.1.Dimensions.member.1.Value=0";
        let json = br#"{"Namespace":"My/App","MetricData":[{"MetricName":"Lag","Value":1.5,
            "Timestamp":1795500000,"Dimensions":[{"Name":"Shard","Value":"0"}]}]}"#;
        // Times are tagged seconds, whole or not.
        let cbor = b"\xbfiNamespacefMy/AppjMetricData\x82\
            \xbfjMetricNamecLagiTimestamp\xc1\x1a\x6b\x05\x8f\x60eValue\xfb\x3f\xf8\0\0\0\0\0\0\xff\
            \xbfjMetricNamecLagiTimestamp\xc1\xfb\x41\xda\xc1\x63\xd8\x10\0\0eValue\x01\xff\xff";
        for (codec, body, count) in
            [(Codec::Query, &form[..], 1), (Codec::Json, json, 1), (Codec::RpcCbor, cbor, 2)]
        {
            let input = decode(codec, body).unwrap_or_else(|fault| panic!("{codec:?}: {fault:?}"));
            assert_eq!(input.namespace.as_deref(), Some("My/App"));
            assert_eq!(input.data().count(), count, "{codec:?}");
        }
    }

    #[test]
    fn statistics_values_and_entities() {
        let accepted = br#"{"Namespace":"N","MetricData":[
            {"MetricName":"a","Values":[1,2],"Counts":[3,4]},
            {"MetricName":"b","StatisticValues":{"SampleCount":1,"Sum":2,"Minimum":2,"Maximum":2}}],
            "EntityMetricData":[{"MetricData":[{"MetricName":"c","Value":0}]},{}]}"#;
        assert_eq!(decode(Codec::Json, accepted).map(|it| it.data().count()).ok(), Some(3));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            ("{}", "MissingRequiredParameter", "The parameter Namespace is required."),
            (r#"{"Namespace":"N"}"#, "MissingRequiredParameter", "The parameter MetricData is"),
            (r#"{"Namespace":"AWS/X"}"#, "InvalidParameterValue", "The value AWS/X for"),
            (
                r#"{"Namespace":"N","MetricData":[{"Value":1}]}"#,
                "MissingRequiredParameter",
                "The parameter MetricData.member.1.MetricName is required.",
            ),
            (
                r#"{"Namespace":"N","MetricData":[{"MetricName":"a"}]}"#,
                "MissingRequiredParameter",
                "At least one of the parameters must be specified.",
            ),
            (
                r#"{"Namespace":"N","MetricData":[{"MetricName":"a","Value":1,"Values":[1]}]}"#,
                "InvalidParameterCombination",
                "The parameters MetricData.member.1.Value and MetricData.member.1.Values are",
            ),
            (
                r#"{"Namespace":"N","MetricData":[{"MetricName":"a","Values":[1],"Counts":[]}]}"#,
                "InvalidParameterValue",
                "The parameters MetricData.member.1.Values and MetricData.member.1.Counts must",
            ),
            (
                r#"{"Namespace":"N","MetricData":[{"MetricName":"a","Value":1e200}]}"#,
                "InvalidParameterValue",
                "The value 1",
            ),
            (
                r#"{"Namespace":"N","MetricData":[{"MetricName":"a","StatisticValues":{"Sum":1}}]}"#,
                "MissingRequiredParameter",
                "The parameter MetricData.member.1.StatisticValues.SampleCount is required.",
            ),
        ];
        for (body, code, start) in cases {
            let (answered, message) = refused(body);
            assert_eq!(answered, format!("{code}Exception"), "{body}");
            assert!(message.starts_with(start), "{body}: {message}");
        }
        assert_eq!(refused(r#"{"Namespace":5}"#).0, "SerializationException");
    }

    #[test]
    fn sizes_are_limited() {
        let data = |count: usize| {
            let datum = r#"{"MetricName":"a","Value":1}"#;
            let body =
                format!(r#"{{"Namespace":"N","MetricData":[{}]}}"#, vec![datum; count].join(","));
            PutMetricData::decode(Codec::Json, &body.into())
        };
        assert!(data(DATA_MAX).is_ok());
        assert!(data(DATA_MAX + 1).is_err());
        let long =
            format!(r#"{{"Namespace":"{}","MetricData":[]}}"#, "n".repeat(NAME_CHARS_MAX + 1));
        let fault = PutMetricData::decode(Codec::Json, &long.into()).err();
        assert_eq!(fault.map(|fault| fault.code), Some("InvalidParameterValueException".into()));
    }
}
