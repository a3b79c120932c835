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
        serde_json::to_writer(&mut *lines, self).expect("a vector takes every byte");
        lines.push(b'\n');
    }
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
}
