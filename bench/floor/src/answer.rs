//! The JSON of the answers.

/// What AWS's 56 digits begin with here; the record's number fills the rest.
const HEAD: &[u8; 36] = b"496033827149025660855969253836157109";
const NUMBER_DIGITS: usize = 20;
/// What one record's result needs, at most.
const RESULT_BYTES: usize = 128;

/// Writes the answer to a PutRecords whose first record has the number `first`.
pub fn write_put_records(first: u64, shards: &[u8], answer: &mut Vec<u8>) {
    answer.reserve(shards.len() * RESULT_BYTES + RESULT_BYTES);
    answer.extend_from_slice(br#"{"EncryptionType":"NONE","FailedRecordCount":0,"Records":["#);
    for (index, shard) in shards.iter().enumerate() {
        if index > 0 {
            answer.push(b',');
        }
        answer.push(b'{');
        write_result(first + index as u64, *shard, answer);
        answer.push(b'}');
    }
    answer.extend_from_slice(b"]}");
}

/// Writes the answer to a PutRecord.
pub fn write_put_record(number: u64, shard: u8, answer: &mut Vec<u8>) {
    answer.reserve(RESULT_BYTES + RESULT_BYTES);
    answer.extend_from_slice(br#"{"EncryptionType":"NONE","#);
    write_result(number, shard, answer);
    answer.push(b'}');
}

fn write_result(number: u64, shard: u8, answer: &mut Vec<u8>) {
    let mut digits = [b'0'; NUMBER_DIGITS];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    answer.extend_from_slice(br#""SequenceNumber":""#);
    answer.extend_from_slice(HEAD);
    answer.extend_from_slice(&digits);
    answer.extend_from_slice(br#"","ShardId":"shardId-00000000000"#);
    answer.push(b'0' + shard);
    answer.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_json_with_56_digits() {
        let mut answer = Vec::new();
        write_put_records(9, &[0, 3], &mut answer);
        let value: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        let number = value["Records"][1]["SequenceNumber"].as_str().unwrap();
        assert_eq!(number.len(), 56);
        assert!(number.ends_with("0010"));
        assert_eq!(value["Records"][1]["ShardId"], "shardId-000000000003");
    }
}
