//! What could not be delivered, as lines of JSON under the error prefix. Members and their order are
//! AWS's (`facts/firehose.md` § 2.6).

use base64_simd::STANDARD;
use serde::Serialize;
use stdx::UnixMillis;

/// A record that a processor failed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessingFailed<'a> {
    raw_data: String,
    error_code: &'a str,
    error_message: &'a str,
    attempts_made: u32,
    arrival_timestamp: u64,
    attempt_ending_timestamp: u64,
    /// Absent where no function was involved.
    #[serde(rename = "lambdaARN", skip_serializing_if = "Option::is_none")]
    lambda_arn: Option<&'a str>,
}

/// What is known of a failure.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// AWS's code, such as `Lambda.FunctionError`.
    pub code: &'a str,
    /// AWS's words for it.
    pub message: &'a str,
    /// How often it was tried.
    pub attempts: u32,
    /// When the last attempt ended.
    pub ended: UnixMillis,
}

impl<'a> ProcessingFailed<'a> {
    /// The line's object, for a record that arrived at `arrival`.
    pub fn new(
        data: &[u8],
        arrival: UnixMillis,
        failure: Failure<'a>,
        lambda_arn: Option<&'a str>,
    ) -> Self {
        ProcessingFailed {
            raw_data: STANDARD.encode_to_string(data),
            error_code: failure.code,
            error_message: failure.message,
            attempts_made: failure.attempts,
            arrival_timestamp: arrival.0,
            attempt_ending_timestamp: failure.ended.0,
            lambda_arn,
        }
    }

    /// Appends the line.
    pub fn write_line(&self, lines: &mut Vec<u8>) {
        write_line(self, lines);
    }
}

/// A record that could not be converted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FormatConversionFailed<'a> {
    attempts_made: u32,
    arrival_timestamp: u64,
    last_error_code: &'a str,
    last_error_message: &'a str,
    attempt_ending_timestamp: u64,
    raw_data: String,
    sequence_number: Option<&'a str>,
    sub_sequence_number: Option<u64>,
    data_catalog_table: DataCatalogTable<'a>,
}

/// The table that a record should have been a row of, as the delivery stream's configuration names it.
/// What it does not say is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataCatalogTable<'a> {
    /// The catalog, an account's number.
    pub catalog_id: Option<&'a str>,
    /// The database.
    pub database_name: &'a str,
    /// The table.
    pub table_name: &'a str,
    /// The catalog's region.
    pub region: &'a str,
    /// `LATEST`, or a number.
    pub version_id: &'a str,
    /// The catalog's ARN.
    pub catalog_arn: Option<&'a str>,
}

impl<'a> FormatConversionFailed<'a> {
    /// The line's object, for a record that arrived at `arrival`. One of a Kinesis stream has a sequence
    /// number, and a sub-sequence number if it was put together with others.
    pub fn new(
        data: &[u8],
        arrival: UnixMillis,
        failure: Failure<'a>,
        (sequence_number, sub_sequence_number): (Option<&'a str>, Option<u64>),
        table: DataCatalogTable<'a>,
    ) -> Self {
        FormatConversionFailed {
            attempts_made: failure.attempts,
            arrival_timestamp: arrival.0,
            last_error_code: failure.code,
            last_error_message: failure.message,
            attempt_ending_timestamp: failure.ended.0,
            raw_data: STANDARD.encode_to_string(data),
            sequence_number,
            sub_sequence_number,
            data_catalog_table: table,
        }
    }

    /// Appends the line.
    pub fn write_line(&self, lines: &mut Vec<u8>) {
        write_line(self, lines);
    }
}

fn write_line(line: &impl Serialize, lines: &mut Vec<u8>) {
    serde_json::to_writer(&mut *lines, line).expect("a vector takes every byte");
    lines.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_aws_s_members_in_order() {
        let failure = Failure {
            code: "Lambda.ProcessingFailedStatus",
            message: "ProcessingFailed status set for record",
            attempts: 1,
            ended: UnixMillis(1_700_000_000_500),
        };
        let arrival = UnixMillis(1_700_000_000_000);
        let mut lines = Vec::new();
        let arn = Some("arn:aws:lambda:us-east-1:000000000000:function:f");
        ProcessingFailed::new(b"hi", arrival, failure, arn).write_line(&mut lines);
        assert_eq!(
            String::from_utf8(lines).unwrap(),
            "{\"rawData\":\"aGk=\",\"errorCode\":\"Lambda.ProcessingFailedStatus\",\
             \"errorMessage\":\"ProcessingFailed status set for record\",\"attemptsMade\":1,\
             \"arrivalTimestamp\":1700000000000,\"attemptEndingTimestamp\":1700000000500,\
             \"lambdaARN\":\"arn:aws:lambda:us-east-1:000000000000:function:f\"}\n"
        );
    }

    #[test]
    fn a_line_of_format_conversion_has_aws_s_members_in_order() {
        let failure = Failure {
            code: "DataFormatConversion.MalformedData",
            message: "Data does not match the schema. For input string: \"oops\"",
            attempts: 1,
            ended: UnixMillis(1_700_000_000_500),
        };
        let table = DataCatalogTable {
            catalog_id: Some("000000000000"),
            database_name: "d",
            table_name: "t",
            region: "us-east-1",
            version_id: "LATEST",
            catalog_arn: None,
        };
        let numbers = (Some("49590338271490256608559692538361571095921575989136588898"), None);
        let arrival = UnixMillis(1_700_000_000_000);
        let mut lines = Vec::new();
        FormatConversionFailed::new(b"hi", arrival, failure, numbers, table).write_line(&mut lines);
        assert_eq!(
            String::from_utf8(lines).unwrap(),
            "{\"attemptsMade\":1,\"arrivalTimestamp\":1700000000000,\
             \"lastErrorCode\":\"DataFormatConversion.MalformedData\",\
             \"lastErrorMessage\":\"Data does not match the schema. For input string: \\\"oops\\\"\",\
             \"attemptEndingTimestamp\":1700000000500,\"rawData\":\"aGk=\",\
             \"sequenceNumber\":\"49590338271490256608559692538361571095921575989136588898\",\
             \"subSequenceNumber\":null,\
             \"dataCatalogTable\":{\"catalogId\":\"000000000000\",\"databaseName\":\"d\",\
             \"tableName\":\"t\",\"region\":\"us-east-1\",\"versionId\":\"LATEST\",\
             \"catalogArn\":null}}\n"
        );
    }
}
